-- How every script of a story ends. An error answer is a refusal: nothing was written. Unless it begins with HALFWAY:
-- then some of it was, and nobody knows how much. This line is the only place that decides between the two.
local done, answer = pcall(script)
if done then return answer end
local said = type(answer) == 'table' and answer.err or tostring(answer)
if began then return {err = 'HALFWAY ' .. said} end
return unable(may_read) or {err = said}
