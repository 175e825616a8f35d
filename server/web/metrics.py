"""Metrics: what Prometheus reads of this node, made of what its workers told.

It never counts: the hub does.

Workers of one port cannot be scraped one by one, so each of them tells the numbers of all; the label `worker` then
names their places. No label names a reader.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ..hub.merge import LATENCIES, whole

Told = dict[str, Any]
_COUNTERS = {
    "connects": "Readers that joined a story",
    "disconnects": "Readers that left",
    "resumes": "Readers whose position was honoured",
    "snapshots": "Snapshots written",
    "events": "Events of stories heard from the store",
    "deliveries": "Messages written to readers",
    "cuts": "Readers cut off because they took nothing for too long",
    "unread": "Answers cut off because their readers took nothing for too long",
    "rude": "Readers closed for saying what nobody asked for (1008, 1009)",
    "seen": "Reports of an event painted on a page",
    "wrong_tokens": "Requests with a token that is unknown or was revoked",
}
_STORIES: tuple[tuple[str, str, Callable[[Told], int]], ...] = (
    ("readers", "Readers connected now, by story", lambda story: story["readers"]),
    ("readers_behind", "Of these, not at the newest event", lambda story: story["readers"] - story["at_head"]),
    ("story_seq", "Newest event of a story", lambda story: story["seq"]),
)


class NodeCollector:
    """Read when asked."""

    def __init__(self, read: Callable[[], list[Told]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from families(self._read())


def registry(read: Callable[[], list[Told]], *, is_alone: bool) -> CollectorRegistry:
    """`read` gives what each worker of this node told; `is_alone`: there is only one."""
    made = CollectorRegistry()
    PlatformCollector(registry=made)
    if is_alone:
        ProcessCollector(registry=made)
        GCCollector(registry=made)
    made.register(NodeCollector(read))
    return made


def families(told: list[Told]) -> Iterator[Metric]:
    """Metrics of what workers told; if there are several places, the label `worker` names them."""
    place = ["worker"] if any(one["place"] for one in told) else []

    def family(kind: Any, name: str, about: str, values: Iterable[tuple[Any, ...]], *labels: str) -> Any:
        made = kind(name, about, labels=[*place, *labels])
        for one, *found, value in values:
            made.add_metric([one["place"]] * len(place) + found, value)
        return made

    for name, about in _COUNTERS.items():
        counted = [(one, one["counts"][name]) for one in told]
        yield family(CounterMetricFamily, f"stoppress_{name}", about, counted)
    refused = [(one, why, count) for one in told for why, count in one["counts"]["refusals"].items()]
    yield family(CounterMetricFamily, "stoppress_refusals", "Connections refused, by reason", refused, "reason")
    stories = [(one, slug, story) for one in told for slug, story in one["sample"]["stories"].items()]
    for name, about, read in _STORIES:
        found = [(one, slug, read(story)) for one, slug, story in stories]
        yield family(GaugeMetricFamily, f"stoppress_{name}", about, found, "story")
    late = GaugeMetricFamily(
        "stoppress_latency_seconds",
        "From an event's time to written, or painted on a page: quantiles of the last minute or two",
        labels=["stage", "quantile"],
    )
    for stage in LATENCIES:
        seen = whole([one[stage] for one in told])
        for share in (0.5, 0.95, 0.99):
            ms = seen.quantile(share)
            if ms is not None:
                late.add_metric([stage, str(share)], ms / 1000)
    yield late
    stale = [(one, int(one["sample"]["stale_since"] is not None)) for one in told]
    yield family(GaugeMetricFamily, "stoppress_stale", "1 while the store is not heard", stale)
    draining = [(one, int(one["is_draining"])) for one in told]
    yield family(GaugeMetricFamily, "stoppress_draining", "1 while the worker is stopping", draining)
    if place:  # the process collector knows one process only
        cpu = [(one, one["cpu_s"]) for one in told]
        yield family(CounterMetricFamily, "process_cpu_seconds", "Total user and system CPU time in seconds", cpu)
        memory = [(one, one["resident_bytes"]) for one in told]
        yield family(GaugeMetricFamily, "process_resident_memory_bytes", "Resident memory size in bytes", memory)


def resident_bytes() -> int:
    """Of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
