"""Metrics: what Prometheus reads of this node, made of its workers' samples.

It never counts: the hub does.

Workers of one port cannot be scraped one by one, so each of them gives the figures of all; the label `worker` then
names their places. No label names a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ..hub.counts import DESCRIPTIONS, PLAIN
from ..hub.merge import LATENCIES, latencies
from ..hub.sample import Sample, StoryFigures

_STORIES: tuple[tuple[str, str, Callable[[StoryFigures], int]], ...] = (
    ("readers", "Readers connected now, by story", lambda story: story.readers),
    ("readers_behind", "Of these, not at the newest event", lambda story: story.readers - story.at_head),
    ("story_seq", "Newest event of a story", lambda story: story.seq),
)


class NodeCollector:
    """Read when asked."""

    def __init__(self, read: Callable[[], list[Sample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from families(self._read())


def registry(read: Callable[[], list[Sample]], *, is_alone: bool) -> CollectorRegistry:
    """`read` gives the last sample of each worker of this node; `is_alone`: there is only one."""
    collectors = CollectorRegistry()
    PlatformCollector(registry=collectors)
    if is_alone:
        ProcessCollector(registry=collectors)
        GCCollector(registry=collectors)
    collectors.register(NodeCollector(read))
    return collectors


def families(samples: list[Sample]) -> Iterator[Metric]:
    """Metrics of workers; if there are several places, the label `worker` names them."""
    place = ["worker"] if any(sample.place for sample in samples) else []

    def family(kind: Any, name: str, about: str, values: Iterable[tuple[Any, ...]], *labels: str) -> Any:
        metric = kind(name, about, labels=[*place, *labels])
        for sample, *names, value in values:
            metric.add_metric([sample.place] * len(place) + names, value)
        return metric

    for name in PLAIN:
        totals = [(sample, getattr(sample.counts, name)) for sample in samples]
        yield family(CounterMetricFamily, f"stoppress_{name}", DESCRIPTIONS[name], totals)
    refusals = [(sample, *refusal) for sample in samples for refusal in sample.counts.refusals.items()]
    yield family(CounterMetricFamily, "stoppress_refusals", DESCRIPTIONS["refusals"], refusals, "reason")
    stories = [(sample, *story) for sample in samples for story in sample.figures.stories.items()]
    for name, about, read in _STORIES:
        values = [(sample, slug, read(story)) for sample, slug, story in stories]
        yield family(GaugeMetricFamily, f"stoppress_{name}", about, values, "story")
    late = GaugeMetricFamily(
        "stoppress_latency_seconds",
        "From an event's time to written, or painted on a page: quantiles of the last minute or two",
        labels=["stage", "quantile"],
    )
    for stage in LATENCIES:
        histogram = latencies(samples, stage)
        for share in (0.5, 0.95, 0.99):
            ms = histogram.quantile(share)
            if ms is not None:
                late.add_metric([stage, str(share)], ms / 1000)
    yield late
    stale = [(sample, int(sample.figures.stale_since is not None)) for sample in samples]
    yield family(GaugeMetricFamily, "stoppress_stale", "1 while the store is not heard", stale)
    draining = [(sample, int(sample.is_draining)) for sample in samples]
    yield family(GaugeMetricFamily, "stoppress_draining", "1 while the worker is stopping", draining)
    if place:  # the process collector knows one process only
        cpu = [(sample, sample.cpu_s) for sample in samples]
        yield family(CounterMetricFamily, "process_cpu_seconds", "Total user and system CPU time in seconds", cpu)
        memory = [(sample, sample.resident_bytes) for sample in samples]
        yield family(GaugeMetricFamily, "process_resident_memory_bytes", "Resident memory size in bytes", memory)
