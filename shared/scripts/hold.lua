-- Acknowledge entries whose endpoints cannot take them now, and have their deliveries wait for those.
-- KEYS: stream, sorted set of endpoints that hold, what the key of a list begins with
-- ARGV: group, then for each entry: its id, delivery, endpoint, when to look at the endpoint again (s)
-- Returns how many were ours to acknowledge: what another has settled is left alone.
local held = 0
for at = 2, #ARGV, 4 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1 then
    redis.call('RPUSH', KEYS[3] .. ARGV[at + 2], ARGV[at + 1])
    redis.call('ZADD', KEYS[2], ARGV[at + 3], ARGV[at + 2])
    held = held + 1
  end
end
return held
