-- Listed posts newer than `above` (milliseconds as text), oldest of them first. Read-only. Arguments: above, count.
local posts = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ORDER, A.above, '+inf', 'LIMIT', 0, A.count)) do
  posts[#posts + 1] = redis.call('HGET', POSTS, id)
end
return posts
