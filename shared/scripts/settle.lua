-- Acknowledge entries and write what follows from them.
-- KEYS: stream, then every key that is written   ARGV: group, then for each entry:
--   id, guard key ('' = none; else guard field, guard value), n commands, then for each command: n arguments, arguments...
-- XACK answers 1 to the first who settles an entry and 0 to all others, so what follows happens once.
-- The guard covers a group that was lost and made anew: then XACK says 1 again for work that was done before.
local stream, group = KEYS[1], ARGV[1]
local at, settled = 2, 0
while at <= #ARGV do
  local id, key, field, value = ARGV[at], ARGV[at + 1], nil, nil
  at = at + 2
  if key ~= '' then
    field, value = ARGV[at], tonumber(ARGV[at + 1])
    at = at + 2
  end
  local commands = tonumber(ARGV[at])
  at = at + 1
  local ours = redis.call('XACK', stream, group, id) == 1
  if ours then settled = settled + 1 end
  if ours and key ~= '' then
    ours = (tonumber(redis.call('HGET', key, field) or '0') or 0) < value
  end
  for _ = 1, commands do
    local n = tonumber(ARGV[at])
    if ours then redis.call(unpack(ARGV, at + 1, at + n)) end
    at = at + n + 1
  end
end
return settled
