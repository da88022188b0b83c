-- Move held deliveries of one endpoint to the stream.
-- KEYS: its list, stream, sorted set of endpoints that hold   ARGV: at most, the endpoint
-- Returns how many.
local ids = redis.call('LPOP', KEYS[1], ARGV[1]) or {}
for _, id in ipairs(ids) do redis.call('XADD', KEYS[2], '*', 'id', id, 'held', 1) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[3], ARGV[2]) end
return #ids
