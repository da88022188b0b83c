-- Find the story of a report among those of the last days, or begin one; answer {story, position, sources}.
-- KEYS: the report, then its bands, then its figures
-- ARGV: report id, source id, sketch, places that must agree, seconds a band lives, seconds a story lives,
--       prefix of report keys, prefix of story keys, how many bands, traits (core/traits.py),
--       places that must agree where nearly the same is asked for, hours after which it is,
--       and if there are figures: language, ",topic,topic,", ",country,country,"
-- Where no report of the same language is near, one of another language with the same figures may be.
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

local bands, near, hours = tonumber(ARGV[9]), tonumber(ARGV[11]), tonumber(ARGV[12])
local language, topics, countries = ARGV[13], ARGV[14], ARGV[15]

local NAMES_OF_PARTS = {'hour', 'cased', 'title', 'words', 'title_names', 'title_starts', 'names', 'capitals',
  'figures', 'firm', 'days', 'countries'}

local function parts_of(traits)
  local parts, number = {}, 0
  for part in string.gmatch(traits .. ' ', '([^ ]*) ') do
    number = number + 1
    parts[NAMES_OF_PARTS[number]] = part
  end
  return parts
end

local function counts(part, whole)  -- of the codes of one, those that the other has not, and all
  local found, missing = {}, 0
  for at = 1, #whole, 3 do found[string.sub(whole, at, at + 2)] = true end
  for at = 1, #part, 3 do
    if not found[string.sub(part, at, at + 2)] then missing = missing + 1 end
  end
  return missing, #part / 3
end

local function differ(one, other, part, whole)  -- each has something that the other has not
  return counts(one[part], other[whole]) > 0 and counts(other[part], one[whole]) > 0
end

local function headline_tells(one, other)  -- has a name of its own, or one that fits into the other's headline
  if counts(one.title_names, other.words) > 0 then return true end
  return counts(one.title_starts, other.words) > 0 and counts(one.title, other.words) <= 2
end

local function apart(one, other)  -- mostly other names
  local missing, all = counts(one.names, other.words)
  return missing * 2 > all
end

local function is_another(one, other)
  local missing, all = counts(one.countries, other.countries)
  local unnamed, named = counts(one.names, other.words)
  return differ(one, other, 'days', 'days') or differ(one, other, 'firm', 'figures')
    or (all > 0 and #other.countries > 0 and missing == all)
    or (headline_tells(one, other) and headline_tells(other, one))
    or (apart(one, other) and apart(other, one))
    -- A toll is corrected where all else says that it is the same.
    or (differ(one, other, 'figures', 'figures') and (unnamed == named or differ(one, other, 'names', 'words')))
end

-- A source seldom tells a happening twice, and words without capitals name nothing: then nearly all must be the same.
local function is_nearly(one, other)
  return not (differ(one, other, 'title', 'words') or differ(one, other, 'capitals', 'words')
    or differ(one, other, 'figures', 'figures'))
end

local mine = parts_of(ARGV[10])

local function is_told(other, equal, first, their_source)
  if not other then return equal >= near end
  other = parts_of(other)
  if is_another(mine, other) or (first and is_another(mine, parts_of(first))) then return false end
  local strict = their_source == source or mine.cased == '0' or other.cased == '0'
    or math.abs(mine.hour - other.hour) > hours
  return not strict or (equal >= near and is_nearly(mine, other))
end

local function share(one, other)
  for name in string.gmatch(one, '[^,]+') do
    if string.find(other, ',' .. name .. ',', 1, true) then return true end
  end
  return false
end

local function translation()
  for at = bands + 2, #KEYS do
    local told = redis.call('HGETALL', KEYS[at])
    for n = 1, #told, 2 do
      local other, about, where = string.match(told[n + 1], '^(%S+) (%S+) (%S+)$')
      if told[n] ~= language and share(countries, where)
          and (topics == ',' or about == ',' or share(topics, about)) then
        local its = redis.call('HGET', reports .. other, 'story')
        if its then return its end
      end
    end
  end
end

local known = redis.call('HMGET', KEYS[1], 'story', 'position')
local story, position = known[1], known[2]
if not story then
  local best, seen = needed - 1, {}
  for at = 2, bands + 1 do
    local other = redis.call('GET', KEYS[at])
    if other and not seen[other] then
      seen[other] = true
      local about = redis.call('HMGET', reports .. other, 'story', 'sketch', 'traits', 'source')
      if about[1] and about[2] then
        local equal = agreement(about[2])
        if equal > best then
          local first = about[1] ~= other and redis.call('HGET', reports .. about[1], 'traits')
          if is_told(about[3], equal, first, about[4]) then best, story = equal, about[1] end
        end
      end
    end
  end
  story = story or translation() or id
  position = redis.call('HINCRBY', stories .. story, 'reports', 1)
  redis.call('HSET', stories .. story, 'source:' .. source, 1)
  redis.call('HSET', KEYS[1], 'story', story, 'position', position)
end
redis.call('HSET', KEYS[1], 'sketch', sketch, 'traits', ARGV[10], 'source', source)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', stories .. story, ARGV[6])
for at = 2, bands + 1 do redis.call('SET', KEYS[at], id, 'EX', ARGV[5]) end
for at = bands + 2, #KEYS do
  redis.call('HSET', KEYS[at], language, id .. ' ' .. topics .. ' ' .. countries)
  redis.call('EXPIRE', KEYS[at], ARGV[5])
end
return {story, tonumber(position), redis.call('HLEN', stories .. story) - 1}
