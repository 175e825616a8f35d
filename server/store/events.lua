-- What the log says after a seq, with the texts of that time and of now, in one step. Read-only.
-- Arguments: durable, after, most. Answers ok, epoch, seq, entries, texts (id:version, JSON, …), posts (id, JSON, …).
local epoch, seq = story()
if not epoch then return seq end
local missed = tonumber(seq) - tonumber(A.after)
if missed < 0 or missed > tonumber(A.most) then return {'far', epoch, seq} end
local entries = redis.call('XRANGE', LOG, '(' .. A.after .. '-0', '+')
local texts, posts, seen = {}, {}, {}
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  if fields.id then
    local name = fields.id .. ':' .. fields.version
    if not seen[name] then
      seen[name] = true
      texts[#texts + 1] = name
      texts[#texts + 1] = redis.call('HGET', REVISIONS, name) or ''
    end
    if not seen[fields.id] then
      seen[fields.id] = true
      posts[#posts + 1] = fields.id
      posts[#posts + 1] = redis.call('HGET', POSTS, fields.id) or ''
    end
  end
end
return {'ok', epoch, seq, entries, texts, posts}
