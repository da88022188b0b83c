-- Acknowledge entries whose endpoints cannot take them now, and have their deliveries wait for those.
-- KEYS: stream, sorted set of endpoints that hold, what the key of a list begins with, hash of who waits,
--   what the key begins with that says that an endpoint has answered somebody well of late
-- ARGV: group, seconds that the hash lives, when to look at an endpoint that is well elsewhere (s), then for each entry:
--   its id, delivery, endpoint, when to look at the endpoint again (s), subscription whose next reports are to wait
--   there as well ('' = none)
-- Returns how many were ours to acknowledge: what another has settled is left alone.
local held = 0
for at = 4, #ARGV, 5 do
  local delivery, endpoint, look_at, subscription = unpack(ARGV, at + 1, at + 4)
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1 then
    redis.call('RPUSH', KEYS[3] .. endpoint, delivery)
    if redis.call('EXISTS', KEYS[5] .. endpoint) == 1 then
      look_at = ARGV[3]
    elseif subscription ~= '' then
      redis.call('HSET', KEYS[4], subscription, endpoint)
    end
    -- Never later than it was: what goes on coming would put its turn off for ever.
    redis.call('ZADD', KEYS[2], 'LT', look_at, endpoint)
    held = held + 1
  end
end
if redis.call('TTL', KEYS[4]) == -1 then redis.call('EXPIRE', KEYS[4], ARGV[2]) end
return held
