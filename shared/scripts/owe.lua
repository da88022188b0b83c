-- Owe deliveries that are not owed yet.
-- KEYS: the stream of due deliveries, what the key of a delivery begins with, then for each: its subscription's log
-- ARGV: seconds to keep, how many a log keeps, seconds for what falls off it, then for each: id, the delivery
-- Returns how many were new.
local new = 0
for i = 3, #KEYS do
  local log, id, delivery = KEYS[i], ARGV[2 * i - 2], ARGV[2 * i - 1]
  if redis.call('SET', KEYS[2] .. id, delivery, 'NX', 'EX', ARGV[1]) then
    if redis.call('LPUSH', log, id) > tonumber(ARGV[2]) then
      redis.call('EXPIRE', KEYS[2] .. redis.call('RPOP', log), ARGV[3])
    end
    redis.call('EXPIRE', log, ARGV[1])
    local kind, subscription = string.match(delivery, '^%["(%a)","([^"]*)"')
    if kind == 'r' then
      redis.call('XADD', KEYS[1], '*', 'id', id, 'subscription', subscription)
    else
      redis.call('XADD', KEYS[1], '*', 'id', id)
    end
    new = new + 1
  end
end
return new
