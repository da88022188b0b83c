-- Queue deliveries again, each once: one that waits is taken from where it waits, one that is on its way is left alone.
-- KEYS: stream, list of the endpoint that they may wait for
-- ARGV: seconds to keep, then for each: id, its key, the delivery anew, list of the moment it waits for ('' = none),
--   '1' if it is pending
-- Returns how many.
local queued = 0
for at = 2, #ARGV, 5 do
  local id, key, delivery, moment, pending = unpack(ARGV, at, at + 4)
  local waited = 0
  if moment ~= '' then waited = redis.call('LREM', moment, 1, id) end
  if pending == '1' then waited = waited + redis.call('LREM', KEYS[2], 1, id) end
  if pending ~= '1' or waited > 0 then
    redis.call('SET', key, delivery, 'EX', ARGV[1], 'XX')
    redis.call('XADD', KEYS[1], '*', 'id', id)
    queued = queued + 1
  end
end
return queued
