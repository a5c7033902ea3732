-- Takes an instance out of the queue for a lease; if it was its turn, it is the next one's. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the instance, 2 the channels' prefix, 3 whether the server stands alone
-- returns  nothing
local lease = redis.call('HMGET', KEYS[1], 'l', 'w')
if lease[2] then
  local others, waited = without(lease[2], ARGV[1])
  if waited then
    redis.call('HSET', KEYS[1], 'w', others)
  end
end
if lease[1] == '>' .. ARGV[1] then
  hand_over(ARGV[2], ARGV[3])
end
