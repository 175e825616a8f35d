"""Stats: one sample a second of all workers, for the operations page, and this worker's metrics for Prometheus.

Each worker publishes its sample on a channel of the store and hears the others' (a node is never asked, and nothing
is written to disk). Who falls silent is named as unknown and its figures are left out; who says goodbye is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from ..hub.hub import Hub
from ..hub.stats import Histogram
from ..newsroom.times import format_time
from ..store.store import Store

log = logging.getLogger(__name__)
EVERY_S = 1.0
SILENT_S = 4.0  # three samples missed
FORGET_S = 120.0
_LATENCIES = ("written", "painted")


class Board:
    """The merged sample of all workers; `latest` is a second old at most."""

    def __init__(self, hub: Hub, store: Store, worker: str) -> None:
        self.worker = worker
        self.latest: dict[str, Any] = {}
        self._hub = hub
        self._store = store
        self._channel = f"{store.settings.prefix}:workers"
        self._heard: dict[str, tuple[float, dict[str, Any]]] = {}
        self._turn = asyncio.Event()
        self.refresh()

    async def run(self) -> None:
        """Until cancelled: sample, tell the others, merge."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                self.refresh()
                turn, self._turn = self._turn, asyncio.Event()
                turn.set()
                await self._tell(self._own)
                await asyncio.sleep(EVERY_S - time.time() % EVERY_S)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def goodbye(self) -> None:
        """The others need not wait for this worker."""
        await self._tell({"worker": self.worker, "bye": True})

    async def next(self) -> dict[str, Any]:
        """The next sample."""
        await self._turn.wait()
        return self.latest

    def refresh(self) -> None:
        """Sample this worker now, and merge."""
        now_ms = time.time_ns() // 1_000_000
        self._own = {
            "worker": self.worker,
            "sample": self._hub.sample(now_ms),
            **{name: sparse(getattr(self._hub, name).read(now_ms)) for name in _LATENCIES},
        }
        at = time.monotonic()
        self._heard = {id: held for id, held in self._heard.items() if at - held[0] < FORGET_S}
        others = {id: told for id, (heard_at, told) in self._heard.items() if at - heard_at < SILENT_S}
        unknown = {id: told for id, (_, told) in self._heard.items() if id not in others}
        for slug, feed in self._hub.feeds.items():
            feed.elsewhere = sum(told["sample"]["stories"].get(slug, {}).get("readers", 0) for told in others.values())
        self.latest = merged(now_ms, {self.worker: self._own, **others}, unknown)

    def hear(self, message: bytes) -> None:
        """What another worker says. Nonsense is left aside: anybody may publish who has the store's address."""
        try:
            told = orjson.loads(message)
            worker = told["worker"]
            if worker == self.worker:
                return
            if told.get("bye"):
                self._heard.pop(worker, None)
                return
            merged(0, {worker: told}, {})
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return
        if worker in self._heard or len(self._heard) < 10_000:
            self._heard[worker] = (time.monotonic(), told)

    async def _tell(self, told: dict[str, Any]) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # the relay says when the store is away
            await self._store.client.publish(self._channel, orjson.dumps(told))

    async def _listen(self) -> None:
        while True:
            client = self._store.link.subscriber()
            try:
                async with client.pubsub() as heard:
                    await heard.subscribe(self._channel)
                    # Our own samples come back too: silence means that the line is dead, however healthy it looks.
                    while message := await heard.get_message(timeout=SILENT_S):
                        if message["type"] == "message":
                            self.hear(message["data"])
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(EVERY_S)
            finally:
                await client.aclose()
                await client.connection_pool.aclose()


def sparse(histogram: Histogram) -> list[list[int]]:
    """Its filled buckets, as [number, count]."""
    return [[n, count] for n, count in enumerate(histogram.buckets) if count]


