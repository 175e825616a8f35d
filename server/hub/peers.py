"""Peers: the other workers, what each told last, and who of them has fallen silent.

Pure. Age is counted in our own turns, not in time: who was stopped itself has not listened, and calls nobody silent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from .sample import LastSeen, Sample

SILENT = 3  # turns without a sample, then a worker's figures are left out
FORGET = 120  # turns, then it is no longer named either
MOST = 10_000


@dataclass(slots=True)
class Peer:
    """A worker's last sample, and how many of our turns ago it came."""

    sample: Sample
    age: int = 0


class Peers:
    """`worker`, `node`: who listens."""

    def __init__(self, worker: str, node: str) -> None:
        self._worker = worker
        self._node = node
        self._peers: dict[str, Peer] = {}

    def hear(self, sample: Sample, *, is_of_node: bool = False) -> None:
        """What another worker tells, `is_of_node` = through the supervisor: of those here it alone is believed."""
        if sample.worker == self._worker or (sample.node == self._node) != is_of_node:
            return
        if not is_of_node:  # whom its node does not name any more is dead
            members = frozenset(sample.members)
            self._peers = {
                id: peer for id, peer in self._peers.items() if peer.sample.node != sample.node or id in members
            }
        if sample.worker in self._peers or len(self._peers) < MOST:
            self._peers[sample.worker] = Peer(sample)

    def forget(self, worker: str) -> None:
        self._peers.pop(worker, None)

    def turn(self) -> None:
        """One of our turns has passed."""
        for peer in self._peers.values():
            peer.age += 1
        self._peers = {id: peer for id, peer in self._peers.items() if peer.age < FORGET}

    def keep(self, living: Container[str]) -> None:
        """Forget who died of this node."""
        self._peers = {id: peer for id, peer in self._peers.items() if peer.sample.node != self._node or id in living}

    @property
    def samples(self) -> list[Sample]:
        """Of those that speak."""
        return [peer.sample for peer in self._peers.values() if peer.age <= SILENT]

    @property
    def silent(self) -> dict[str, LastSeen]:
        return {id: peer.sample.last_seen for id, peer in self._peers.items() if peer.age > SILENT}

    def unknown(self, members: Iterable[str]) -> dict[str, LastSeen]:
        """Who is silent, by what is known here or to another worker that was there to hear it speak.

        `members`: the living workers of this node.
        """
        samples = self.samples
        speaking = {self._worker, *(sample.worker for sample in samples)}
        living = {**{sample.node: sample.members for sample in samples}, self._node: list(members)}
        unknown = self.silent
        for sample in samples:
            for id, last in sample.unknown.items():
                if id not in unknown and id not in speaking and id in living.get(last.node, (id,)):
                    unknown[id] = last
        return unknown
