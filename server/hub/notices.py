"""Notices: what a reader is told out of band. Not events: they take no seq, and none ever queues up.

Pure. Times are milliseconds since 1970 and leave as RFC 3339.
"""

from __future__ import annotations

from ..newsroom.events import BEAT, BYE, HELLO, LIVE, READERS, STALE
from ..newsroom.times import format_time
from .frame import Frame

SPARED = frozenset({BEAT, READERS})  # not said to who is behind: late ones say nothing


def hello(server_time_ms: int, readers: int, sample: float, stale_since_ms: int | None) -> Frame:
    """`sample`: the share of readers that report painting."""
    return Frame(
        {
            "type": HELLO,
            "server_time": format_time(server_time_ms),
            "readers": readers,
            "sample": sample,
            "stale_since": None if stale_since_ms is None else format_time(stale_since_ms),
        }
    )


def beat(seq: int, server_time_ms: int) -> Frame:
    return Frame({"type": BEAT, "seq": seq, "server_time": format_time(server_time_ms)})


def readers(count: int) -> Frame:
    return Frame({"type": READERS, "count": count})


def stale(since_ms: int) -> Frame:
    return Frame({"type": STALE, "since": format_time(since_ms)})


def live() -> Frame:
    return Frame({"type": LIVE})


def bye(retry_ms: int) -> Frame:
    return Frame({"type": BYE, "retry_ms": retry_ms})
