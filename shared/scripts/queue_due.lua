-- Move deliveries whose time has come from the waiting set to the stream.
-- KEYS: waiting set, stream   ARGV: now (s), at most, what the key of a delivery's hash begins with
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
  redis.call('ZREM', KEYS[1], id)
  local about = redis.call('HMGET', ARGV[3] .. id, 'subscription', 'report')
  -- A delivery whose hash has expired is owed to nobody any more.
  if about[1] then redis.call('XADD', KEYS[2], '*', 'id', id, 'subscription', about[1], 'report', about[2] or '') end
end
return #due
