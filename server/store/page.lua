-- Listed posts older than `below` (milliseconds as text, or +inf), newest first. Read-only. Arguments: below, count.
return held_in(POSTS, redis.call('ZREVRANGEBYSCORE', ORDER, A.below, '-inf', 'LIMIT', 0, A.count))
