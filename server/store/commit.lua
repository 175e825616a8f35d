-- One editorial change, all of it or nothing: replay check, expectations, seq, log, key, post, counters, pin, publish.
-- Arguments: durable, fresh (epoch for a new story), type, at, modified, published, listed, [pin, pinned_version,
-- pinned (public JSON)], unpin_if, erase, by (JSON: who and when), [id, expect, version, post, public, status, sort,
-- marked, created], [story, story_was, story_status], head (public story without totals, ending in a comma), indexed
-- (1: a new story has its entry in the index), log_events, channel, fingerprint, keep_s. KEYS[9]: the idempotency key.
-- Answers ok, epoch, seq, totals, why nobody was woken ('' = all were).
local refused = unable(may_write)
if refused then return refused end
if redis.call('EXISTS', ANSWER) == 1 then return {'replay'} end

local creating = A.story and not A.story_was
local meta
meta, refused = story()
if not meta then
  if not (creating and refused[1] == 'none') then return refused end
  meta = begin(A.story, A.story_status)
elseif creating then
  return {'taken'}
elseif A.story and meta.doc ~= A.story_was then
  return {'stale', meta.doc}
end

if A.id then
  local version = redis.call('HGET', VERSIONS, A.id)
  if A.expect == '0' then
    if version then
      if A.created == '' or redis.call('HGET', CREATED, A.id) ~= A.created then return {'other'} end
      return {'same', meta.epoch, meta.seq, '{' .. totals(meta) .. '}', redis.call('HGET', POSTS, A.id)}
    end
  elseif version ~= A.expect then
    return version and {'version', A.id, version} or {'nopost', A.id}
  end
  if A.status == 'published' or A.status == 'withdrawn' then
    local free = free_ms(A.sort, A.id)
    if free ~= A.sort then return {'tie', free} end
  end
end
if A.pin and A.pin ~= '' and A.pin ~= A.id then
  local version = redis.call('HGET', VERSIONS, A.pin)
  if version ~= A.pinned_version then return version and {'version', A.pin, version} or {'nopost', A.pin} end
end
refused = uncountable(meta)
if refused then return refused end

add(meta, 'seq', 1)
add(meta, 'version', 1)
modify(meta, A.modified, A.modified == A.at, A.id)
add(meta, 'post_count', A.published)
add(meta, 'listed_count', A.listed)
if A.story then meta.doc, meta.status = A.story, A.story_status end
if A.pin then
  meta.pinned_post_id = A.pin
elseif A.unpin_if ~= '' and meta.pinned_post_id == A.unpin_if then
  meta.pinned_post_id = ''
end

local counts = totals(meta)
local told = '{' .. counts .. '}'
local payload = '{"type":"' .. A.type .. '","epoch":"' .. meta.epoch .. '","seq":' .. meta.seq .. ',"at":"' .. A.at .. '"'
local entry = {'type', A.type, 'at', A.at}
if A.id then
  if A.status == 'deleted' then
    payload = payload .. ',"post_id":"' .. A.id .. '"'
  else
    payload = payload .. ',"post":' .. A.public
  end
  entry[5], entry[6], entry[7], entry[8] = 'id', A.id, 'version', A.version
else
  told = A.head .. counts .. '}'
end
payload = payload .. ',"story":' .. told
if A.pinned and not A.id then
  payload = payload .. ',"pinned":' .. A.pinned
  entry[5], entry[6], entry[7], entry[8] = 'id', A.pin, 'version', A.pinned_version
end
local first = {A.fingerprint, meta.epoch, meta.seq, '{' .. counts .. '}', A.id or '', A.version or '', A.story or ''}
first = table.concat(first, '\n')

if creating and A.indexed ~= '1' then return {'unindexed'} end -- all else is well: put the entry, then come back

-- Nothing above this line writes (a log of no story aside); nothing below it can refuse.
if creating then redis.call('DEL', LOG) end
-- Headers only: texts stay in posts and revisions, so the log never holds one that was retracted.
append(meta, 'story', told, unpack(entry))
redis.call('SET', ANSWER, first, 'EX', A.keep_s)
keep(meta, A.story)
if A.id then
  if A.erase == '1' then -- every revision; they are contiguous downwards
    local version = tonumber(A.version) - 1
    while redis.call('HDEL', REVISIONS, A.id .. ':' .. whole(version)) == 1 do
      redis.call('HDEL', REVISIONS, A.id .. ':' .. whole(version) .. ':by')
      version = version - 1
    end
  end
  write(A.id, A.version, A.post, A.status, A.sort, A.marked, A.by)
  if A.created ~= '' then redis.call('HSET', CREATED, A.id, A.created) end
end
return {'ok', meta.epoch, meta.seq, '{' .. counts .. '}', publish(payload .. '}')}
