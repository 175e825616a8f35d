"""Node: what the supervisor says of this node's workers, as this worker reads it. It never speaks to another node."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from ..hub.incidents import TOGETHER_MS
from ..hub.sample import Incident
from ..transport.worker import Lifeline

MINUTE_MS = 60_000
MISSING = 5  # turns, in which a worker may start


class NodeEvent(TypedDict):
    """What the supervisor had to say. `readers`: of the worker that died, if one did."""

    at_ms: int
    text: str
    readers: int


class Node:
    """`lifeline`: that of a worker among others of its node; None: it is alone, and its own node."""

    def __init__(self, worker: str, lifeline: Lifeline | None) -> None:
        self.id = lifeline.duty.node if lifeline else worker
        self.name = lifeline.duty.name if lifeline else "w1"  # this worker's
        # The label in metrics; a worker that is alone needs none.
        self.place = self.name if lifeline and lifeline.duty.settings.workers > 1 else ""
        self._worker = worker
        self._lifeline = lifeline
        self._heard: dict[str, bytes] = {}
        self._missing: Counter[str] = Counter()

    def tell(self, sample: bytes) -> None:
        """This worker's sample, for the others here."""
        if self._lifeline:
            self._lifeline.tell(sample)

    def news(self) -> list[bytes]:
        """What the others here told since the last call."""
        samples = dict(self._lifeline.samples) if self._lifeline else {}
        news = [data for id, data in samples.items() if self._heard.get(id) is not data]
        self._heard = samples
        return news

    def members(self) -> list[str]:
        """Ids of the living workers of this node."""
        return list((self._lifeline.node.get("workers") if self._lifeline else None) or {self._worker: self.name})

    def incidents(self) -> list[Incident]:
        """What the supervisor had to say lately."""
        return [
            Incident(kind="", text=event["text"], at_ms=event["at_ms"], until_ms=event["at_ms"], worker=self.id)
            for event in self._events()
        ]

    def gone(self, now_ms: int) -> int:
        """Readers of workers that died in the last minute, of those together that died together: whoever came back,
        and lost another worker later, is one reader."""
        died = [event for event in self._events() if now_ms - event["at_ms"] < MINUTE_MS]
        together = (
            sum(event["readers"] for event in died if 0 <= event["at_ms"] - first["at_ms"] <= TOGETHER_MS)
            for first in died
        )
        return max(together, default=0)

    def absent(self) -> list[str]:
        """Names of places where no worker has been ready for some turns; one that dies at each start never is.

        To be called once a turn.
        """
        count = self._lifeline.duty.settings.workers if self._lifeline else 0
        ready = set(self._lifeline.node.get("ready", [])) if self._lifeline else set()
        empty = [name for name in (f"w{n}" for n in range(1, count + 1)) if name not in ready]
        self._missing = Counter({name: self._missing[name] + 1 for name in empty})
        return [name for name, turns in self._missing.items() if turns > MISSING]

    def _events(self) -> list[NodeEvent]:
        return self._lifeline.node.get("events", []) if self._lifeline else []
