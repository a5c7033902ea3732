-- Checks whether a record names a subject, without sending the record. After `records.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 its prefix, 2 the subject
-- returns  its expiry in 19 digits; nothing if it names another subject, or is not a record of this key and version
local stored = redis.call('HMGET', KEYS[1], 'd', 'e', 's')
if prefix(stored[1]) ~= ARGV[1] or stored[3] ~= ARGV[2] then
  return false
end
return stored[2]
