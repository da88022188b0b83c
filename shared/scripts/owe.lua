-- Owe deliveries that are not owed yet.
-- Reports for an endpoint that keeps others waiting queue up behind those.
-- KEYS: the stream of due deliveries, what the key of a delivery begins with, hash of who waits, sorted set of endpoints
--   that hold, what the key of a list of those begins with, then for each: its subscription's log
-- ARGV: seconds to keep, how many a log keeps, seconds for what falls off it, then for each: id, the delivery
-- Returns how many were new.
local new = 0
for i = 6, #KEYS do
  local log, id, delivery = KEYS[i], ARGV[2 * i - 8], ARGV[2 * i - 7]
  if redis.call('SET', KEYS[2] .. id, delivery, 'NX', 'EX', ARGV[1]) then
    if redis.call('LPUSH', log, id) > tonumber(ARGV[2]) then
      redis.call('EXPIRE', KEYS[2] .. redis.call('RPOP', log), ARGV[3])
    end
    redis.call('EXPIRE', log, ARGV[1])
    local kind, subscription = string.match(delivery, '^%["(%a)","([^"]*)"')
    local endpoint = kind == 'r' and redis.call('HGET', KEYS[3], subscription)
    if endpoint and redis.call('ZSCORE', KEYS[4], endpoint) then
      redis.call('RPUSH', KEYS[5] .. endpoint, id)
    elseif kind == 'r' then
      redis.call('XADD', KEYS[1], '*', 'id', id, 'subscription', subscription)
    else
      redis.call('XADD', KEYS[1], '*', 'id', id)
    end
    new = new + 1
  end
end
return new
