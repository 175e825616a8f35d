"""Samples of workers, as tests want them."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from stoppress.hub.counts import Counts
from stoppress.hub.hub import Hub
from stoppress.hub.sample import Sample, StoryFigures

NOW = 1_800_000_000_000


def sample(name: str, *, hub: Hub | None = None, figures: dict[str, Any] | None = None, **more: Any) -> Sample:
    """Of a worker that has `hub`, or an empty one; `figures` and `more` say what else is true of it."""
    plain: dict[str, Any] = {
        "worker": name, "node": "here", "name": name, "place": "", "began": 0, "members": [name],
        "figures": structs.replace((hub or Hub()).figures(NOW), **figures or {}), "settled": {}, "written": [],
        "painted": [], "counts": Counts(), "is_draining": False, "cpu_s": 0, "resident_bytes": 0, "peak": 0, "gone": 0,
        "incidents": [], "unknown": {},
    }  # fmt: skip
    return Sample(**plain | more)


def story(seq: int, readers: int, at_head: int) -> StoryFigures:
    return StoryFigures(epoch="e", seq=seq, readers=readers, at_head=at_head, post_count=seq, status="live")
