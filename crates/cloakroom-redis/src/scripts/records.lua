-- Shared by the scripts that change a record: what its bytes begin with, and the conditional write.

-- The magic, the version and the key that the bytes were written for.
local function prefix(bytes)
  return string.sub(bytes or '', 1, PREFIX_LEN)
end

-- Replaces a record that still has the expected revision.
--
-- KEYS[1]  the record
-- ARGV     1 its new bytes, 2 its revision, 3 its expiry in 19 digits, 4 when Redis may remove it, 5 its subject or '',
--          6 the revision that is replaced
-- returns  1; 0 if there is no record, -1 if it has another revision; the prefix of what is there if it is not a record of this key
--          and version
local function replace()
  local stored = redis.call('HMGET', KEYS[1], 'd', 'r')
  if not stored[1] and not stored[2] then
    return 0
  end
  if prefix(stored[1]) ~= prefix(ARGV[1]) then
    return prefix(stored[1])
  end
  -- As text: a number in Lua is a double, which has no 64 bits.
  if stored[2] ~= ARGV[6] then
    return -1
  end
  redis.call('HSET', KEYS[1], 'd', ARGV[1], 'r', ARGV[2], 'e', ARGV[3], 's', ARGV[5])
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
  return 1
end
