-- Removes a record, and calls all that wait for its lease. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the channels' prefix
-- returns  1, or 0 if there was nothing
local lease = redis.call('HMGET', KEYS[1], 'l', 'w')
if redis.call('DEL', KEYS[1]) == 0 then
  return 0
end
call_all(ARGV[1], lease[1], lease[2])
return 1
