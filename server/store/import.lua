-- A batch of posts, all or nothing, without an event each: one barrier in the log, at which hubs read anew.
-- Arguments: durable, fresh, at, by (JSON: who and when), log_events, channel, last, [doc, status (story to make if
-- there is none), doc_was (the one to replace if it has no posts)], indexed (as in commit.lua), version, date_modified, pinned (taken over if later, or free), posts (how
-- many), and for post N: idN, versionN, jsonN, statusN, sortN, markedN, createdN. Answers ok, epoch, seq, added, skipped;
-- or ties (index, free ms, …), or other (id), or unindexed. Every batch is a barrier, so equal positions always mean
-- equal states; only the last one wakes the hubs.
local refused = unable(may_write)
if refused then return refused end
local meta
meta, refused = story()
local creating = not meta
if creating then
  if not (A.doc and not A.doc_was and refused[1] == 'none') then return refused end
  meta = begin(A.doc, A.status)
end
local replacing = A.doc_was and meta.listed_count == '0'
if replacing and meta.doc ~= A.doc_was then return {'stale', meta.doc} end

local used, ties, fresh, here = {}, {}, {}, {}
local published, listed = 0, 0
for n = 1, tonumber(A.posts) do
  local id, sort = A['id' .. n], A['sort' .. n]
  if redis.call('HEXISTS', VERSIONS, id) == 1 then
    if redis.call('HGET', CREATED, id) ~= A['created' .. n] then return {'other', id} end
  else
    fresh[#fresh + 1] = n
    local status = A['status' .. n]
    if status == 'published' then published = published + 1 end
    if status == 'published' or status == 'withdrawn' then
      listed = listed + 1
      here[id] = true
      local free = free_ms(sort, id, used)
      if free ~= sort then
        ties[#ties + 1] = whole(n - 1)
        ties[#ties + 1] = free
      end
      used[tonumber(free)] = true
    end
  end
end
if #ties > 0 then return {'ties', ties} end
if not is_count(A.version) then return {'uncountable', 'version'} end
refused = uncountable(meta)
if refused then return refused end

local changed = modify(meta, A.date_modified, false, listed > 0) or creating or #fresh > 0
add(meta, 'post_count', published)
add(meta, 'listed_count', listed)
if replacing and A.doc ~= meta.doc then
  changed = true
  meta.doc = A.doc
end
if tonumber(A.version) > tonumber(meta.version) then
  changed = true
  meta.version = A.version
end
if A.pinned ~= '' and meta.pinned_post_id == '' and (here[A.pinned] or redis.call('ZSCORE', ORDER, A.pinned)) then
  changed = true
  meta.pinned_post_id = A.pinned
end

if creating and A.indexed ~= '1' then return {'unindexed'} end

-- Nothing above this line writes (a log of no story aside); nothing below it can refuse.
if changed then
  add(meta, 'seq', 1)
  if creating then redis.call('DEL', LOG) end
  append(meta, 'type', 'reset', 'at', A.at, 'story', '{}')
  keep(meta, creating or replacing)
end
for _, n in ipairs(fresh) do
  local id = A['id' .. n]
  write(id, A['version' .. n], A['json' .. n], A['status' .. n], A['sort' .. n], A['marked' .. n], A.by)
  redis.call('HSET', CREATED, id, A['created' .. n])
end
local unwoken = ''
if A.last == '1' then
  unwoken = publish('{"type":"reset","epoch":"' .. meta.epoch .. '","seq":' .. meta.seq .. '}')
end
return {'ok', meta.epoch, meta.seq, whole(#fresh), whole(tonumber(A.posts) - #fresh), unwoken}
