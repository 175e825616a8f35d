-- What the log says after a seq, with the texts of that time and of now, in one step. Read-only.
-- Arguments: durable, after, most. Answers ok, epoch, seq, entries, texts (id:version, JSON, …), posts (id, JSON, …).
local meta, refused = story()
if not meta then return refused end
local epoch, seq = meta.epoch, meta.seq
local missed = tonumber(seq) - tonumber(A.after)
if missed < 0 or missed > tonumber(A.most) then return {'far', epoch, seq} end
local entries = redis.call('XRANGE', LOG, '(' .. A.after .. '-0', '+')
local names, ids, seen = {}, {}, {}
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  if fields.id then
    local name = fields.id .. ':' .. fields.version
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
    if not seen[fields.id] then
      seen[fields.id] = true
      ids[#ids + 1] = fields.id
    end
  end
end
local function pairs_of(key, wanted)
  local both = {}
  for n, value in ipairs(held_in(key, wanted)) do
    both[#both + 1] = wanted[n]
    both[#both + 1] = value or ''
  end
  return both
end
return {'ok', epoch, seq, entries, pairs_of(REVISIONS, names), pairs_of(POSTS, ids)}
