"""Stats: one sample a second of all workers, for the operations page.

Each worker publishes its sample on a channel of the store and hears the others' (a node is never asked, and nothing
is written to disk). Who falls silent is named as unknown and its figures are left out; who says goodbye is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson
from redis.exceptions import RedisError

from ..hub.hub import Hub
from ..hub.stats import Histogram
from ..newsroom.errors import StoreError
from ..newsroom.times import format_time
from ..store.store import Store
from ..store.whereabouts import announce
from ..tasks import end, keep
from .metrics import LATENCIES, families, resident_bytes, whole

log = logging.getLogger(__name__)
EVERY_S = 1.0
SILENT_S = 4.0  # three samples missed
FORGET_S = 120.0
SETTLED_S = 1.5  # others' samples are up to a second old; who lacks what is older than this is behind


class Board:
    """The merged sample of all workers; `latest` is a second old at most.

    `worker`: this one's name, like no other's. `place`: which of its node's several workers it is; "" = the only one.
    """

    def __init__(self, hub: Hub, store: Store, worker: str, *, node: str = "", place: str = "") -> None:
        self.worker = worker
        self.place = place
        self.address = ""  # what is told to commands on this machine
        self.latest: dict[str, Any] = {}
        self._node = node
        self._began = time.time()
        self._hub = hub
        self._store = store
        self._channel = f"{store.settings.prefix}:workers"
        self._heard: dict[str, tuple[float, dict[str, Any]]] = {}
        self._turn = asyncio.Event()
        self._past: deque[tuple[float, dict[str, int]]] = deque([(time.monotonic(), {})])
        self.refresh()

    async def run(self) -> None:
        """Until cancelled: sample, tell the others, merge."""
        listening = keep("hearing the other workers", self._listen)
        try:
            while True:
                self.refresh()
                turn, self._turn = self._turn, asyncio.Event()
                turn.set()
                await self._tell(self._own)
                if self.address:
                    await announce(self._store, self.address)
                await asyncio.sleep(EVERY_S - time.time() % EVERY_S)
        finally:
            await end([listening])

    async def announce(self, address: str) -> None:
        """Readers are served at `address`, or at the public one; known from now on until this worker ends."""
        self.address = self._store.settings.public_url or address
        await announce(self._store, self.address)

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
        self._own = self._read(now_ms)
        at = time.monotonic()
        self._heard = {id: held for id, held in self._heard.items() if at - held[0] < FORGET_S}
        others = self._others()
        unknown = {id: told for id, (_, told) in self._heard.items() if id not in others}
        for slug, feed in self._hub.feeds.items():
            feed.elsewhere = sum(told["sample"]["stories"].get(slug, {}).get("readers", 0) for told in others.values())
        self.latest = merged(now_ms, {self.worker: self._own, **others}, unknown)

    def node(self) -> list[dict[str, Any]]:
        """What the workers of this node told last, one for each place; this one tells it now."""
        told = [self._read(time.time_ns() // 1_000_000)]
        if self.place:
            told += [one for one in self._others().values() if one.get("node") == self._node]
        # While one hands its place over there are two; the newer one counts.
        return list({one["place"]: one for one in sorted(told, key=lambda one: one["began"])}.values())

    def _read(self, now_ms: int) -> dict[str, Any]:
        sample = self._hub.sample(now_ms)
        return {
            "worker": self.worker,
            "node": self._node,
            "place": self.place,
            "began": self._began,
            "sample": sample,
            "settled": self._settled(sample["stories"]),
            **{name: sparse(getattr(self._hub, name).read(now_ms)) for name in LATENCIES},
            "counts": asdict(self._hub.counts),
            "is_draining": self._hub.is_draining,
            "cpu_s": time.process_time(),
            "resident_bytes": resident_bytes(),
        }

    def _settled(self, stories: dict[str, Any]) -> dict[str, int]:
        """The seq of each story a moment ago, which by now every worker should have told."""
        at = time.monotonic()
        if at - self._past[-1][0] >= SETTLED_S / 2:
            self._past.append((at, {slug: story["seq"] for slug, story in stories.items()}))
        while len(self._past) > 1 and at - self._past[1][0] >= SETTLED_S:
            self._past.popleft()
        return {slug: seq for slug, seq in self._past[0][1].items() if slug in stories}

    def _others(self) -> dict[str, dict[str, Any]]:
        at = time.monotonic()
        return {id: told for id, (heard_at, told) in self._heard.items() if at - heard_at < SILENT_S}

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
            if told.get("node") == self._node:
                list(families([{**told, "place": str(told["place"]), "began": float(told["began"])}]))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return
        if worker in self._heard or len(self._heard) < 10_000:
            self._heard[worker] = (time.monotonic(), told)

    async def _tell(self, told: dict[str, Any]) -> None:
        with contextlib.suppress(StoreError):  # the relay says when the store is away
            await self._store.once("publish", self._channel, orjson.dumps(told))

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
            **{worker: _worker(sample) for worker, sample in samples.items()},
            **{
                worker: {"status": "unknown", "last_heard": one["sample"]["at"], "readers": None}
                for worker, one in sorted(unknown.items())
            },
        },
        # Every worker hears every event of the stories it holds, so the busiest one has it right.
        "events_per_s": max((sample["events_per_s"] for sample in samples.values()), default=0),
        "deliveries_per_s": round(sum(sample["deliveries_per_s"] for sample in samples.values()), 2),
        "latency_ms": {name: _latency([one[name] for one in told.values()]) for name in LATENCIES},
        "at_head": 1.0 if not readers else round(at_head / readers, 4),
        "store": {"status": "stale" if stale else "ok", "stale_since": min(stale, default=None)},
    }


def _story(parts: list[dict[str, Any]], settled: int) -> dict[str, Any]:
    """`settled`: who lacks this event is not at the head, however far its own worker thinks it is.

    The newest seq would not do: samples are not of one moment, and on an active story all but one would be behind.
    """
    newest = max(parts, key=lambda part: part["seq"])
    at_head = sum(part["at_head"] for part in parts if part["seq"] >= settled)
    return {**newest, "readers": sum(part["readers"] for part in parts), "at_head": at_head}


def _worker(sample: dict[str, Any]) -> dict[str, Any]:
    fields = ("readers", "events_per_s", "deliveries_per_s", "at_head", "latency_ms", "stale_since", "at")
    return {"status": "stale" if sample["stale_since"] else "ok", **{name: sample[name] for name in fields}}


def _latency(parts: Iterable[list[list[int]]]) -> dict[str, float | None]:
    return whole(parts).summary()
