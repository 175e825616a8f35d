-- Every kept version of a post, newest first, each with who made it ('' = not known). Read-only. Argument: id.
local found = {}
local version = tonumber(redis.call('HGET', VERSIONS, A.id) or 0)
while true do
  local name = A.id .. ':' .. whole(version)
  local held = redis.call('HMGET', REVISIONS, name, name .. ':by')
  if not held[1] then return found end
  found[#found + 1] = held[1]
  found[#found + 1] = held[2] or ''
  version = version - 1
end
