-- Owe deliveries that are not owed yet.
-- KEYS: the stream of due deliveries, then for each: its hash, its subscription's index
-- ARGV: seconds to keep, how many a subscription keeps, then for each: id, created (s), JSON of the hash's fields
-- Returns how many were new.
local new = 0
for i = 1, (#KEYS - 1) / 2 do
  local hash, index = KEYS[2 * i], KEYS[2 * i + 1]
  local id, created, fields = ARGV[3 * i], ARGV[3 * i + 1], cjson.decode(ARGV[3 * i + 2])
  if redis.call('EXISTS', hash) == 0 then
    for name, value in pairs(fields) do redis.call('HSET', hash, name, value) end
    redis.call('EXPIRE', hash, ARGV[1])
    redis.call('ZADD', index, created, id)
    redis.call('EXPIRE', index, ARGV[1])
    redis.call('ZREMRANGEBYRANK', index, 0, -1 - tonumber(ARGV[2]))
    redis.call('XADD', KEYS[1], '*', 'id', id, 'subscription', fields['subscription'], 'report', fields['report'])
    new = new + 1
  end
end
return new
