-- One editorial change, all of it or nothing: replay check, expectations, seq, post, counters, pin, log, publish.
-- Arguments: durable, fresh (epoch for a new story), type, at, touch, published, listed, [pin, pinned_version,
-- pinned (public JSON)], unpin_if, erase, [id, expect, version, post, public, status, sort, marked, created],
-- [story, story_was, story_status], head (public story without totals, ending in a comma), log_events, channel,
-- fingerprint, keep_s. KEYS[9]: the idempotency key.
if redis.call('EXISTS', KEYS[9]) == 1 then return {'replay'} end

local creating = A.story and not A.story_was
local epoch, seq, _, doc = story()
if not epoch then
  if not (creating and seq[1] == 'none') then return seq end
elseif creating then
  return {'taken'}
elseif A.story and doc ~= A.story_was then
  return {'stale', doc}
end

if A.id then
  local version = redis.call('HGET', VERSIONS, A.id)
  if A.expect == '0' then
    if version then
      if A.created == '' or redis.call('HGET', CREATED, A.id) ~= A.created then return {'other'} end
      return {'same', epoch, seq, '{' .. totals() .. '}', redis.call('HGET', POSTS, A.id)}
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
local refused = epoch and uncountable()
if refused then return refused end

-- Nothing above this line writes; nothing below it can refuse.
if not epoch then
  begin(A.story, A.story_status)
  epoch = A.fresh
end
if A.story then redis.call('HSET', META, 'doc', A.story, 'status', A.story_status) end
if A.id then
  if A.erase == '1' then -- every revision; they are contiguous downwards
    local version = tonumber(A.version) - 1
    while redis.call('HDEL', REVISIONS, A.id .. ':' .. whole(version)) == 1 do version = version - 1 end
  end
  write(A.id, A.version, A.post, A.status, A.sort, A.marked)
  if A.created ~= '' then redis.call('HSET', CREATED, A.id, A.created) end
end
redis.call('HINCRBY', META, 'version', 1)
redis.call('HINCRBY', META, 'post_count', A.published)
redis.call('HINCRBY', META, 'listed_count', A.listed)
if A.touch == '1' then redis.call('HSET', META, 'date_modified', A.at) end
if A.pin then
  redis.call('HSET', META, 'pinned_post_id', A.pin)
elseif A.unpin_if ~= '' and redis.call('HGET', META, 'pinned_post_id') == A.unpin_if then
  redis.call('HSET', META, 'pinned_post_id', '')
end

seq = whole(redis.call('HINCRBY', META, 'seq', 1))
local counts = totals()
local told = '{' .. counts .. '}'
local payload = '{"type":"' .. A.type .. '","epoch":"' .. epoch .. '","seq":' .. seq .. ',"at":"' .. A.at .. '"'
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
-- Headers only: texts stay in posts and revisions, so the log never holds one that was retracted.
redis.call('XADD', LOG, 'MAXLEN', '=', A.log_events, seq .. '-0', 'story', told, unpack(entry))
redis.call('PUBLISH', A.channel, payload .. '}')
local first = {A.fingerprint, epoch, seq, '{' .. counts .. '}', A.id or '', A.version or '', A.story or ''}
redis.call('SET', KEYS[9], table.concat(first, '\n'), 'EX', A.keep_s)
return {'ok', epoch, seq, '{' .. counts .. '}'}
