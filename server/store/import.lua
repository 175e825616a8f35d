-- A batch of posts, all or nothing, without an event each: one barrier in the log, at which hubs read anew.
-- Arguments: durable, fresh, at, log_events, channel, last, [doc, status (story to make if there is none)], version,
-- date_modified, pinned (taken over if later, or free), posts (how many), and for post N: idN, versionN, jsonN,
-- statusN, sortN, markedN, createdN. Answers ok, epoch, seq, added, skipped; or ties (index, free ms, …), or other
-- (id). Every batch is a barrier, so equal positions always mean equal states; only the last one wakes the hubs.
local epoch, seq = story()
if not epoch and not (A.doc and seq[1] == 'none') then return seq end

local used, ties, fresh = {}, {}, {}
for n = 1, tonumber(A.posts) do
  local id, sort = A['id' .. n], A['sort' .. n]
  if redis.call('HEXISTS', VERSIONS, id) == 1 then
    if redis.call('HGET', CREATED, id) ~= A['created' .. n] then return {'other', id} end
  else
    fresh[#fresh + 1] = n
    local status = A['status' .. n]
    if status == 'published' or status == 'withdrawn' then
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
local refused = epoch and uncountable()
if refused then return refused end

-- Nothing above this line writes; nothing below it can refuse.
if not epoch then
  begin(A.doc, A.status)
  epoch, seq = A.fresh, '0'
end
local published, listed = 0, 0
for _, n in ipairs(fresh) do
  local status = A['status' .. n]
  write(A['id' .. n], A['version' .. n], A['json' .. n], status, A['sort' .. n], A['marked' .. n])
  redis.call('HSET', CREATED, A['id' .. n], A['created' .. n])
  if status == 'published' then published = published + 1 end
  if status == 'published' or status == 'withdrawn' then listed = listed + 1 end
end
redis.call('HINCRBY', META, 'post_count', published)
redis.call('HINCRBY', META, 'listed_count', listed)
local held = redis.call('HMGET', META, 'version', 'date_modified', 'pinned_post_id')
local changed = #fresh > 0
if tonumber(A.version) > tonumber(held[1]) then
  changed = true
  redis.call('HSET', META, 'version', A.version)
end
if A.date_modified > held[2] then
  changed = true
  redis.call('HSET', META, 'date_modified', A.date_modified)
end
if A.pinned ~= '' and held[3] == '' and redis.call('ZSCORE', ORDER, A.pinned) then
  changed = true
  redis.call('HSET', META, 'pinned_post_id', A.pinned)
end
if changed then
  seq = whole(redis.call('HINCRBY', META, 'seq', 1))
  redis.call('XADD', LOG, 'MAXLEN', '=', A.log_events, seq .. '-0', 'type', 'reset', 'at', A.at, 'story', '{}')
end
if A.last == '1' then
  redis.call('PUBLISH', A.channel, '{"type":"reset","epoch":"' .. epoch .. '","seq":' .. seq .. '}')
end
return {'ok', epoch, seq, whole(#fresh), whole(tonumber(A.posts) - #fresh)}
