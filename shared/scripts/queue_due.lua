-- Move deliveries whose time has come from the waiting lists to the stream.
-- KEYS: sorted set of the moments that have a list, stream, what the key of a list begins with   ARGV: now (s), at most
-- Returns how many.
local moved, most = 0, tonumber(ARGV[2])
for _, moment in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, most)) do
  local list = KEYS[3] .. moment
  local ids = redis.call('LPOP', list, most - moved) or {}
  for _, id in ipairs(ids) do redis.call('XADD', KEYS[2], '*', 'id', id) end
  moved = moved + #ids
  if redis.call('EXISTS', list) == 0 then redis.call('ZREM', KEYS[1], moment) end
  if moved >= most then break end
end
return moved
