-- Inserts a record where there is none.
--
-- KEYS[1]  the record
-- ARGV     1 its bytes, 2 its revision, 3 its expiry in 19 digits, 4 for how many milliseconds Redis keeps it, 5 its subject or ''
-- returns  1, or 0 if there is anything under that key
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'd', ARGV[1], 'r', ARGV[2], 'e', ARGV[3], 's', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
