"""Stats: one sample a second of all workers, for the operations page.

The workers of a node hear each other through their supervisor, which also says who lives: a sample of one that died
counts no longer, at once. Nodes hear each other through a channel of the store (a node is never asked, and nothing is
written to disk); each worker names those of its node, so that the others too forget who died. Who falls silent all the
same is named as unknown and its figures are left out. What only some workers could know, because they were there, they
tell the others: whoever is asked, the answer is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ..clock import now_ms
from ..hub.health import TOGETHER_MS, health, joined
from ..hub.hub import Hub
from ..hub.merge import LATENCIES, merged
from ..hub.stats import Histogram
from ..hub.tally import Burst
from ..newsroom.errors import StoreError
from ..newsroom.times import format_time
from ..store.channels import Patience
from ..store.store import Store
from ..tasks import end, keep
from ..transport.worker import Lifeline
from .metrics import families, resident_bytes

log = logging.getLogger(__name__)
EVERY_S = 1.0
SILENT = 3  # samples missed, by our own count: who was stopped itself has not listened
# Our own samples come back too: silence means that the link is dead, however healthy it looks.
PATIENCE = Patience(deaf_s=SILENT * EVERY_S)
FORGET = 120
SETTLED_S = 1.5  # others' samples are up to a second old; who lacks what is older than this is behind
PEAK = 60  # samples
BEHIND_SHARE = 0.1
BEHIND = 5  # samples, then who is behind is no longer just being written to
MISSING = 5  # samples, in which a worker may start
KEPT_MS = 900_000
MOST_HEARD = 10_000
MOST_INCIDENTS = 20


@dataclass(slots=True)
class Heard:
    """A worker's last sample, and how many of ours ago it came."""

    told: dict[str, Any]
    age: int = 0


