-- Listed posts older than `below` (milliseconds as text, or +inf), newest first. Read-only. Arguments: below, count.
local posts = {}
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', ORDER, A.below, '-inf', 'LIMIT', 0, A.count)) do
  posts[#posts + 1] = redis.call('HGET', POSTS, id)
end
return posts
