-- Tombstones of posts that the last `events` of the log say were deleted and are still. Read-only. Arguments: events, and type, that of a deletion.
local posts, seen = {}, {}
for _, entry in ipairs(redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', A.events)) do
  local told = {}
  for i = 1, #entry[2], 2 do told[entry[2][i]] = entry[2][i + 1] end
  if told.type == A.type and not seen[told.id] and not redis.call('ZSCORE', ORDER, told.id) then
    posts[#posts + 1] = redis.call('HGET', POSTS, told.id)
    seen[told.id] = true
  end
end
return posts