def merged(now_ms: int, told: dict[str, dict[str, Any]], unknown: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One sample of what all workers told (PROTOCOL, section 8)."""
    samples = {worker: one["sample"] for worker, one in sorted(told.items())}
    stories = {
        slug: _story([sample["stories"][slug] for sample in samples.values() if slug in sample["stories"]])
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
            **{worker: _worker(sample) for worker, sample in samples.items()},
            **{
                worker: {"status": "unknown", "last_heard": one["sample"]["at"], "readers": None}
                for worker, one in sorted(unknown.items())
            },
        },
        # Every worker hears every event of the stories it holds, so the busiest one has it right.
        "events_per_s": max((sample["events_per_s"] for sample in samples.values()), default=0),
        "deliveries_per_s": round(sum(sample["deliveries_per_s"] for sample in samples.values()), 2),
        "latency_ms": {name: _latency([one[name] for one in told.values()]) for name in _LATENCIES},
        "at_head": 1.0 if not readers else round(at_head / readers, 4),
        "store": {"status": "stale" if stale else "ok", "stale_since": min(stale, default=None)},
    }


def _story(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Who is behind the newest seq is not at its head, however far its own worker thinks it is."""
    newest = max(parts, key=lambda part: part["seq"])
    at_head = sum(part["at_head"] for part in parts if part["seq"] == newest["seq"])
    return {**newest, "readers": sum(part["readers"] for part in parts), "at_head": at_head}


def _worker(sample: dict[str, Any]) -> dict[str, Any]:
    fields = ("readers", "events_per_s", "deliveries_per_s", "at_head", "latency_ms", "stale_since", "at")
    return {"status": "stale" if sample["stale_since"] else "ok", **{name: sample[name] for name in fields}}


def _latency(parts: Iterable[list[list[int]]]) -> dict[str, float | None]:
    whole = Histogram()
    for part in parts:
        for n, count in part:
            whole.buckets[n] += count
            whole.count += count
    return whole.summary()


# Prometheus

_COUNTERS = {
    "connects": "Readers that joined a story",
    "disconnects": "Readers that left",
    "refusals": "Readers refused: the worker was full or stopping",
    "resumes": "Readers whose position was honoured",
    "snapshots": "Snapshots written",
    "events": "Events of stories heard from the store",
    "deliveries": "Messages written to readers",
    "cuts": "Readers cut off because they took nothing for too long",
    "rude": "Readers closed for saying what nobody asked for (1008, 1009)",
    "seen": "Reports of an event painted on a page",
}


class HubCollector:
    """This worker's numbers as metrics, read when asked; no label names a reader."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        now_ms = time.time_ns() // 1_000_000
        hub = self._hub
        for name, about in _COUNTERS.items():
            yield CounterMetricFamily(f"stoppress_{name}", about, value=getattr(hub.counts, name))
        readers = GaugeMetricFamily("stoppress_readers", "Readers connected now, by story", labels=["story"])
        behind = GaugeMetricFamily("stoppress_readers_behind", "Of these, not at the newest event", labels=["story"])
        seq = GaugeMetricFamily("stoppress_story_seq", "Newest event of a story", labels=["story"])
        for slug, story in hub.sample(now_ms)["stories"].items():
            readers.add_metric([slug], story["readers"])
            behind.add_metric([slug], story["readers"] - story["at_head"])
            seq.add_metric([slug], story["seq"])
        yield from (readers, behind, seq)
        late = GaugeMetricFamily(
            "stoppress_latency_seconds",
            "From an event's time to written, or painted on a page: quantiles of the last minute or two",
            labels=["stage", "quantile"],
        )
        for stage in _LATENCIES:
            seen = getattr(hub, stage).read(now_ms)
            for share in (0.5, 0.95, 0.99):
                ms = seen.quantile(share)
                if ms is not None:
                    late.add_metric([stage, str(share)], ms / 1000)
        yield late
        stale = hub.stale_since is not None
        yield GaugeMetricFamily("stoppress_stale", "1 while the store is not heard", value=int(stale))
        yield GaugeMetricFamily("stoppress_draining", "1 while the worker is stopping", value=int(hub.is_draining))


def registry(hub: Hub) -> CollectorRegistry:
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    made.register(HubCollector(hub))  # type: ignore[arg-type]
    return made
