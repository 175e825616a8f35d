-- What every script of a story begins with: its keys (one hash tag, one order) and named arguments.
local META, POSTS, ORDER, MARKS, LOG = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local REVISIONS, VERSIONS, CREATED, ANSWER = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local KINDS = {'hash', 'hash', 'zset', 'zset', 'stream', 'hash', 'hash', 'hash', 'string'}
local A = {}
for i = 1, #ARGV, 2 do A[ARGV[i]] = ARGV[i + 1] end

-- A script that fails midway keeps what it wrote. So all that may fail stands before this is true; see epilogue.lua.
local began = false

-- The first right found missing, as the server's ACL would grant it. (Redis 7 gives a new user no channel at all, so an
-- editor's is easily made without that one.)
local missing

local function may(command, ...)
  for n = 1, select('#', ...) do
    local name = select(n, ...)
    if not redis.acl_check_cmd(command, name) then
      missing = (command == 'PUBLISH' and '&' or '~') .. name
      if not redis.acl_check_cmd(command) then missing = '+' .. string.lower(command) end
      return false
    end
  end
  return true
end

-- What the scripts run, and on which keys: a new command in one of them has its place here.
local function may_read()
  return may('INFO', 'server') and may('TYPE', META) and may('HMGET', META, POSTS, REVISIONS)
    and may('HGET', POSTS, REVISIONS, VERSIONS, CREATED) and may('HEXISTS', VERSIONS)
    and may('ZSCORE', ORDER) and may('ZRANGEBYSCORE', ORDER) and may('ZREVRANGEBYSCORE', ORDER)
    and may('ZREVRANGE', ORDER, MARKS) and may('XRANGE', LOG) and may('XREVRANGE', LOG)
    and (not ANSWER or may('EXISTS', ANSWER))
end
local function may_write()
  return may('XADD', LOG) and may('DEL', LOG) and may('HSET', META, POSTS, REVISIONS, VERSIONS, CREATED)
    and may('HDEL', REVISIONS) and may('ZADD', ORDER, MARKS) and may('ZREM', ORDER, MARKS)
    and (not ANSWER or may('SET', ANSWER)) and may('PUBLISH', A.channel)
end

-- What would stop a script on its way: a right that is missing, or a key that holds something else. Nil if nothing.
local function unable(may_go_on)
  if not may_go_on() then return {err = 'NORIGHT ' .. missing} end
  for n = 1, #KEYS do
    local kind = redis.call('TYPE', KEYS[n]).ok
    if kind ~= KINDS[n] and kind ~= 'none' then
      return {err = 'MISTYPED ' .. KEYS[n] .. ' holds a ' .. kind .. ', not a ' .. KINDS[n]}
    end
  end
end

local function whole(number) return string.format('%.0f', number) end

local function run_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end

-- The log is not the one its readers were following: another server process (unless durable), or its top is missing.
local function lost(seq, kept_run_id)
  if A.durable ~= '1' and kept_run_id ~= run_id() then return true end
  local top = redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', 1)[1]
  return (top and top[1] or '0-0') ~= seq .. '-0'
end

local COUNTS = {'version', 'post_count', 'listed_count'}
local FIELDS = {'epoch', 'seq', 'run_id', 'status', 'doc', 'date_modified', 'pinned_post_id', unpack(COUNTS)}

-- The fields of `meta`; or nil and what stands in the way.
local function story()
  local held, meta = redis.call('HMGET', META, unpack(FIELDS)), {}
  for n, field in ipairs(FIELDS) do meta[field] = held[n] or '' end
  if meta.epoch == '' then return nil, {'none'} end
  if meta.status == 'deleted' then return nil, {'gone', meta.epoch, meta.seq} end
  if lost(meta.seq, meta.run_id) then return nil, {'lost', meta.epoch} end
  -- These become JSON as they are.
  for _, field in ipairs(COUNTS) do
    if meta[field] ~= '0' and not string.match(meta[field], '^%-?[1-9]%d*$') then
      return nil, {'malformed', field, meta[field]}
    end
  end
  for _, field in ipairs({'date_modified', 'pinned_post_id'}) do
    if string.find(meta[field], '["\\%c]') then return nil, {'malformed', field, meta[field]} end
  end
  return meta
end

-- `meta` of a story that begins with the next event.
local function begin(doc, status)
  return {epoch = A.fresh, seq = '0', run_id = run_id(), doc = doc, status = status, version = '0', post_count = '0',
    listed_count = '0', date_modified = '', pinned_post_id = ''}
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
local function totals(meta)
  local pinned = meta.pinned_post_id == '' and 'null' or '"' .. meta.pinned_post_id .. '"'
  return '"version":' .. meta.version .. ',"post_count":' .. meta.post_count .. ',"listed_count":' .. meta.listed_count
    .. ',"date_modified":"' .. meta.date_modified .. '","pinned_post_id":' .. pinned
end

-- A number with more room above it than changes will ever fill: below 2^53, as `whole` writes it.
local function is_count(text)
  local number = tonumber(text)
  return number ~= nil and math.abs(number) < 2 ^ 53 and whole(number) == text
end

-- Nil, or the answer that refuses to count on from a number that is too large.
local function uncountable(meta)
  for _, field in ipairs({'seq', unpack(COUNTS)}) do
    if not is_count(meta[field]) then return {'uncountable', field} end
  end
end

-- Count up, by text.
local function add(meta, field, number) meta[field] = whole(meta[field] + number) end

-- Append an event at `meta.seq`. The first write of a script: what the server refuses for want of memory or disk, as a
-- replica, or because nobody copies it, it refuses here, and never later in the same script.
local function append(meta, ...)
  redis.call('XADD', LOG, 'MAXLEN', '=', A.log_events, meta.seq .. '-0', ...)
  began = true
end

-- Write `meta` as it stands now; the story itself only when it changed.
local function keep(meta, is_new)
  local pairs_ = {'seq', meta.seq, 'date_modified', meta.date_modified, 'pinned_post_id', meta.pinned_post_id}
  for _, field in ipairs(is_new and {'epoch', 'run_id', 'doc', 'status', unpack(COUNTS)} or COUNTS) do
    pairs_[#pairs_ + 1] = field
    pairs_[#pairs_ + 1] = meta[field]
  end
  redis.call('HSET', META, unpack(pairs_))
end

-- Wake the hubs. Everything is stored by now, and a hub that is not woken looks by itself every few seconds, so a
-- failure is only told: its words, or ''.
local function publish(payload)
  local answer = redis.pcall('PUBLISH', A.channel, payload)
  return type(answer) == 'table' and answer.err or ''
end

-- The story last changed `at` ('' = unknown), if that is `now` or later than what is known: what is told late happened
-- when it says. A story without posts had nothing to change, so its first posts say when (or that nobody knows). True if
-- it moved.
local function modify(meta, at, now, posts)
  local known, first = meta.date_modified, posts and meta.listed_count == '0'
  if at == known or not (first or (at ~= '' and (now or at > known))) then return false end
  meta.date_modified = at
  return true
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

-- Write a post as it stands now: text, revision and whose it is, places. (`sort`: milliseconds as text.)
local function write(id, version, json, status, sort, marked, by)
  redis.call('HSET', POSTS, id, json)
  redis.call('HSET', REVISIONS, id .. ':' .. version, json, id .. ':' .. version .. ':by', by)
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
