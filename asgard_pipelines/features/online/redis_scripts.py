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

-- The stamp of what is stored: 30 digits, after which others may stand.
local function stored(key, time_field, our_field)
  local found = redis.call('HMGET', key, time_field, our_field)
  local time, ours = found[1], found[2]
  if not time then return nil end
  if ours and string.sub(ours, 31) == time then return ours end
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
-- KEYS: of many rows. ARGV: how many digits of a stamp count, how many fields a row has, those (Feast's time
-- first, then ours), and row by row what they hold: ours the stamp and once more Feast's time.
local digits, fields = tonumber(ARGV[1]), tonumber(ARGV[2])
local pairs, landed, place = {}, 0, 2 + fields
for number = 1, fields do pairs[2 * number - 1] = ARGV[2 + number] end
for row = 1, #KEYS do
  local at = stored(KEYS[row], pairs[1], pairs[3])
  if not at or string.sub(at, 1, digits) <= string.sub(ARGV[place + 2], 1, digits) then
    for number = 1, fields do pairs[2 * number] = ARGV[place + number] end
    redis.call('HSET', KEYS[row], unpack(pairs))
    landed = landed + 1
  end
  place = place + fields
end
return landed
"""
)

SWAP = (
    _STORED
    + """
-- ARGV: the two fields, the stamp that is expected, how many fields go, those, then the stamp, Feast's time,
-- fields and values; or nothing.
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
