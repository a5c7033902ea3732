-- Moves the expiry of a record forward if it has not expired. After `records.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 its prefix, 2 now, 3 the new expiry, both in 19 digits, 4 for how many milliseconds Redis keeps it at least
-- returns  1 if the record is alive, 0 if there is none or it has expired; the prefix of what is there if it is not a record of this key
--          and version
local stored = redis.call('HMGET', KEYS[1], 'd', 'e')
if not stored[1] and not stored[2] then
  return 0
end
if prefix(stored[1]) ~= ARGV[1] then
  return prefix(stored[1])
end
if not stored[2] or not is_later(stored[2], ARGV[2]) then
  return 0
end
if is_later(ARGV[3], stored[2]) then
  -- A full server refuses HSET, but not in a script that has written before. This needs no room.
  redis.call('HDEL', KEYS[1], '')
  redis.call('HSET', KEYS[1], 'e', ARGV[3])
end
-- Also where a faster clock wrote the later expiry: that one's time may be over sooner.
keep_at_least(ARGV[4])
return 1
