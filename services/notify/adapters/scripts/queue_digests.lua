-- Make deliveries of the digests that are due, and queue them; each once.
-- KEYS: digests due, queue of deliveries
-- ARGV: now (s), at most, seconds a delivery is kept, how many a subscription keeps, prefix of deliveries, prefix of
--   their indexes, prefix of digests
-- Returns how many were due.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  local id, subscription = string.match(member, '^(%S+) (%S+)$')
  local key, index = ARGV[5] .. id, ARGV[6] .. subscription
  redis.call('ZREM', KEYS[1], member)
  -- Gone if the subscription was removed meanwhile.
  if redis.call('EXPIRE', ARGV[7] .. id, ARGV[3]) == 1 and redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'kind', 'digest', 'subscription', subscription, 'report', '', 'state', 'pending',
      'attempts', 0, 'created', ARGV[1], 'next', '', 'id', id)
    redis.call('EXPIRE', key, ARGV[3])
    redis.call('ZADD', index, ARGV[1], id)
    redis.call('ZREMRANGEBYRANK', index, 0, -1 - tonumber(ARGV[4]))
    redis.call('EXPIRE', index, ARGV[3])
    redis.call('XADD', KEYS[2], '*', 'id', id, 'subscription', subscription, 'report', '')
  end
end
return #due
