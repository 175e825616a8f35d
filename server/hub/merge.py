"""Merge: one sample of what all workers told (PROTOCOL, section 8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..newsroom.times import format_time
from .stats import Histogram

LATENCIES = ("written", "painted")
FAULTS = ("cuts", "unread", "rude", "wrong_tokens")
_FIELDS = ("readers", "events_per_s", "deliveries_per_s", "at_head", "latency_ms", "stale_since", "at")


def merged(now_ms: int, told: Mapping[str, dict[str, Any]], unknown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """`told`: the last words of each worker that is heard, by its id; `unknown`: what is known of each that is not."""
    samples = {worker: one["sample"] for worker, one in sorted(told.items())}
    settled: dict[str, int] = {}
    for one in told.values():
        for slug, seq in one.get("settled", {}).items():
            settled[slug] = max(seq, settled.get(slug, 0))
    stories = {
        slug: _story(
            [sample["stories"][slug] for sample in samples.values() if slug in sample["stories"]], settled.get(slug, 0)
        )
        for slug in sorted({slug for sample in samples.values() for slug in sample["stories"]})
    }
    readers = sum(story["readers"] for story in stories.values())
    at_head = sum(story["at_head"] for story in stories.values())
    stale = [sample["stale_since"] for sample in samples.values() if sample["stale_since"]]
    return {
        "type": "stats",
        "at": format_time(now_ms),
        "readers": readers,
        "stories": stories,
        "workers": {
            **{worker: _worker(told[worker]) for worker in samples},
            **{worker: _unknown(one) for worker, one in sorted(unknown.items())},
        },
        # Every worker hears every event of the stories it holds, so the busiest one has it right.
        "events_per_s": max((sample["events_per_s"] for sample in samples.values()), default=0),
        "deliveries_per_s": round(sum(sample["deliveries_per_s"] for sample in samples.values()), 2),
        "latency_ms": {name: whole(one[name] for one in told.values()).summary() for name in LATENCIES},
        "at_head": 1.0 if not readers else round(at_head / readers, 4),
        "store": {"status": "stale" if stale else "ok", "stale_since": min(stale, default=None)},
        "faults": _faults([one["counts"] for one in told.values()]),
    }


def whole(parts: Iterable[list[list[int]]]) -> Histogram:
    """One histogram of several, each as `[[bucket, count], …]`."""
    made = Histogram()
    for part in parts:
        for n, count in part:
            made.buckets[n] += count
            made.count += count
    return made


def _story(parts: list[dict[str, Any]], settled: int) -> dict[str, Any]:
    """`settled`: who lacks this event is not at the head, however far its own worker thinks it is.

    The newest seq would not do: samples are not of one moment, and on an active story all but one would be behind.
    """
    newest = max(parts, key=lambda part: part["seq"])
    at_head = sum(part["at_head"] for part in parts if part["seq"] >= settled)
    return {**newest, "readers": sum(part["readers"] for part in parts), "at_head": at_head}


def _worker(told: dict[str, Any]) -> dict[str, Any]:
    sample = told["sample"]
    return {
        "status": "stale" if sample["stale_since"] else "ok",
        "name": told["name"],
        "node": told["node"],
        "is_draining": told["is_draining"],
        **{name: sample[name] for name in _FIELDS},
    }


def _unknown(last: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "unknown",
        "name": last["name"],
        "node": last["node"],
        "last_heard": last["last_heard"],
        "readers": None,
    }


def _faults(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """What went wrong since the workers started, and why."""
    refusals: dict[str, int] = {}
    for one in counts:
        for reason, count in one["refusals"].items():
            refusals[reason] = refusals.get(reason, 0) + count
    return {**{name: sum(one[name] for one in counts) for name in FAULTS}, "refusals": refusals}
