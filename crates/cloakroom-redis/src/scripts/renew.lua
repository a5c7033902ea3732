-- Lengthens a lease that is held and has not run out. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the holder, 2 for how many milliseconds from now
-- returns  1, or 0 if it is not held by that holder any more
local lease = redis.call('HMGET', KEYS[1], 'l', 'u')
if lease[1] ~= ARGV[1] or not lasts(lease[2], ARGV[2]) then
  return 0
end
-- A full server refuses HSET, but not in a script that has written before. This needs no room.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], 'u', until_in(ARGV[2]))
return 1
