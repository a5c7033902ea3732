-- Shared by `replace` and `replace_and_release`: the conditional write itself.
--
-- KEYS[1]  the record
-- ARGV     1 its new bytes, 2 its revision, 3 its expiry in 19 digits, 4 when Redis may remove it, 5 its subject or '',
--          6 the revision that is replaced
-- answers  1; 0 if there is no record, -1 if it has another revision, -2 if it is not a record of this key
local function replace()
  local stored = redis.call('HMGET', KEYS[1], 'd', 'r')
  if not stored[1] and not stored[2] then
    return 0
  end
  -- The bytes carry the key that they were written for.
  if not stored[1] or string.sub(stored[1], 4, 35) ~= string.sub(ARGV[1], 4, 35) then
    return -2
  end
  -- As text: a number in Lua is a double, which has no 64 bits.
  if stored[2] ~= ARGV[6] then
    return -1
  end
  redis.call('HSET', KEYS[1], 'd', ARGV[1], 'r', ARGV[2], 'e', ARGV[3], 's', ARGV[5])
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
  return 1
end
