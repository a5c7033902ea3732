-- Takes the lease on a record, by this server's clock, and returns the record. After `records.lua` and `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 its prefix, 2 the lease, 3 for how many milliseconds, 4 the revision if a lease is taken over, 5 the instance,
--          6 now, by the caller's clock, in 19 digits, 7 the guard or '', 8 the lease that counts as run out or '', 9 its end
-- returns  {1, bytes, revision, expiry, subject}; {0} if there is no record, {-1} if another has the lease; {-2, bytes, revision,
--          expiry, subject} if the record does not match the guard or has expired, and nothing was written; the prefix of what is
--          there if it is not a record of this key and version
local f = redis.call('HMGET', KEYS[1], 'd', 'r', 'e', 's', 'l', 'u', 'w')
if not f[1] and not f[2] then
  return {0}
end
if prefix(f[1]) ~= ARGV[1] or not f[2] or not f[3] or not f[4] then
  return prefix(f[1])
end
if ARGV[7] ~= '' and (guarded(f[1]) ~= ARGV[7] or not is_later(f[3], ARGV[6])) then
  return {-2, f[1], f[2], f[3], f[4]}
end
local revision, holder, waiters = f[2], f[5], f[7]
if holder then
  local turn = string.sub(holder, 1, 1) == '>'
  local overruled = holder == ARGV[8] and f[6] == ARGV[9]
  if not overruled and lasts(f[6], turn and TURN or ARGV[3]) then
    if holder ~= ARGV[2] and holder ~= '>' .. ARGV[5] then
      return {-1}
    end
  elseif not turn then
    -- It ran out: its holder may be asleep, and must find that the record has moved on.
    revision = ARGV[4]
  end
end
redis.call('HSET', KEYS[1], 'r', revision, 'l', ARGV[2], 'u', until_in(ARGV[3]))
if revision ~= f[2] then
  keep_at_least((tonumber(f[3]) or 0) - ARGV[6] + MARGIN)
end
if waiters then
  local others, waited = without(waiters, ARGV[5])
  if waited then
    redis.call('HSET', KEYS[1], 'w', others)
  end
end
return {1, f[1], revision, f[3], f[4]}
