-- Puts an instance into the queue for a lease, unless it is there already. After `leases.lua`.
--
-- KEYS[1]  the record
-- ARGV     1 the instance
-- returns  in how many milliseconds the lease runs out; 0 if it can be had now, and if there is no record
local lease = redis.call('HMGET', KEYS[1], 'l', 'u', 'w')
if not lease[1] or lease[1] == '>' .. ARGV[1] then
  return 0
end
local left = (tonumber(lease[2]) or 0) - now()
if left <= 0 then
  return 0
end
local waiters = lease[3] or ''
local _, waits = without(waiters, ARGV[1])
if not waits then
  -- Without room for it the instance is not called, and comes by itself.
  redis.pcall('HSET', KEYS[1], 'w', waiters .. ARGV[1])
end
return left
