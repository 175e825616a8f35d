"""Counts and latencies as plain numbers: cheap to add to, exact to merge over workers.

Pure. Histograms have fixed buckets, so that those of several workers add up.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

_GROWTH = 1.1  # a quantile read from a bucket is at most 10 % too high
_BUCKETS = 150  # up to 1.1 ** 149 ms, which is 24 minutes
_BOUNDS = [_GROWTH**n for n in range(_BUCKETS - 1)]  # ms, the highest of each bucket; the last takes the rest


@dataclass(slots=True)
class Counts:
    """Totals since the worker started."""

    connects: int = 0
    disconnects: int = 0
    resumes: int = 0
    snapshots: int = 0
    events: int = 0
    deliveries: int = 0
    cuts: int = 0  # took nothing for too long
    unread: int = 0  # the same of answers
    rude: int = 0  # closed 1008 or 1009
    seen: int = 0
    wrong_tokens: int = 0
    refusals: dict[str, int] = field(default_factory=dict)  # by reason

    def refuse(self, reason: str) -> None:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def faults(self) -> dict[tuple[str, str], int]:
        """Those that something is wrong with, by kind and reason."""
        plain = {(name, ""): getattr(self, name) for name in ("cuts", "unread", "rude", "wrong_tokens")}
        return plain | {("refusals", reason): count for reason, count in self.refusals.items()}


class Histogram:
    """Milliseconds in buckets that grow by 10 %."""

    __slots__ = ("buckets", "count", "total_ms")

    def __init__(self) -> None:
        self.buckets = [0] * _BUCKETS
        self.count = 0
        self.total_ms = 0.0

    def add(self, ms: float, times: int = 1) -> None:
        """A clock that runs apart may give a negative latency: that is 0."""
        ms = max(ms, 0.0)
        self.buckets[bisect_left(_BOUNDS, ms)] += times
        self.count += times
        self.total_ms += ms * times

    def merge(self, other: Histogram) -> None:
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        self.count += other.count
        self.total_ms += other.total_ms

    def quantile(self, share: float) -> float | None:
        """The latency that `share` of all stayed within, in ms; None without any."""
        wanted = share * self.count
        held = 0
        for n, count in enumerate(self.buckets):
            held += count
            if count and held >= wanted:
                return round(_GROWTH**n, 1)
        return None

    def summary(self) -> dict[str, float | None]:
        return {"p50": self.quantile(0.5), "p95": self.quantile(0.95), "p99": self.quantile(0.99)}


class Recent:
    """A histogram of the last minute or two: two halves, of which the older is dropped."""

    __slots__ = ("_began_ms", "_new", "_old")

    WINDOW_MS = 60_000

    def __init__(self) -> None:
        self._old, self._new = Histogram(), Histogram()
        self._began_ms = 0

    def add(self, ms: float, now_ms: int, times: int = 1) -> None:
        self._turn(now_ms)
        self._new.add(ms, times)

    def read(self, now_ms: int) -> Histogram:
        self._turn(now_ms)
        both = Histogram()
        both.merge(self._old)
        both.merge(self._new)
        return both

    def _turn(self, now_ms: int) -> None:
        if now_ms - self._began_ms >= self.WINDOW_MS:
            is_next = now_ms - self._began_ms < 2 * self.WINDOW_MS
            self._old = self._new if is_next else Histogram()
            self._new = Histogram()
            self._began_ms = now_ms
