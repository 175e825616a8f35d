"""Merge: one sample of what all workers tell (docs/protocol.md, section 8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from msgspec import structs, to_builtins

from ..newsroom.times import format_time
from .counts import FAULTS, Counts, total
from .histogram import Histogram
from .sample import LastSeen, Sample, StoryFigures

LATENCIES = ("written", "painted")


class StoreFigures(TypedDict):
    status: Literal["ok", "stale"]
    stale_since: str | None


class Whole(TypedDict):
    """The figures of all workers. `at_head` is, of all readers, the share that hold the newest event of their story.
    `workers`: of each, or what is known of one that is not heard. `faults`: since the workers started."""

    type: Literal["stats"]
    at: str
    readers: int
    stories: dict[str, dict[str, Any]]
    workers: dict[str, dict[str, Any]]
    events_per_s: float
    deliveries_per_s: float
    latency_ms: dict[str, dict[str, float | None]]
    at_head: float
    store: StoreFigures
    faults: dict[str, Any]


def merge(samples: Iterable[Sample], unknown: Mapping[str, LastSeen], now_ms: int) -> Whole:
    """`samples`: the last one of each worker that is heard; `unknown`: what is known of each that is not, by its id."""
    samples = sorted(samples, key=lambda sample: sample.worker)
    figures = [sample.figures for sample in samples]
    settled: dict[str, int] = {}
    for sample in samples:
        for slug, seq in sample.settled.items():
            settled[slug] = max(seq, settled.get(slug, 0))
    stories = {
        slug: _story([part.stories[slug] for part in figures if slug in part.stories], settled.get(slug, 0))
        for slug in sorted({slug for part in figures for slug in part.stories})
    }
    readers = sum(story.readers for story in stories.values())
    at_head = sum(story.at_head for story in stories.values())
    stale = [part.stale_since for part in figures if part.stale_since]
    return {
        "type": "stats",
        "at": format_time(now_ms),
        "readers": readers,
        "stories": to_builtins(stories),
        "workers": {
            **{sample.worker: _worker(sample) for sample in samples},
            **{worker: _unknown(last) for worker, last in sorted(unknown.items())},
        },
        # Every worker hears every event of the stories it holds, so the busiest one has it right.
        "events_per_s": max((part.events_per_s for part in figures), default=0),
        "deliveries_per_s": round(sum(part.deliveries_per_s for part in figures), 2),
        "latency_ms": {stage: latencies(samples, stage).summary() for stage in LATENCIES},
        "at_head": 1.0 if not readers else round(at_head / readers, 4),
        "store": {"status": "stale" if stale else "ok", "stale_since": min(stale, default=None)},
        "faults": _faults(total(sample.counts for sample in samples)),
    }


def latencies(samples: Iterable[Sample], stage: str) -> Histogram:
    """Of all deliveries together: a quantile of quantiles would lie."""
    return Histogram.of(getattr(sample, stage) for sample in samples)


def _story(parts: list[StoryFigures], settled: int) -> StoryFigures:
    """`settled`: who lacks this event is not at the head, however far its own worker thinks it is.

    The newest seq would not do: samples are not of one moment, and on an active story all but one would be behind.
    """
    newest = max(parts, key=lambda part: part.seq)
    at_head = sum(part.at_head for part in parts if part.seq >= settled)
    return structs.replace(newest, readers=sum(part.readers for part in parts), at_head=at_head)


def _worker(sample: Sample) -> dict[str, Any]:
    figures = sample.figures
    return {
        "status": "stale" if figures.stale_since else "ok",
        "name": sample.name,
        "node": sample.node,
        "is_draining": sample.is_draining,
        "readers": figures.readers,
        "events_per_s": figures.events_per_s,
        "deliveries_per_s": figures.deliveries_per_s,
        "at_head": figures.at_head,
        "latency_ms": to_builtins(figures.latency_ms),
        "stale_since": figures.stale_since,
        "at": figures.at,
    }


def _unknown(last: LastSeen) -> dict[str, Any]:
    return {
        "status": "unknown",
        "name": last.name,
        "node": last.node,
        "last_heard": last.last_heard,
        "readers": None,
    }


def _faults(counts: Counts) -> dict[str, Any]:
    """What went wrong, and why."""
    return {**{name: getattr(counts, name) for name in FAULTS}, "refusals": counts.refusals}
