-- Make deliveries of the digests that are due, and queue them; each once.
-- KEYS: digests due, queue of deliveries
-- ARGV: now (s), at most, seconds a delivery is kept, how many a subscription keeps, prefix of deliveries, prefix of
--   subscriptions' logs, prefix of digests, seconds for what falls off a log
-- Returns how many were due.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  local id, subscription, note = string.match(member, '^(%S+) (%S+) ?(%S*)$')
  local log = ARGV[6] .. subscription
  redis.call('ZREM', KEYS[1], member)
  -- Gone if the subscription was removed meanwhile.
  if redis.call('EXPIRE', ARGV[7] .. id, ARGV[3]) == 1 then
    local delivery = {'d', subscription, '', 'p', 0, tonumber(ARGV[1]), 0, {}, 1}
    if note ~= '' then
      for _, rare in ipairs({'', 'now', '', '', '', note}) do delivery[#delivery + 1] = rare end
    end
    if redis.call('SET', ARGV[5] .. id, cjson.encode(delivery), 'NX', 'EX', ARGV[3]) then
      if redis.call('LPUSH', log, id) > tonumber(ARGV[4]) then
        redis.call('EXPIRE', ARGV[5] .. redis.call('RPOP', log), ARGV[8])
      end
      redis.call('EXPIRE', log, ARGV[3])
      redis.call('XADD', KEYS[2], '*', 'id', id)
    end
  end
end
return #due
