-- Find the story of a report among those of the last days, or begin one; answer {story, position, sources}.
-- KEYS: the report, then its bands, then its figures
-- ARGV: report id, source id, sketch, places that must agree, seconds a band lives, seconds a story lives,
--       prefix of report keys, prefix of story keys, how many bands,
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

local bands, language, topics, countries = tonumber(ARGV[9]), ARGV[10], ARGV[11], ARGV[12]

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
      local about = redis.call('HMGET', reports .. other, 'story', 'sketch')
      if about[1] and about[2] then
        local equal = agreement(about[2])
        if equal > best then best, story = equal, about[1] end
      end
    end
  end
  story = story or translation() or id
  position = redis.call('HINCRBY', stories .. story, 'reports', 1)
  redis.call('HSET', stories .. story, 'source:' .. source, 1)
  redis.call('HSET', KEYS[1], 'story', story, 'position', position)
end
redis.call('HSET', KEYS[1], 'sketch', sketch)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', stories .. story, ARGV[6])
for at = 2, bands + 1 do redis.call('SET', KEYS[at], id, 'EX', ARGV[5]) end
for at = bands + 2, #KEYS do
  redis.call('HSET', KEYS[at], language, id .. ' ' .. topics .. ' ' .. countries)
  redis.call('EXPIRE', KEYS[at], ARGV[5])
end
return {story, tonumber(position), redis.call('HLEN', stories .. story) - 1}
