-- Enters a record into the index of a user's records, and removes entries whose time is over. After `records.lua`.
--
-- KEYS[1]  the index
-- ARGV     1 the record's key, 2 until when it is kept, 3 for how many milliseconds from now Redis keeps the index at least, 4 now;
--          times are in milliseconds, by the caller's clock
-- returns  how many entries there are
local time = redis.call('TIME')
local here, now, ends = time[1] * 1000, tonumber(ARGV[4]), tonumber(ARGV[2])
-- What a slow clock enters would be over at once for all others, and their `end_all` would miss a session that lives.
if here - now > MARGIN then
  ends = math.min(ends + here - now, LONGEST)
end
-- By the slower of both clocks: a fast one would remove entries of sessions that live.
local over = math.min(now, here) - MARGIN
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', over))
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', ends), ARGV[1])
keep_at_least(ARGV[3])
return redis.call('ZCARD', KEYS[1])
