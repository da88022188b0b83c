-- Write down what becomes of a report for each of some subscriptions, and queue what is sent; each once.
-- Reports for an endpoint that keeps others waiting queue up behind those.
-- A decision counts only if what it was made on is still so. Else nothing of that item is written, and the answer says
-- what is so now: whoever asked decides again.
-- KEYS: queue of deliveries, hash of what was told of the story, hash of what was sent this hour, digests due,
--   hash of later revisions of the report, hash of who waits for an endpoint, sorted set of endpoints that hold
-- ARGV: seconds what is owed is kept, how many a subscription keeps, seconds all else is kept, prefix of deliveries,
--   prefix of subscriptions' logs, prefix of digests, report, revision, mark, created (s), seconds for what falls off a
--   log, story, JSON of the items, what the key of a list of an endpoint begins with
-- An item: subscription, id of the report's delivery, expected: told, earlier, sent ('' = any);
--   then: told from now on, id of what is written ('' = nothing), its state, decision, due (s), digest, refers to,
--   whether it is an update, mark told from now on ('' = as before)
-- Answers for each: 1 done, or {told, earlier, sent, whether its digest is closed}.
local queue, told_key, sent_key, due_key, revised_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local owed, most, kept = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local deliveries, logs, digests = ARGV[4], ARGV[5], ARGV[6]
local report, revision, mark, created = ARGV[7], tonumber(ARGV[8]), ARGV[9], tonumber(ARGV[10])
local story, lists, waits_key, holds_key = ARGV[12], ARGV[14], KEYS[6], KEYS[7]

redis.call('HSET', revised_key, '@' .. ARGV[8], mark)
redis.call('EXPIRE', revised_key, kept)

-- What became of the report before: state, due, revision and mark; a revision after the first is kept apart, because
-- whoever sends a delivery writes it whole.
local function earlier_row(key, subscription)
  local raw = redis.call('GET', key)
  if not raw then return nil end
  local row = cjson.decode(raw)
  local later = redis.call('HGET', revised_key, subscription)
  local latest, its_mark = row[9], redis.call('HGET', revised_key, '@' .. row[9]) or ''
  if later then latest, its_mark = string.match(later, '^(%S+) (%S*)$') end
  return {state = row[4], due = row[6] + row[7], revision = tonumber(latest), mark = its_mark}
end

local function earlier_of(row)
  if not row then return '' end
  local told = row.state == 'n' and '0' or '1'
  return row.revision .. ' ' .. row.mark .. ' ' .. told .. ' ' .. (row.state == 'h' and string.format('%d', row.due + 0.5) or '')
end

local answers = {}
for n, item in ipairs(cjson.decode(ARGV[13])) do
  local subscription, main = item[1], deliveries .. item[2]
  local row = earlier_row(main, subscription)
  if row and row.revision >= revision then
    answers[n] = 1
  else
    local told = redis.call('HGET', told_key, subscription) or ''
    local earlier = earlier_of(row)
    local sent = item[5] == '' and '' or (redis.call('HGET', sent_key, subscription) or '0')
    local id, state, digest = item[7], item[8], item[11]
    local closed = digest ~= '' and redis.call('EXISTS', deliveries .. digest) == 1
    if told ~= item[3] or earlier ~= item[4] or sent ~= item[5] or closed then
      answers[n] = {told, earlier, sent, closed and 1 or 0}
    else
      if item[6] ~= '' and item[6] ~= told then redis.call('HSET', told_key, subscription, item[6]) end
      if item[5] ~= '' and item[9] == 'now' then
        redis.call('HINCRBY', sent_key, subscription, 1)
        redis.call('EXPIRE', sent_key, 7200)
      end
      if id ~= '' then
        local log = logs .. subscription
        local due = item[10] ~= '' and tonumber(item[10]) - created or 0
        local code = ({pending = 'p', held = 'h', not_sent = 'n'})[state]
        local delivery = {'r', subscription, report, code, 0, created, due, {}, revision}
        if story ~= report or item[9] ~= 'now' or digest ~= '' or item[12] ~= '' or item[13] ~= '' then
          for _, rare in ipairs({story ~= report and story or '', item[9], digest, item[12], item[13], ''}) do
            delivery[#delivery + 1] = rare
          end
        end
        redis.call('SET', deliveries .. id, cjson.encode(delivery), 'EX', state == 'not_sent' and kept or owed)
        if redis.call('LPUSH', log, id) > most then
          redis.call('EXPIRE', deliveries .. redis.call('RPOP', log), ARGV[11])
        end
        redis.call('EXPIRE', log, owed)
        local endpoint = state == 'pending' and redis.call('HGET', waits_key, subscription)
        if endpoint and redis.call('ZSCORE', holds_key, endpoint) then
          redis.call('RPUSH', lists .. endpoint, id)
        elseif state == 'pending' then
          redis.call('XADD', queue, '*', 'id', id, 'subscription', subscription)
        elseif state == 'held' then
          redis.call('RPUSH', digests .. digest, id)
          redis.call('ZADD', due_key, item[10], digest .. ' ' .. subscription)
        end
      end
      if row then
        redis.call('HSET', revised_key, subscription, revision .. ' ' .. (item[14] ~= '' and item[14] or row.mark))
      end
      answers[n] = 1
    end
  end
end
redis.call('EXPIRE', told_key, kept)
return answers
