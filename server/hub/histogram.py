"""Histograms of latencies: cheap to add to, and exact to add up over workers, for their buckets are fixed.

Pure. What is counted without a latency is in `counts`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

_GROWTH = 1.1  # a quantile read from a bucket is at most 10 % too high
BUCKETS = 150  # up to 1.1 ** 149 ms, which is 24 minutes
_BOUNDS = [_GROWTH**n for n in range(BUCKETS - 1)]  # ms, the highest of each bucket; the last takes the rest


class Histogram:
    """Milliseconds in buckets that grow by 10 %."""

    __slots__ = ("buckets", "count")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.count = 0

    def add(self, ms: float, times: int = 1) -> None:
        """A clock that runs apart may give a negative latency: that is 0."""
        self.buckets[bisect_left(_BOUNDS, max(ms, 0.0))] += times
        self.count += times

    def merge(self, other: Histogram) -> None:
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        self.count += other.count

    def quantile(self, share: float) -> float | None:
        """The latency that `share` of all stayed within, in ms; None without any."""
        wanted = share * self.count
        reached = 0
        for n, count in enumerate(self.buckets):
            reached += count
            if count and reached >= wanted:
                return round(_GROWTH**n, 1)
        return None

    def filled(self) -> list[tuple[int, int]]:
        """Its filled buckets, as (number, count): most are empty."""
        return [(n, count) for n, count in enumerate(self.buckets) if count]

    @classmethod
    def of(cls, parts: Iterable[Iterable[tuple[int, int]]]) -> Histogram:
        """The one of several, each as `filled` gives it."""
        whole = cls()
        for part in parts:
            for n, count in part:
                whole.buckets[n] += count
                whole.count += count
        return whole

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
