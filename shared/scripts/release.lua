-- Move held deliveries of one endpoint to the stream.
-- KEYS: its list, stream   ARGV: at most
-- Returns how many.
local ids = redis.call('LPOP', KEYS[1], ARGV[1]) or {}
for _, id in ipairs(ids) do redis.call('XADD', KEYS[2], '*', 'id', id) end
return #ids
