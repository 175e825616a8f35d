-- A story as it stands, in one step. Read-only. Arguments: durable, keep (newest listed posts wanted; 0 = the story
-- alone). Answers ok, epoch, seq, doc, totals, posts, pinned, key events (newest first).
local meta, refused = story()
if not meta then return refused end
local posts, marks, pinned = {}, {}, ''
local keep = tonumber(A.keep)
if keep > 0 then
  posts = held_in(POSTS, redis.call('ZREVRANGE', ORDER, 0, keep - 1))
  marks = held_in(POSTS, redis.call('ZREVRANGE', MARKS, 0, -1))
  pinned = redis.call('HGET', POSTS, meta.pinned_post_id) or ''
end
return {'ok', meta.epoch, meta.seq, meta.doc, '{' .. totals(meta) .. '}', posts, pinned, marks}
