"""Lines of an import file whose places in the story a test decides."""

from __future__ import annotations

import orjson

from stoppress.newsroom.times import format_time, parse_time

BASE_MS = parse_time("2026-01-01T00:00:00Z")
WORDS = "It was said on the bridge, and nobody who heard it there went home before the evening. " * 3


def line(id: str, sort_ms: int) -> bytes:
    """A post of two paragraphs."""
    post = {"id": id, "headline": f"Post {id}", "body": f"{WORDS}\n\n{WORDS}", "sort_time": format_time(sort_ms)}
    return orjson.dumps(post)


def minutes(n: float) -> int:
    """A `sort_time` in ms."""
    return BASE_MS + round(n * 60_000)
