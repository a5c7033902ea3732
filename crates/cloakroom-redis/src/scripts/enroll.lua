-- Enters a record into the index of a user's records, and removes entries whose time is over.
--
-- KEYS[1]  the index
-- ARGV     1 the record's key, 2 until when it is kept, 3 how much longer Redis keeps what is over, both in milliseconds
-- returns  nothing
local time = redis.call('TIME')
local over = time[1] * 1000 - ARGV[3]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', over))
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last + ARGV[3]))
