-- Shared by the scripts that change a record: what its bytes begin with, how long Redis keeps it, and the conditional write.
--
-- How long Redis keeps a record is always a length, on this server's clock. The application's clock may be slow: a time of it would
-- remove at once what was just written.

-- The longest that Redis is asked to keep anything: Lua's numbers are exact up to here.
local LONGEST = 9e15

-- The magic, the version and the key that the bytes were written for.
local function prefix(bytes)
  return string.sub(bytes or '', 1, PREFIX_LEN)
end

-- The bytes of the data that are compared with a guard. Before the data are the prefix, the revision and the expiry of 8 bytes each,
-- the subject after one byte for its length, and 4 bytes for the length of the data.
local function guarded(bytes)
  local data = PREFIX_LEN + 17 + (string.byte(bytes, PREFIX_LEN + 17) or 0) + 4
  return string.sub(bytes, data + GUARD_START + 1, data + GUARD_END)
end

-- Whether a time is later than another, both in 19 digits. Digits of equal number are ordered as text like the numbers they are, in
-- every locale.
local function is_later(time, other)
  return #time == #other and time > other
end

-- Has Redis keep KEYS[1] for so many milliseconds from now, and for the margin at least, if it would not keep it for longer.
local function keep_at_least(ms)
  ms = math.max(math.min(ms, LONGEST), MARGIN)
  if redis.call('PTTL', KEYS[1]) < ms then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ms))
  end
end

-- Replaces a record that still has the expected revision.
--
-- KEYS[1]  the record
-- ARGV     1 its new bytes, 2 its revision, 3 its expiry in 19 digits, 4 for how many milliseconds Redis keeps it, 5 its subject or '',
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
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 1
end
