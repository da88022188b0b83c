-- Leave what a stopping consumer has not finished to whoever reclaims next, and remove its name.
-- KEYS: stream   ARGV: group, consumer, name of the one that holds what is handed back, idle ms to pretend
-- Returns how many entries were handed back.
local handed = 0
while true do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 500, ARGV[2])
  if #pending == 0 then break end
  local ids = {}
  for i, row in ipairs(pending) do ids[i] = row[1] end
  local command = {'XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0}
  for _, id in ipairs(ids) do command[#command + 1] = id end
  for _, part in ipairs({'IDLE', ARGV[4], 'JUSTID'}) do command[#command + 1] = part end
  redis.call(unpack(command))
  -- An entry that was deleted meanwhile cannot be claimed: it would come back for ever.
  for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 500, ARGV[2])) do
    if #redis.call('XRANGE', KEYS[1], row[1], row[1]) == 0 then redis.call('XACK', KEYS[1], ARGV[1], row[1]) end
  end
  handed = handed + #ids
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return handed
