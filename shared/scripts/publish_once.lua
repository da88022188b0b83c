-- Mark entries and tell of them; for each do both, or neither.
-- KEYS: hash, stream
-- ARGV, for each entry: field, expected value ('' = absent), new value ('' = remove), how many of these follow,
-- event fields and values
-- Returns for each 1 if done, 0 if somebody else was first.
local done, at = {}, 1
while at <= #ARGV do
  local field, expected, mark, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local now = redis.call('HGET', KEYS[1], field) or ''
  if now == expected then
    if mark == '' then
      redis.call('HDEL', KEYS[1], field)
    else
      redis.call('HSET', KEYS[1], field, mark)
    end
    redis.call('XADD', KEYS[2], '*', unpack(ARGV, at + 4, at + 3 + count))
  end
  done[#done + 1] = now == expected and 1 or 0
  at = at + 4 + count
end
return done
