-- Every kept version of a post, newest first. Read-only. Argument: id.
local found = {}
local version = tonumber(redis.call('HGET', VERSIONS, A.id) or 0)
while true do
  local json = redis.call('HGET', REVISIONS, A.id .. ':' .. whole(version))
  if not json then return found end
  found[#found + 1] = json
  version = version - 1
end
