-- Shared by the scripts that know leases. Three fields of a record are about its lease:
--
-- l  who has it: a number; or `>` and an instance, whose turn it is after a release
-- u  until when, in milliseconds on this server's clock
-- w  the instances that wait, 16 characters each, first come first
local ID = 16

-- How long a turn is kept for the instance that was woken.
local TURN = 500

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether a lease, or a turn, of so many milliseconds that ends then is held. One that ends further ahead than that was given before
-- this server's clock was set back, and is free.
local function lasts(ends, ms)
  local left = (tonumber(ends) or 0) - now()
  return left > 0 and left <= ms + TOLERANCE
end

local function until_in(ms)
  return string.format('%.0f', now() + ms)
end

-- `waiters` without `instance`, and whether it was among them.
local function without(waiters, instance)
  for at = 1, #waiters, ID do
    if string.sub(waiters, at, at + ID - 1) == instance then
      return string.sub(waiters, 1, at - 1) .. string.sub(waiters, at + ID), true
    end
  end
  return waiters, false
end

-- An instance that does not hear the call, for want of rights say, comes by itself a little later.
local function call(channel, instance)
  local heard = redis.pcall('PUBLISH', channel .. instance, KEYS[1])
  return type(heard) == 'number' and heard or 0
end

-- Ends the lease, or the turn, on KEYS[1]. The first instance that waits is called, and has the next turn. With
-- `alone` PUBLISH knows all who listen, and an instance that is gone is passed over; in a cluster it knows those of this node.
local function hand_over(channel, alone)
  local waiters = redis.call('HGET', KEYS[1], 'w') or ''
  redis.call('HDEL', KEYS[1], 'l', 'u', 'w')
  while #waiters > 0 do
    local first = string.sub(waiters, 1, ID)
    waiters = string.sub(waiters, ID + 1)
    if call(channel, first) > 0 or alone ~= '1' then
      redis.call('HSET', KEYS[1], 'l', '>' .. first, 'u', until_in(TURN), 'w', waiters)
      return
    end
  end
end

-- Calls all that wait for KEYS[1], which was removed with these fields.
local function call_all(channel, holder, waiters)
  if holder and string.sub(holder, 1, 1) == '>' then
    call(channel, string.sub(holder, 2))
  end
  for at = 1, #(waiters or ''), ID do
    call(channel, string.sub(waiters, at, at + ID - 1))
  end
end
