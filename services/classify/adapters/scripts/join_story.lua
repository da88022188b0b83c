-- Find the story of a report among those of the last days, or begin one; answer {story, position, sources}.
-- KEYS: the report, then its bands
-- ARGV: report id, source id, sketch, places that must agree, seconds a band lives, seconds a story lives,
--       prefix of report keys, prefix of story keys
-- A report that has a story keeps it: asking again, or for a later revision, counts nothing twice.
local id, source, sketch, needed = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local reports, stories = ARGV[7], ARGV[8]

local places = {}
for at = 1, #sketch, 4 do places[at] = string.sub(sketch, at, at + 3) end

local function agreement(other)
  local equal = 0
  for at, place in pairs(places) do
    if place == string.sub(other, at, at + 3) then equal = equal + 1 end
  end
  return equal
end

local known = redis.call('HMGET', KEYS[1], 'story', 'position')
local story, position = known[1], known[2]
if not story then
  local best, seen = needed - 1, {}
  for at = 2, #KEYS do
    local other = redis.call('GET', KEYS[at])
    if other and not seen[other] then
      seen[other] = true
      local about = redis.call('HMGET', reports .. other, 'story', 'sketch')
      if about[1] and about[2] then
        local equal = agreement(about[2])
        if equal > best then best, story = equal, about[1] end
      end
    end
  end
  story = story or id
  position = redis.call('HINCRBY', stories .. story, 'reports', 1)
  redis.call('HSET', stories .. story, 'source:' .. source, 1)
  redis.call('HSET', KEYS[1], 'story', story, 'position', position)
end
redis.call('HSET', KEYS[1], 'sketch', sketch)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', stories .. story, ARGV[6])
for at = 2, #KEYS do redis.call('SET', KEYS[at], id, 'EX', ARGV[5]) end
return {story, tonumber(position), redis.call('HLEN', stories .. story) - 1}
