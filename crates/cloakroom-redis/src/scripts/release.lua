-- Gives a lease back, and the next turn to the first that waits. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the holder, 2 the channels' prefix, 3 whether the server stands alone
-- returns  1, or 0 if that holder does not have it
if redis.call('HGET', KEYS[1], 'l') ~= ARGV[1] then
  return 0
end
hand_over(ARGV[2], ARGV[3])
return 1
