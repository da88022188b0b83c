-- Mark an entry and tell of it, or do neither.
-- KEYS: hash, stream   ARGV: field, expected value ('' = absent), new value ('' = remove), event fields...
-- Returns 1 if done, 0 if somebody else was first.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
return 1
