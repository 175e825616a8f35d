-- Listed posts newer than `above` (milliseconds as text), oldest of them first. Read-only. Arguments: above, count.
return held_in(POSTS, redis.call('ZRANGEBYSCORE', ORDER, A.above, '+inf', 'LIMIT', 0, A.count))
