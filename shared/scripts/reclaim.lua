-- Take over entries whose consumer has been silent, or is dead.
-- KEYS: stream
-- ARGV: group, consumer, idle ms, at most, "1" to take who has no sign of life for dead, what that is called but for the name
-- Returns {id, deliveries including this one, {field, value, ...}} for each.
-- Not XAUTOCLAIM: Redis 6.2 answers nil for an entry that was deleted while pending and keeps it pending for ever.
local rows, at_most = {}, tonumber(ARGV[4])

local function take(pending, idle)
  for _, each in ipairs(pending) do
    local id, deliveries = each[1], each[4]
    local found = redis.call('XRANGE', KEYS[1], id, id)
    if #found == 0 then
      redis.call('XACK', KEYS[1], ARGV[1], id)
    elseif #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], idle, id) > 0 then
      rows[#rows + 1] = {id, deliveries + 1, found[1][2]}
    end
  end
end

take(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', at_most), ARGV[3])
for _, owner in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1])[4] or {}) do
  local name = owner[1]
  local life = redis.call('GET', ARGV[6] .. name)
  local is_dead = life == 'dead' or not life and ARGV[5] == '1'
  if #rows < at_most and name ~= ARGV[2] and is_dead then
    take(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', at_most - #rows, name), 0)
  end
end
return rows
