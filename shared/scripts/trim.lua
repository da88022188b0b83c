-- Drop old entries, never past what a live group has not acknowledged; and count right how far our groups are.
-- KEYS: stream   ARGV: floor id by age, silence in ms after which a foreign group is dead, our own groups...
-- Returns how many entries were dropped.
local function before(a, b)
  local a1, a2 = a:match('(%d+)-(%d+)')
  local b1, b2 = b:match('(%d+)-(%d+)')
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 < b1 or (a1 == b1 and a2 < b2)
end
local function as_table(flat)
  local about = {}
  for i = 1, #flat, 2 do about[flat[i]] = flat[i + 1] end
  return about
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local floor, own, about = ARGV[1], {}, as_table(redis.call('XINFO', 'STREAM', KEYS[1]))
for i = 3, #ARGV do own[ARGV[i]] = true end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = as_table(flat)
  local live = own[group['name']] or false
  -- Redis before 7.2 at least forgets by a restart from its log how many entries a group has read: its lag stays.
  local read_all = group['last-delivered-id'] == about['last-generated-id']
  if live and read_all and group['entries-read'] and group['entries-read'] ~= about['entries-added'] then
    redis.call('XGROUP', 'SETID', KEYS[1], group['name'], group['last-delivered-id'], 'ENTRIESREAD',
      about['entries-added'])
  end
  if not live then
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group['name'])) do
      if as_table(consumer)['idle'] < tonumber(ARGV[2]) then live = true end
    end
  end
  if live then
    local needed = group['last-delivered-id']
    local oldest = redis.call('XPENDING', KEYS[1], group['name'])[2]
    if oldest and before(oldest, needed) then needed = oldest end
    if before(needed, floor) then floor = needed end
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', floor)
