"""Sampling: what this worker knows of itself, once a second. It never listens to another worker: `board` does."""

from __future__ import annotations

import logging
import resource
import time
from collections import deque
from collections.abc import Mapping

from ..hub.counts import total
from ..hub.hub import Hub
from ..hub.sample import Incident, LastSeen, Sample, StoryFigures
from ..hub.tally import Burst
from .node import Node

log = logging.getLogger(__name__)
SETTLED_S = 1.5  # others' samples are up to a second old; who lacks what is older than this is behind
MOST_INCIDENTS = 20


class Sampler:
    """`worker`: this one's id."""

    def __init__(self, hub: Hub, worker: str, node: Node) -> None:
        self._hub = hub
        self._worker = worker
        self._node = node
        self._began = time.time()
        self._past: deque[tuple[float, dict[str, int]]] = deque([(time.monotonic(), {})])
        self._incidents: deque[Incident] = deque(maxlen=MOST_INCIDENTS)
        self._stale_since: int | None = None

    def sample(self, now_ms: int, *, peak: int, unknown: Mapping[str, LastSeen]) -> Sample:
        """`peak`: most readers of all workers in the last minute; `unknown`: who is not heard here any more."""
        figures = self._hub.figures(now_ms)
        return Sample(
            worker=self._worker,
            node=self._node.id,
            name=self._node.name,
            place=self._node.place,
            began=self._began,
            members=self._node.members(),
            figures=figures,
            settled=self._settled(figures.stories),
            written=self._hub.written.read(now_ms).filled(),
            painted=self._hub.painted.read(now_ms).filled(),
            counts=total([self._hub.counts]),
            is_draining=self._hub.is_draining,
            cpu_s=time.process_time(),
            resident_bytes=resident_bytes(),
            peak=peak,
            gone=self._node.gone(now_ms),
            incidents=[*self._incidents, *map(self._incident, self._hub.tally.under_way)],
            unknown=dict(unknown),
        )

    def look(self, now_ms: int) -> None:
        """Note what happened since the last look: bursts that are over, and the end of a silence of the store."""
        for burst in self._hub.tally.look(self._hub.counts.faults(), now_ms):
            incident = self._incident(burst)
            log.log(logging.INFO if burst.is_expected else logging.WARNING, incident.text)
            if not burst.is_expected:
                self._incidents.append(incident)
        since, self._stale_since = self._stale_since, self._hub.stale_since
        if since is not None and self._stale_since is None:
            # The relay has logged it, and who looks later shall see it too.
            text = self._hub.tally.sentence(("silence", ""), 1, now_ms - since)
            self._incidents.append(
                Incident(kind="silence", text=text, at_ms=since, until_ms=now_ms, worker=self._worker)
            )

    def _settled(self, stories: Mapping[str, StoryFigures]) -> dict[str, int]:
        """The seq of each story a moment ago, which by now every worker should have."""
        at = time.monotonic()
        if at - self._past[-1][0] >= SETTLED_S / 2:
            self._past.append((at, {slug: story.seq for slug, story in stories.items()}))
        while len(self._past) > 1 and at - self._past[1][0] >= SETTLED_S:
            self._past.popleft()
        return {slug: seq for slug, seq in self._past[0][1].items() if slug in stories}

    def _incident(self, burst: Burst) -> Incident:
        kind, reason = burst.key
        return Incident(
            kind=kind,
            reason=reason,
            text=self._hub.tally.sentence(burst.key, burst.count, burst.last_ms - burst.began_ms, burst.names),
            at_ms=burst.began_ms,
            until_ms=burst.last_ms,
            count=burst.count,
            names=burst.names,
            worker=self._worker,
        )


def resident_bytes() -> int:
    """Of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
