-- Move some held deliveries of every endpoint whose turn has come to the stream.
-- KEYS: sorted set of endpoints that hold, stream, what the key of a list begins with
-- ARGV: now (s), at most from each, seconds until the same endpoint's next turn, about how many in all
-- Returns how many.
local moved = 0
for _, endpoint in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1000)) do
  if moved >= tonumber(ARGV[4]) then break end
  local list = KEYS[3] .. endpoint
  local ids = redis.call('LPOP', list, ARGV[2]) or {}
  for _, id in ipairs(ids) do redis.call('XADD', KEYS[2], '*', 'id', id, 'held', 1) end
  moved = moved + #ids
  if redis.call('EXISTS', list) == 1 then
    redis.call('ZADD', KEYS[1], ARGV[1] + ARGV[3], endpoint)
  else
    redis.call('ZREM', KEYS[1], endpoint)
  end
end
return moved
