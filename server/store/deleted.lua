-- Tombstones of posts that the last `events` of the log say were deleted and are still. Read-only. Argument: events.
local posts, seen = {}, {}
for _, entry in ipairs(redis.call('XREVRANGE', LOG, '+', '-', 'COUNT', A.events)) do
  local fields = entry[2]
  local id = fields[5] == 'id' and fields[6]
  if fields[2] == 'post.deleted' and not seen[id] and not redis.call('ZSCORE', ORDER, id) then
    posts[#posts + 1] = redis.call('HGET', POSTS, id)
  end
  if id then seen[id] = true end
end
return posts
