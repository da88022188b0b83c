-- Write down what becomes of a report for each of some subscriptions, and queue what is sent; each once.
-- A decision counts only if what it was made on is still so. Else nothing of that item is written, and the answer says
-- what is so now: whoever asked decides again.
-- KEYS: queue of deliveries, hash of what was told of the story, hash of what was sent this hour, digests due
-- ARGV: seconds a delivery is kept, how many a subscription keeps, seconds the story is kept, prefix of deliveries,
--   prefix of their indexes, prefix of digests, report, revision, mark, story, created (s), JSON of the items
-- An item: subscription, id of the report's delivery, expected: told, earlier, sent ('' = any);
--   then: told from now on, id of what is written ('' = nothing), its state, decision, due (s), digest, refers to,
--   whether it is an update, mark told from now on ('' = as before)
-- Answers for each: 1 done, or {told, earlier, sent, whether its digest is closed}.
local queue, told_key, sent_key, due_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local kept, most, story_kept = ARGV[1], -1 - tonumber(ARGV[2]), ARGV[3]
local deliveries, indexes, digests = ARGV[4], ARGV[5], ARGV[6]
local report, revision, mark, story, created = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]

local function earlier_of(row)
  if not row[1] then return '' end
  local told = row[1] == 'not_sent' and '0' or '1'
  return (row[2] or '1') .. ' ' .. (row[3] or '') .. ' ' .. told .. ' ' .. (row[1] == 'held' and row[4] or '')
end

local answers = {}
for n, item in ipairs(cjson.decode(ARGV[12])) do
  local subscription, main = item[1], deliveries .. item[2]
  local row = redis.call('HMGET', main, 'state', 'revision', 'mark', 'next')
  if row[1] and tonumber(row[2] or '1') >= tonumber(revision) then
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
        local key, index = deliveries .. id, indexes .. subscription
        redis.call('HSET', key, 'kind', 'report', 'subscription', subscription, 'report', report, 'state', state,
          'attempts', 0, 'created', created, 'next', item[10], 'id', id, 'decision', item[9], 'digest', digest,
          'refers_to', item[12], 'is_update', item[13], 'revision', revision, 'mark', mark, 'story', story)
        redis.call('EXPIRE', key, kept)
        redis.call('ZADD', index, created, id)
        redis.call('ZREMRANGEBYRANK', index, 0, most)
        redis.call('EXPIRE', index, kept)
        if state == 'pending' then
          redis.call('XADD', queue, '*', 'id', id, 'subscription', subscription, 'report', report)
        elseif state == 'held' then
          redis.call('RPUSH', digests .. digest, id)
          redis.call('ZADD', due_key, item[10], digest .. ' ' .. subscription)
        end
      end
      if row[1] then
        redis.call('HSET', main, 'revision', revision)
        if item[14] ~= '' then redis.call('HSET', main, 'mark', item[14]) end
      end
      answers[n] = 1
    end
  end
end
redis.call('EXPIRE', told_key, story_kept)
return answers
