-- Removes a record if it names this subject, and calls all that wait for its lease. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the subject, 2 the channels' prefix
-- returns  1, or 0 if there is no record of that subject
local stored = redis.call('HMGET', KEYS[1], 's', 'l', 'w')
if stored[1] ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
call_all(ARGV[2], stored[2], stored[3])
return 1
