-- Begin a new life of a story's log, once: only if the epoch is still `was`, and the log is lost (or `force`: a hub
-- holds proof that it forked). Arguments: durable, was, fresh, force, channel. Answers ok, epoch, why nobody was woken.
local refused = unable(may_write)
if refused then return refused end
local held = redis.call('HMGET', META, 'epoch', 'seq', 'run_id')
if not held[1] then return {'none'} end
if held[1] ~= A.was or not (A.force == '1' or lost(held[2] or '', held[3])) then return {'ok', held[1], ''} end
redis.call('HSET', META, 'epoch', A.fresh, 'seq', 0, 'run_id', run_id())
began = true
redis.call('DEL', LOG)
return {'ok', A.fresh, publish('{"type":"reset","epoch":"' .. A.fresh .. '","seq":0}')}
