-- One page of the index of a user's records, in its own order: by end, then by key.
--
-- The page begins after a place, which is found by its end and key and not by its rank. So it is the same place when entries before it
-- have been removed, and when its own entry has.
--
-- KEYS[1]  the index
-- ARGV     1 how many entries at most, 2 the end and 3 the key of the last entry of the page before; both are missing for the first page
-- returns  keys and ends by turns
local function is_before(key, other)
  -- Byte by byte, as Redis orders keys; Lua compares strings in the order of the server's locale.
  for at = 1, math.min(#key, #other) do
    local a, b = string.byte(key, at), string.byte(other, at)
    if a ~= b then
      return a < b
    end
  end
  return #key < #other
end

local first, len = 0, redis.call('ZCARD', KEYS[1])
if ARGV[2] then
  local last = tonumber(ARGV[2])
  local beyond = len
  while first < beyond do
    local middle = math.floor((first + beyond) / 2)
    local entry = redis.call('ZRANGE', KEYS[1], middle, middle, 'WITHSCORES')
    local ends = tonumber(entry[2])
    if ends > last or (ends == last and is_before(ARGV[3], entry[1])) then
      beyond = middle
    else
      first = middle + 1
    end
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
