"""The sample story as it comes with the package: what is there at the start, and what happens then.

`story.jsonl` holds the whole story in the export format; `replay.jsonl` the steps of its last minutes, a line each.
The posts that a step publishes wait for it, all others are the backlog. Times are of the day it was written; `backlog`
moves them so that its newest post is a minute and a half old. Pauses are such that whoever opens the page between two
steps sees a new post within ten seconds.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import orjson

from ..newsroom.model import PostDraft
from ..newsroom.times import format_time, parse_time

SLUG = "sallow-head-light"
NEWEST_AGE_MS = 90_000
_GIVEN = frozenset(PostDraft.__struct_fields__) - {"date_published", "sort_time"}


def steps() -> list[dict[str, Any]]:
    """Each `{"after_s": seconds, what: id, …}`; `what` is a method of `replay.Replay`."""
    return _lines("replay.jsonl")


def draft(id: str) -> dict[str, Any]:
    """The post a step publishes, as an editor gives it: its times are those of the moment it goes out."""
    (post,) = (line for line in _lines("story.jsonl") if line.get("id") == id)
    return {name: held for name, held in post.items() if name in _GIVEN}


def backlog(now: int) -> list[bytes]:
    """Lines to import: the story and its posts up to the replay, newest first; `now` in ms."""
    later = {step["publish"] for step in steps() if "publish" in step}
    head, *posts = _lines("story.jsonl")
    posts = [post for post in posts if post["id"] not in later]
    shift = now - NEWEST_AGE_MS - parse_time(posts[0]["date_published"])
    return [orjson.dumps(_moved(line, shift)) + b"\n" for line in [head, *posts]]


def _moved(value: Any, shift: int) -> Any:
    """The same with every time in it `shift` ms later."""
    if isinstance(value, list):
        return [_moved(item, shift) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: format_time(parse_time(held) + shift)
        if isinstance(held, str) and (name.startswith("date_") or name.endswith("_time"))
        else _moved(held, shift)
        for name, held in value.items()
    }


def _lines(name: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in files(__package__).joinpath(name).read_bytes().splitlines()]
