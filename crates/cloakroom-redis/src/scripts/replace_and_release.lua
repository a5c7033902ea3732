-- Replaces a record that still has the expected revision, and gives the lease back if it is the caller's. After `records.lua` and
-- `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 to 6 as `replace` in `records.lua`, 7 the holder, 8 the channels' prefix, 9 whether the server stands alone
-- returns  as `replace` in `records.lua`
local replaced = replace()
if replaced == 1 and redis.call('HGET', KEYS[1], 'l') == ARGV[7] then
  hand_over(ARGV[8], ARGV[9])
end
return replaced