class Board:
    """The merged sample of all workers; `latest` is a second old at most.

    `worker`: this one's id, like no other's. `lifeline`: that of a worker among others of its node.
    """

    def __init__(self, hub: Hub, store: Store, worker: str, lifeline: Lifeline | None = None) -> None:
        self.worker = worker
        self.node = lifeline.duty.node if lifeline else worker
        self.name = lifeline.duty.name if lifeline else "w1"
        # The label in metrics; a worker that is alone needs none.
        self.place = self.name if lifeline and lifeline.duty.settings.workers > 1 else ""
        self.address = ""  # what is told to commands on this machine
        self.latest: dict[str, Any] = {}
        self._began = time.time()
        self._hub = hub
        self._store = store
        self._lifeline = lifeline
        self._heard: dict[str, Heard] = {}
        self._raw: dict[str, bytes] = {}
        self._turn = asyncio.Event()
        self._due = asyncio.Event()  # the other nodes are to be told
        self._past: deque[tuple[float, dict[str, int]]] = deque([(time.monotonic(), {})])
        self._totals: deque[int] = deque(maxlen=PEAK)
        self._incidents: deque[dict[str, Any]] = deque(maxlen=MOST_INCIDENTS)
        self._behind = 0
        self._missing: dict[str, int] = {}
        self._stale_since: int | None = None
        self.refresh(is_tick=False)

    async def run(self) -> None:
        """Until cancelled: sample, tell the others, merge. A store that hangs holds up only what goes through it."""
        others = (
            # That the store is away the relay says.
            keep("hearing the other nodes", self._listen, delays_s=(EVERY_S,), expected=StoreError),
            keep("telling the other nodes", self._gossip),
        )
        try:
            while True:
                self.refresh()
                turn, self._turn = self._turn, asyncio.Event()
                turn.set()
                self._due.set()
                if self._lifeline:
                    self._lifeline.tell(orjson.dumps(self._own))
                await asyncio.sleep(EVERY_S - time.time() % EVERY_S)
        finally:
            await end(others)

    async def _gossip(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self._tell(self._own)
            if self.address:
                await self._store.site_address.announce(self.address)

    async def announce(self, address: str) -> None:
        """Readers are served at `address`, or at the public one; known from now on until this worker ends."""
        self.address = self._store.settings.public_url or address
        await self._store.site_address.announce(self.address)
        self.refresh(
            is_tick=False
        )  # with what the other nodes have told by now: the first who asks shall not be told less

    async def goodbye(self) -> None:
        """The others need not wait for this worker."""
        await self._tell({"worker": self.worker, "bye": True})

    async def next(self) -> dict[str, Any]:
        """The next sample."""
        await self._turn.wait()
        return self.latest

    def refresh(self, *, is_tick: bool = True) -> None:
        """Sample this worker now, and merge. Between two ticks nobody who is silent has missed a sample."""
        now = now_ms()
        self._listen_to_node()
        for heard in self._heard.values() if is_tick else ():
            heard.age += 1
        self._heard = {id: heard for id, heard in self._heard.items() if heard.age < FORGET and self._may_live(heard)}
        self._note_bursts(now)
        self._note_silence(now)
        self._own = self._read(now)
        others = self._others()
        for slug, feed in self._hub.feeds.items():
            feed.elsewhere = sum(told["sample"]["stories"].get(slug, {}).get("readers", 0) for told in others.values())
        whole = merged(now, {self.worker: self._own, **others}, self._unknown(now, others))
        incidents = joined(self._hub.tally, self._happened(now, others.values()))
        self._totals.append(whole["readers"])
        self._behind = self._behind + 1 if whole["at_head"] < 1 - BEHIND_SHARE else 0
        behind = 1 - whole["at_head"] if self._behind >= BEHIND else 0
        peak = self._peak(now, others.values())
        gone = any(told["gone"] for told in [self._own, *others.values()])
        found = health(whole, incidents, now, peak=peak, gone=gone, missing=self._absent(), behind=behind)
        self.latest = {**whole, "health": found, "incidents": [_public(one) for one in incidents]}

    def workers_here(self) -> list[dict[str, Any]]:
        """What the workers of this node told last, one for each place; this one tells it now."""
        told = [self._read(now_ms())]
        if self.place:
            told += [one for one in self._others().values() if one["node"] == self.node]
        # While one hands its place over there are two; the newer one counts.
        return list({one["place"]: one for one in sorted(told, key=lambda one: one["began"])}.values())

    # This worker

    def _read(self, now_ms: int) -> dict[str, Any]:
        sample = self._hub.sample(now_ms)
        return {
            "worker": self.worker,
            "node": self.node,
            "name": self.name,
            "place": self.place,
            "began": self._began,
            "members": list(self._members()),
            "sample": sample,
            "settled": self._settled(sample["stories"]),
            **{name: sparse(getattr(self._hub, name).read(now_ms)) for name in LATENCIES},
            "counts": asdict(self._hub.counts),
            "is_draining": self._hub.is_draining,
            "cpu_s": time.process_time(),
            "resident_bytes": resident_bytes(),
            "peak": max(self._totals, default=0),
            "gone": self._gone(now_ms),
            "incidents": [*self._incidents, *map(self._incident, self._hub.tally.under_way)],
            "unknown": {id: _last(heard.told) for id, heard in self._silent()},
        }

    def _settled(self, stories: dict[str, Any]) -> dict[str, int]:
        """The seq of each story a moment ago, which by now every worker should have told."""
        at = time.monotonic()
        if at - self._past[-1][0] >= SETTLED_S / 2:
            self._past.append((at, {slug: story["seq"] for slug, story in stories.items()}))
        while len(self._past) > 1 and at - self._past[1][0] >= SETTLED_S:
            self._past.popleft()
        return {slug: seq for slug, seq in self._past[0][1].items() if slug in stories}

    def _note_bursts(self, now_ms: int) -> None:
        for burst in self._hub.tally.look(self._hub.counts.faults(), now_ms):
            incident = self._incident(burst)
            log.log(logging.INFO if burst.is_expected else logging.WARNING, incident["text"])
            if not burst.is_expected:
                self._incidents.append(incident)

    def _note_silence(self, now_ms: int) -> None:
        """The store was away: the relay has logged it, and who looks later shall see it too."""
        since, self._stale_since = self._stale_since, self._hub.stale_since
        if since is not None and self._stale_since is None:
            text = self._hub.tally.sentence(("silence", ""), 1, now_ms - since)
            self._incidents.append(incident("silence", text, since, now_ms, worker=self.worker))

    def _incident(self, burst: Burst) -> dict[str, Any]:
        text = self._hub.tally.sentence(burst.key, burst.count, burst.last_ms - burst.began_ms, burst.names)
        kind, reason = burst.key
        made = incident(kind, text, burst.began_ms, burst.last_ms, reason=reason, worker=self.worker)
        return {**made, "count": burst.count, "names": burst.names}

    # The others

    def _members(self) -> dict[str, str]:
        """The living workers of this node: id → name."""
        return (self._lifeline.node.get("workers") if self._lifeline else None) or {self.worker: self.name}

    def _listen_to_node(self) -> None:
        if self._lifeline:
            for id, raw in tuple(self._lifeline.samples.items()):
                if self._raw.get(id) is not raw:
                    self._raw[id] = raw
                    self.hear(raw, is_of_node=True)
            self._raw = {id: raw for id, raw in self._raw.items() if id in self._lifeline.samples}

    def _may_live(self, heard: Heard) -> bool:
        return heard.told["node"] != self.node or heard.told["worker"] in self._members()

    def _others(self) -> dict[str, dict[str, Any]]:
        return {id: heard.told for id, heard in self._heard.items() if heard.age <= SILENT}

    def _silent(self) -> list[tuple[str, Heard]]:
        return [(id, heard) for id, heard in self._heard.items() if heard.age > SILENT]

    def _unknown(self, now_ms: int, others: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Who is silent, by what is known here or to another worker that was there to hear it speak."""
        speaking = {told["node"]: told["members"] for told in [*others.values(), self._own]}
        found = {id: _last(heard.told) for id, heard in self._silent()}
        for told in others.values():
            for id, last in told["unknown"].items():
                is_news = id not in found and id not in others and id != self.worker
                if is_news and id in speaking.get(last["node"], (id,)):
                    found[id] = last
        return found

    def _happened(self, now_ms: int, others: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for told in [self._own, *others]:
            yield from (one for one in told["incidents"] if now_ms - one["until_ms"] < KEPT_MS)
        for event in self._events():
            if now_ms - event["at_ms"] < KEPT_MS:
                yield incident("", event["text"], event["at_ms"], event["at_ms"], worker=self.node)

    def _events(self) -> list[dict[str, Any]]:
        """What the supervisor had to say lately."""
        return self._lifeline.node.get("events", []) if self._lifeline else []

    def _peak(self, now_ms: int, others: Iterable[dict[str, Any]]) -> int:
        """Most readers in the last minute; of those that one who died had, the supervisor knows."""
        peak: int = max(self._gone(now_ms), *self._totals, *(told["peak"] for told in others))
        return peak

    def _gone(self, now_ms: int) -> int:
        """Readers of workers of this node that died in the last minute, of those together that died together: whoever
        came back, and lost another worker later, is one reader."""
        died = [event for event in self._events() if now_ms - event["at_ms"] < PEAK * 1000]
        together = (
            sum(event["readers"] for event in died if 0 <= event["at_ms"] - first["at_ms"] <= TOGETHER_MS)
            for first in died
        )
        return max(together, default=0)

    def _absent(self) -> list[str]:
        """Places of this node where no worker has been ready for a while; one that dies at each start never is."""
        wanted = self._lifeline.duty.settings.workers if self._lifeline else 0
        held = set(self._lifeline.node.get("ready", [])) if self._lifeline else set()
        empty = [name for name in (f"w{n}" for n in range(1, wanted + 1)) if name not in held]
        self._missing = {name: self._missing.get(name, 0) + 1 for name in empty}
        return [name for name, times in self._missing.items() if times > MISSING]

    def hear(self, message: bytes, *, is_of_node: bool = False) -> None:
        """What another worker says. Nonsense is left aside: anybody may publish who has the store's address."""
        try:
            told = orjson.loads(message)
            worker = told["worker"]
            if worker == self.worker:
                return
            if told.get("bye"):
                self._heard.pop(worker, None)
                return
            if told.get("hello"):  # somebody has just begun to listen
                self._due.set()
                return
            if self._lifeline and (told["node"] == self.node) != is_of_node:
                return  # of those of this node the supervisor knows more
            list(families([told]))
            whole, members = merged(0, {worker: told}, told["unknown"]), frozenset(told["members"])
            incidents = joined(self._hub.tally, told["incidents"])
            health(whole, incidents, 0, peak=told["peak"] + 0, gone=bool(told["gone"]), missing=(), behind=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return
        if not is_of_node:  # whom its node does not name any more is dead
            self._heard = {
                id: heard for id, heard in self._heard.items() if heard.told["node"] != told["node"] or id in members
            }
        if worker in self._heard or len(self._heard) < MOST_HEARD:
            self._heard[worker] = Heard(told)

    async def _tell(self, told: dict[str, Any]) -> None:
        with contextlib.suppress(StoreError):  # the relay says when the store is away
            await self._store.channels.say(self._store.keys.workers, orjson.dumps(told))

    async def _listen(self) -> None:
        """One hearing of the other nodes, to its end, which is always an exception."""
        workers = self._store.keys.workers
        async with self._store.channels.hear(workers, by=f"{self.worker}:stats", patience=PATIENCE) as hearing:
            await self._tell({"worker": self.worker, "hello": True})  # from here on nothing is missed
            await hearing.listen(lambda _, message: self.hear(message))


def sparse(histogram: Histogram) -> list[list[int]]:
    """Its filled buckets, as [number, count]."""
    return [[n, count] for n, count in enumerate(histogram.buckets) if count]


def incident(kind: str, text: str, at_ms: int, until_ms: int, *, worker: str, reason: str = "") -> dict[str, Any]:
    return {
        "kind": kind,
        "reason": reason,
        "text": text,
        "at_ms": at_ms,
        "until_ms": until_ms,
        "count": 1,
        "names": {},
        "worker": worker,
    }


def _public(incident: dict[str, Any]) -> dict[str, Any]:
    times = {"at": format_time(incident["at_ms"]), "until": format_time(incident["until_ms"])}
    return {**times, **{name: incident[name] for name in ("kind", "reason", "count", "text")}}


def _last(told: dict[str, Any]) -> dict[str, Any]:
    return {"last_heard": told["sample"]["at"], "name": told["name"], "node": told["node"]}
