"""What Redis runs itself, so that nobody writes between the look and the writing."""

from __future__ import annotations

import hashlib
from functools import cache

_STORED = """
local function varint(text, place)
  local value, inverse, scale, count, byte = 0, 0, 1, 0, 0
  repeat
    byte = string.byte(text, place)
    place, count = place + 1, count + 1
    if count < 10 then
      value, inverse = value + byte % 128 * scale, inverse + (127 - byte % 128) * scale
    end
    scale = scale * 128
  until byte < 128
  if count == 10 then value = -inverse - 1 end
  return value, place
end

local function stored(key, time_field, our_field)
  local found = redis.call('HMGET', key, time_field, our_field)
  local time, ours = found[1], found[2]
  if not time then return nil end
  if ours and string.sub(ours, 31) == time then return string.sub(ours, 1, 30) end
  local seconds, nanos, place = 0, 0, 1  -- Feast wrote last: its time counts, and no created time
  while place <= #time do
    local tag, value = string.byte(time, place), 0
    value, place = varint(time, place + 1)
    if tag == 8 then seconds = value elseif tag == 16 then nanos = value end
  end
  return string.format('%010x%05x000000000000000', seconds + 68719476736, math.floor(nanos / 1000))
end
"""

PUT = (
    _STORED
    + """
-- ARGV: the fields of Feast's time and of our stamp, the stamp, Feast's time, then fields and values.
local at = stored(KEYS[1], ARGV[1], ARGV[2])
local stamp = ARGV[3]
if at and string.sub(at, 1, #stamp) > stamp then return 0 end
if #stamp == 15 then stamp = stamp .. '000000000000000' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4], ARGV[2], stamp .. ARGV[4], unpack(ARGV, 5))
return 1
"""
)

SWAP = (
    _STORED
    + """
-- ARGV: the two fields, the stamp that is expected, how many fields go, those, then as above from the stamp
-- on; or nothing.
local at = stored(KEYS[1], ARGV[1], ARGV[2])
local expected, gone = ARGV[3], tonumber(ARGV[4])
if not at or string.sub(at, 1, #expected) ~= expected then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1], ARGV[2], unpack(ARGV, 5, 4 + gone))
local stamp, time = ARGV[5 + gone], ARGV[6 + gone]
if stamp then
  if #stamp == 15 then stamp = stamp .. '000000000000000' end
  redis.call('HSET', KEYS[1], ARGV[1], time, ARGV[2], stamp .. time, unpack(ARGV, 7 + gone))
end
return 1
"""
)


@cache
def name_of(script: str) -> bytes:
    """By which `EVALSHA` calls it."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest().encode()
