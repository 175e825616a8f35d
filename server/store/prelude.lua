-- What every script of a story begins with: its keys (one hash tag, one order) and named arguments.
local META, POSTS, ORDER, MARKS, LOG = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local REVISIONS, VERSIONS, CREATED = KEYS[6], KEYS[7], KEYS[8]
local A = {}
for i = 1, #ARGV, 2 do A[ARGV[i]] = ARGV[i + 1] end

local function whole(number) return string.format('%.0f', number) end

local function run_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end

-- The log is not the one its readers were following: another server process (unless durable), or its top is missing.
local function lost(seq, kept_run_id)
  if A.durable ~= '1' and kept_run_id ~= run_id() then return true end
  local top = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
  return (top and top[1] or '0-0') ~= seq .. '-0'
end

-- epoch, seq, status, doc; or nil and what stands in the way.
local function story()
  local held = redis.call('HMGET', META, 'epoch', 'seq', 'run_id', 'status', 'doc')
  if not held[1] then return nil, {'none'} end
  if held[4] == 'deleted' then return nil, {'gone', held[1], held[2]} end
  if lost(held[2], held[3]) then return nil, {'lost', held[1]} end
  return held[1], held[2], held[4], held[5]
end

-- What a hash holds under these names, in that order; in parts, because a call takes only so many arguments.
local function held_in(key, names)
  local found = {}
  for first = 1, #names, 500 do
    for _, value in ipairs(redis.call('HMGET', key, unpack(names, first, math.min(first + 499, #names)))) do
      found[#found + 1] = value
    end
  end
  return found
end

-- The members of `model.Totals`, in its order, without braces.
local function totals()
  local held = redis.call('HMGET', META, 'version', 'post_count', 'listed_count', 'date_modified', 'pinned_post_id')
  local pinned = held[5] == '' and 'null' or '"' .. held[5] .. '"'
  return '"version":' .. held[1] .. ',"post_count":' .. held[2] .. ',"listed_count":' .. held[3]
    .. ',"date_modified":"' .. held[4] .. '","pinned_post_id":' .. pinned
end

-- A number that HINCRBY takes, with more room above it than changes will ever fill: below 2^53, as `whole` writes it.
local function is_count(text)
  local number = tonumber(text)
  return number ~= nil and math.abs(number) < 2 ^ 53 and whole(number) == text
end

-- A script that fails midway keeps what it wrote. So the fields it will count up are looked at before it writes: nil,
-- or the answer that refuses.
local function uncountable()
  for _, field in ipairs({'seq', 'version', 'post_count', 'listed_count'}) do
    local held = redis.call('HGET', META, field)
    if not is_count(held or '') then return {'uncountable', field} end
  end
end

local function begin(doc, status)
  redis.call('HSET', META, 'epoch', A.fresh, 'seq', 0, 'run_id', run_id(), 'doc', doc, 'status', status,
    'version', 0, 'post_count', 0, 'listed_count', 0, 'date_modified', '', 'pinned_post_id', '')
end

-- The first millisecond from `ms` on that no other listed post has, and that `used` does not hold.
local function free_ms(ms, id, used)
  local at = tonumber(ms)
  while true do
    local there = redis.call('ZRANGEBYSCORE', ORDER, whole(at), whole(at), 'LIMIT', 0, 2)
    if (#there == 0 or (#there == 1 and there[1] == id)) and not (used and used[at]) then return whole(at) end
    at = at + 1
  end
end

-- Write a post as it stands now: text, revision, places. (`sort`: milliseconds as text.)
local function write(id, version, json, status, sort, marked)
  redis.call('HSET', POSTS, id, json)
  redis.call('HSET', REVISIONS, id .. ':' .. version, json)
  redis.call('HSET', VERSIONS, id, version)
  if status == 'published' or status == 'withdrawn' then
    redis.call('ZADD', ORDER, sort, id)
  else
    redis.call('ZREM', ORDER, id)
  end
  if status == 'published' and marked == '1' then
    redis.call('ZADD', MARKS, sort, id)
  else
    redis.call('ZREM', MARKS, id)
  end
end
