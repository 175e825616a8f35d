"""Board: one sample a second of all workers, for the operations page.

The workers of a node hear each other through their supervisor, which also says who lives: a sample of one that died
counts no longer, at once. Nodes hear each other through a channel of the store (a node is never asked, and nothing is
written to disk); each worker names those of its node, so that the others too forget who died. Who falls silent all the
same is named as unknown and its figures are left out. What only some workers could know, because they were there, they
tell the others: whoever is asked, the answer is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from ..clock import now_ms
from ..hub.health import Health, health
from ..hub.hub import Hub
from ..hub.incidents import joined, public
from ..hub.merge import Whole, merge
from ..hub.peers import SILENT, Peers
from ..hub.sample import Incident, Sample, Word, read_sample
from ..newsroom.errors import StoreError
from ..store.channels import Patience
from ..store.store import Store
from ..tasks import end, keep
from ..transport.worker import Lifeline
from .node import Node
from .sampling import Sampler

EVERY_S = 1.0
# Our own samples come back too: silence means that the link is dead, however healthy it looks.
PATIENCE = Patience(deaf_s=SILENT * EVERY_S)
PEAK = 60  # samples
BEHIND_SHARE = 0.1
BEHIND = 5  # samples, then who is behind is no longer just being written to
KEPT_MS = 900_000


class Stats(Whole):
    """The answer of `/stats`."""

    health: Health
    incidents: list[dict[str, Any]]


class Board:
    """The merged sample of all workers; `latest` is a second old at most.

    `worker`: this one's id, like no other's. `lifeline`: that of a worker among others of its node.
    """

    latest: Stats

    def __init__(self, hub: Hub, store: Store, worker: str, lifeline: Lifeline | None = None) -> None:
        self.worker = worker
        self.address = ""  # what is told to commands on this machine
        self._hub = hub
        self._store = store
        self._node = Node(worker, lifeline)
        self._sampler = Sampler(hub, worker, self._node)
        self._peers = Peers(worker, self._node.id)
        self._turn = asyncio.Event()
        self._due = asyncio.Event()  # the other nodes are to be told
        self._totals: deque[int] = deque(maxlen=PEAK)
        self._behind = 0
        self.refresh(is_tick=False)

    @property
    def place(self) -> str:
        """The label in metrics; a worker that is alone has none."""
        return self._node.place

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
                self._node.tell(msgspec.json.encode(self._own))
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
        # With what the other nodes have told by now: the first who asks shall not be told less.
        self.refresh(is_tick=False)

    async def goodbye(self) -> None:
        """The others need not wait for this worker."""
        await self._tell(Word(worker=self.worker, bye=True))

    async def next(self) -> Stats:
        """The next sample."""
        await self._turn.wait()
        return self.latest

    def refresh(self, *, is_tick: bool = True) -> None:
        """Sample this worker now, and merge. Between two ticks nobody who is silent has missed a sample."""
        now = now_ms()
        self._hear_node()
        if is_tick:
            self._peers.turn()
        self._peers.keep(self._node.members())
        self._sampler.look(now)
        self._own = self._sample(now)
        others = self._peers.samples
        for slug, feed in self._hub.feeds.items():
            stories = (sample.figures.stories.get(slug) for sample in others)
            feed.elsewhere = sum(story.readers for story in stories if story)
        samples = [self._own, *others]
        whole = merge(samples, self._peers.unknown(self._own.members), now)
        incidents = joined(self._hub.tally, self._lately(now, samples))
        self._totals.append(whole["readers"])
        self._behind = self._behind + 1 if whole["at_head"] < 1 - BEHIND_SHARE else 0
        found = health(
            whole,
            incidents,
            now,
            # Of those that one who died had, the supervisor knows.
            peak=max(self._own.gone, *self._totals, *(sample.peak for sample in others)),
            gone=any(sample.gone for sample in samples),
            missing=self._node.absent(),
            behind=1 - whole["at_head"] if self._behind >= BEHIND else 0,
        )
        self.latest = {**whole, "health": found, "incidents": [public(incident) for incident in incidents]}

    def workers_here(self) -> list[Sample]:
        """The last samples of this node's workers, one for each place; this one's is taken now."""
        samples = [self._sample(now_ms())]
        if self.place:
            samples += [sample for sample in self._peers.samples if sample.node == self._node.id]
        # While one hands its place over there are two; the newer one counts.
        return list({sample.place: sample for sample in sorted(samples, key=lambda sample: sample.began)}.values())

    def hear(self, message: bytes, *, is_of_node: bool = False) -> None:
        """What another worker says; nonsense is left aside."""
        match read_sample(message):
            case Sample() as sample:
                self._peers.hear(sample, is_of_node=is_of_node)
            case Word(worker=worker) if worker == self.worker:
                pass
            case Word(worker=worker, bye=True):
                self._peers.forget(worker)
            case Word():  # somebody has just begun to listen
                self._due.set()

    def _hear_node(self) -> None:
        for message in self._node.news():
            self.hear(message, is_of_node=True)

    def _sample(self, now_ms: int) -> Sample:
        return self._sampler.sample(now_ms, peak=max(self._totals, default=0), unknown=self._peers.silent)

    def _lately(self, now_ms: int, samples: Iterable[Sample]) -> list[Incident]:
        incidents = [incident for sample in samples for incident in sample.incidents]
        incidents += self._node.incidents()
        return [incident for incident in incidents if now_ms - incident.until_ms < KEPT_MS]

    async def _tell(self, message: Sample | Word) -> None:
        with contextlib.suppress(StoreError):  # the relay says when the store is away
            await self._store.channels.say(self._store.keys.workers, msgspec.json.encode(message))

    async def _listen(self) -> None:
        """One hearing of the other nodes, to its end, which is always an exception."""
        workers = self._store.keys.workers
        async with self._store.channels.hear(workers, by=f"{self.worker}:stats", patience=PATIENCE) as hearing:
            await self._tell(Word(worker=self.worker, hello=True))  # from here on nothing is missed
            await hearing.listen(lambda _, message: self.hear(message))
