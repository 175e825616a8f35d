"""Sample: one second's figures of a worker, as it tells them to the others, and the reading of what another one tells.

Pure. Anybody who has the store's address may publish there: what is read is held to types and bounds once, here, so
nobody behind it checks again. Fields that this release does not know are ignored. A field that an earlier release does
not send needs a default, and whoever adds one says in `merge` what it is of all workers.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from .counts import Counts, Total
from .histogram import BUCKETS

Name = Annotated[str, Meta(max_length=300)]  # of workers, nodes, stories, kinds
Text = Annotated[str, Meta(max_length=2_000)]
Moment = Annotated[str, Meta(pattern=r"\A[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z\Z")]
Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]  # since 1970, in years that have four digits
Rate = Annotated[float, Meta(ge=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Filled = list[tuple[Annotated[int, Meta(ge=0, lt=BUCKETS)], Total]]  # `Histogram.filled`


class StoryFigures(Struct, frozen=True, kw_only=True):
    """`at_head`: how many readers hold the newest event."""

    epoch: Name
    seq: Total
    readers: Total
    at_head: Total
    post_count: Total
    status: Name


class Quantiles(Struct, frozen=True, kw_only=True):
    """In milliseconds; None while nothing was measured."""

    p50: Rate | None
    p95: Rate | None
    p99: Rate | None


class Latencies(Struct, frozen=True, kw_only=True):
    """From an event's time to written to a reader's socket, and to painted on its page."""

    written: Quantiles
    painted: Quantiles


class Figures(Struct, frozen=True, kw_only=True):
    """What a hub measures: rates are of the last second or more, `at_head` is a share of its readers."""

    at: Moment
    readers: Total
    stories: dict[Name, StoryFigures]
    events_per_s: Rate
    deliveries_per_s: Rate
    latency_ms: Latencies
    at_head: Share
    stale_since: Moment | None


class Incident(Struct, frozen=True, kw_only=True):
    """A burst, a silence of the store, or (without a kind) what a supervisor had to say. `worker`: who tells it.
    `names`: how often whom it was about, if that is known."""

    kind: Name
    text: Text
    at_ms: Ms
    until_ms: Ms
    worker: Name
    reason: Name = ""
    count: Total = 1
    names: dict[Name, Total] = field(default_factory=dict)


class LastSeen(Struct, frozen=True, kw_only=True):
    """What is known of a worker that fell silent."""

    last_heard: Moment
    name: Name
    node: Name


class Sample(Struct, frozen=True, kw_only=True):
    """A worker's figures of one second.

    Attributes:
        worker: Its id, like no other's.
        node: The machine's workers under one supervisor.
        name: Of its place under the supervisor, and of its successors there: w1.
        place: The same where there are several, for the label in metrics; else empty.
        began: When the process started, in seconds since 1970.
        members: Ids of the living workers of its node.
        figures: What its hub measured.
        settled: The seq of each story a moment ago, which by now every worker should have.
        written, painted: Latencies, as filled buckets, because quantiles do not add up.
        counts: Since the start.
        is_draining: It takes no reader any more.
        cpu_s, resident_bytes: Of the process.
        peak: Most readers of all workers in the last minute, as it saw them.
        gone: Readers of workers of its node that died in the last minute.
        incidents: The latest, and those under way.
        unknown: Workers that it does not hear any more, by their id.
    """

    worker: Name
    node: Name
    name: Name
    place: Name
    began: Rate
    members: list[Name]
    figures: Figures = field(name="sample")
    settled: dict[Name, Total]
    written: Filled
    painted: Filled
    counts: Counts
    is_draining: bool
    cpu_s: Rate
    resident_bytes: Total
    peak: Total
    gone: Total
    incidents: list[Incident]
    unknown: dict[Name, LastSeen]

    @property
    def last_seen(self) -> LastSeen:
        return LastSeen(last_heard=self.figures.at, name=self.name, node=self.node)


class Word(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker says without a sample: that it has just begun to listen, or that it leaves."""

    worker: Name
    hello: bool = False
    bye: bool = False


_sample = msgspec.json.Decoder(Sample)
_word = msgspec.json.Decoder(Word)


def read_sample(data: bytes) -> Sample | Word | None:
    """What another worker says; None for nonsense."""
    try:
        word = _word.decode(data)
        return word if word.hello or word.bye else _sample.decode(data)
    except (ValueError, RecursionError):  # msgspec's own are ValueErrors; a field it does not know may be a deep well
        return None
