-- Moves the expiry of a record forward if it has not expired.
--
-- KEYS[1]  the record
-- ARGV     1 its key, 2 now, 3 the new expiry, both in 19 digits, 4 when Redis may remove it
-- answers  1 if the record is alive, 0 if there is none, if it has expired, or if it is not a record of this key
local stored = redis.call('HMGET', KEYS[1], 'd', 'e')
if not stored[1] or not stored[2] or string.sub(stored[1], 4, 35) ~= ARGV[1] then
  return 0
end
-- Digits of equal number are ordered as text like the numbers they are, in every locale.
if #stored[2] ~= #ARGV[2] or stored[2] <= ARGV[2] then
  return 0
end
if ARGV[3] > stored[2] then
  -- A full server refuses HSET, but not in a script that has written before. This needs no room.
  redis.call('HDEL', KEYS[1], '')
  redis.call('HSET', KEYS[1], 'e', ARGV[3])
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
return 1
