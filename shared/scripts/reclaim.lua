-- Take over entries whose consumer has been silent.
-- KEYS: stream   ARGV: group, consumer, idle ms, at most, deliveries after which an entry is spent
-- Returns {id, deliveries including this one, {field, value, ...}} for each.
-- Not XAUTOCLAIM: Redis 6.2 answers nil for an entry that was deleted while pending and keeps it pending for ever.
local rows = {}
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[4])) do
  local id, deliveries = pending[1], pending[4]
  local found = redis.call('XRANGE', KEYS[1], id, id)
  if #found == 0 then
    redis.call('XACK', KEYS[1], ARGV[1], id)
  else
    if #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], id) > 0 then
      rows[#rows + 1] = {id, deliveries + 1, found[1][2]}
    end
  end
end
return rows
