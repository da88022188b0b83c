-- Count deliveries that wait for a moment or for their endpoint.
-- KEYS: two pairs of a sorted set of names and what the keys of their lists begin with
local waiting = 0
for i = 1, 3, 2 do
  for _, name in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    waiting = waiting + redis.call('LLEN', KEYS[i + 1] .. name)
  end
end
return waiting
