"""Feed: one story in this worker: its state, a ring of recent events, its readers, and what each is owed next.

Pure and synchronous; one event loop calls it. A reader is one number. Whoever takes gets the frames in (its seq, head],
one batch shared by all who stand at the same seq; below the ring's floor, or unproven, the snapshot. So live delivery,
bursts, resumes and slow readers are one mechanism, and joins, leaves and events may come between any two takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakSet

from ..newsroom.events import RESUMED, RETRACTIONS, STORY_DELETED, Event, Resumed, post_id_of, redacted
from .counts import Counts
from .frame import Batch, Frame
from .position import Position
from .reader import UNPROVEN, Reader
from .state import StoryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`backlog` posts and `snapshot_bytes` bound a snapshot; `ring_events` and `ring_bytes` what resumes reach."""

    backlog: int = 50
    snapshot_bytes: int = 512 * 1024
    ring_events: int = 1000
    ring_bytes: int = 4 * 1024 * 1024


def _ignore(_feed: Feed) -> None:
    pass


class Feed:
    """`on_change` is called after each change that readers are owed; `on_short` when the state must be read again
    because deletions ate into the backlog (answer with `refill`). `elsewhere`: readers of this story on other workers.
    """

    def __init__(
        self,
        slug: str,
        state: StoryState,
        limits: Limits | None = None,
        counts: Counts | None = None,
        on_change: Callable[[Feed], None] = _ignore,
        on_short: Callable[[Feed], None] = _ignore,
    ) -> None:
        self.slug = slug
        self.state = state
        self.limits = limits or Limits()
        self.counts = counts or Counts()
        self.readers: dict[Reader, None] = {}
        self.elsewhere = 0
        self.is_dirty = False
        self.pumped_ms = 0  # when the last fan-out began
        self.is_recalled = False  # `recall` was tried, since the state was last replaced
        self.aside: Frame | None = None  # a notice that leaves with the next events: a write of its own costs as much
        self._with_aside: dict[int, Batch] = {}
        self._on_change = on_change
        self._on_short = on_short
        self._ring: deque[Frame] = deque()
        self._ring_bytes = 0
        self._waiting: WeakSet[Frame] = WeakSet()  # left the ring, but may still wait for a slow reader
        self._refill: StoryState | None = None
        self._batches: dict[int, Batch] = {}
        self._resumes: dict[int, Batch] = {}
        self._snapshot: Batch | None = None

    @property
    def epoch(self) -> str:
        return self.state.epoch

    @property
    def seq(self) -> int:
        """The head: seq of the newest event."""
        return self.state.seq

    @property
    def floor(self) -> int:
        """The oldest seq a reader can continue from."""
        return self.state.seq - len(self._ring)

    @property
    def position(self) -> Position:
        return Position(self.state.epoch, self.state.seq)

    @property
    def deleted(self) -> bool:
        return self.state.deleted

    @property
    def short(self) -> bool:
        """A snapshot would show fewer posts than it should: `refill` before serving one."""
        return self.state.short(self.limits.backlog)

    def answers(self, position: Position) -> bool:
        """Can all be said to who holds this position without the store: what it missed, or that it needs a snapshot?"""
        return position.epoch != self.epoch or self.floor <= position.seq <= self.seq

    # What the relay does

    def apply(self, event: Event, payload: bytes) -> bool:
        """Take in the next event; `payload` is its JSON. False = seen already (overlap of log and channel).

        Raises ValueError for a hole or another epoch; the relay then repairs. Wakes nobody itself: see `pump`.
        """
        if event["epoch"] == self.epoch and event["seq"] <= self.seq:
            return False
        self.state.apply(event)
        self._redact(event)
        self._ring.append(Frame(event, payload))
        self._ring_bytes += len(payload)
        if self.deleted:
            while len(self._ring) > 1:
                self._drop_oldest()
        self._bound()
        self.counts.events += 1
        if self._refill is not None and self._refill.seq <= self.seq:
            self.refill(self._refill)
        self._changed()
        if self.short:
            self._on_short(self)
        return True

    def replace(self, state: StoryState) -> None:
        """Continuity cannot be proved: from here on `state` holds, and every reader is owed a snapshot."""
        self.state = state
        while self._ring:
            self._drop_oldest()
        self._refill = None
        self.is_recalled = False
        for reader in self.readers:
            reader.seq = UNPROVEN
        self._changed()

    def doubt(self) -> None:
        """What is held may be half an event: it is of no epoch, so nothing follows it and no position is honoured,
        until `replace`."""
        self.state.epoch = ""

    def refill(self, state: StoryState) -> bool:
        """Swap in a state read from the store that holds more posts; readers notice nothing. False = not usable.

        It may be older than the head (the ring's events are folded in) or newer (kept until the head is there).
        """
        self._refill = None
        if state.epoch != self.epoch or state.seq < self.floor:
            return False
        if state.seq > self.seq:
            self._refill = state
            return True
        for frame in self._since(state.seq):
            state.apply(frame.event)
        self.state = state
        self._snapshot = None
        return True

    def recall(self, events: list[tuple[Event, bytes]]) -> None:
        """Put older events, read from the log, below the ring: readers of a worker that died resume from them.

        `events`: with their JSON, oldest first; those that do not end at the floor are of no use.
        """
        self.is_recalled = True
        if not events or events[0][0]["epoch"] != self.epoch or events[-1][0]["seq"] != self.floor:
            return
        later = tuple(self._ring)
        self._ring.extendleft(Frame(event, payload) for event, payload in reversed(events))
        self._ring_bytes += sum(len(payload) for _, payload in events)
        # What was retracted while the log was read.
        for frame in later:
            self._redact(frame.event)
        self._bound()

    # What a transport does

    def join(self, reader: Reader, position: Position | None = None) -> bool:
        """Register; True = the position is honoured and the first take gives `resumed`, else it gives a snapshot."""
        proven = position is not None and position.epoch == self.epoch and self.floor <= position.seq <= self.seq
        reader.seq = position.seq if proven and position else UNPROVEN
        reader.is_fresh = True
        self.readers[reader] = None
        self.counts.connects += 1
        return proven

    def leave(self, reader: Reader) -> None:
        """Forget; a second time changes nothing."""
        if reader in self.readers:
            del self.readers[reader]
            self.counts.disconnects += 1

    def take(self, reader: Reader, *, conflate: bool = False) -> Batch | None:
        """What the reader is owed, which moves its number to the head; None = nothing.

        `conflate`: for one that has been behind for long, a snapshot if that is less than all it missed.
        """
        seq = reader.seq
        if seq == self.seq and not reader.is_fresh:
            return None
        if seq < self.floor or seq > self.seq or (conflate and self.seq - seq > self._shown):
            batch = self.snapshot()
            self.counts.snapshots += 1
        elif reader.is_fresh:
            batch = self.resumed(seq)
            self.counts.resumes += 1
        else:
            batch = self._batch(seq)
        if not batch.is_live:
            reader.live_from = self.seq
        reader.is_fresh = False
        reader.seq = self.seq
        return batch

    @property
    def _shown(self) -> int:
        """Posts in a snapshot, which are as many events' worth of bytes."""
        return min(self.limits.backlog, len(self.state.posts))

    def snapshot(self) -> Batch:
        """The story as it stands, made at most once per change."""
        if self._snapshot is None:
            message = self.state.snapshot(self.limits.backlog, self.limits.snapshot_bytes)
            self._snapshot = Batch((Frame(message),), is_live=False)
        return self._snapshot

    def resumed(self, seq: int) -> Batch:
        """The message `resumed` for a reader that holds `seq`; the caller knows that floor <= seq <= head."""
        if seq not in self._resumes:
            message: Resumed = {"type": RESUMED, "epoch": self.epoch, "seq": self.seq}
            self._resumes[seq] = Batch((Frame(message, frames=self._since(seq)),), is_live=False)
        return self._resumes[seq]

    def written_at(self, reader: Reader, seq: int) -> Frame | None:
        """The frame of `seq` if it was written live to that reader and is still in the ring; see `written_ms`."""
        if reader.live_from < seq <= reader.seq and self.floor < seq:
            return self._ring[seq - self.floor - 1]
        return None

    def pump(self, slice_count: int = 200) -> Iterator[list[tuple[Batch, int]]]:
        """Bring every reader to the head; after each slice, so that others get their turn, yields what was handed
        over meanwhile and to how many."""
        self.is_dirty = False
        aside, self.aside = self.aside, None
        readers = tuple(self.readers)
        for start in range(0, len(readers), slice_count):
            yield self._hand_out(readers[start : start + slice_count], aside)

    def _hand_out(self, readers: tuple[Reader, ...], aside: Frame | None) -> list[tuple[Batch, int]]:
        """The innermost loop of a fan-out: nearly all stand at the same seq, get the same bytes and cost a write."""
        head = standing = self.seq
        batch: Batch | None = None
        handed: list[tuple[Batch, int]] = []
        count = 0
        for reader in readers:
            if reader.seq != standing:
                if batch is not None and count:
                    handed.append((batch, count))
                standing, count = reader.seq, 0
                batch = self._live(standing, aside)
            if batch is not None and reader.is_ready:
                reader.seq = head
                count += 1
                reader.hand(batch)
            elif standing != head and reader in self.readers:
                reader.wake()
                if aside is not None:
                    reader.note(aside)
        if batch is not None and count:
            handed.append((batch, count))
        return handed

    def _live(self, seq: int, aside: Frame | None) -> Batch | None:
        """The events in (seq, head] for a reader that may have them as they are."""
        if not self.floor <= seq < self.seq or self.deleted:
            return None
        if aside is None:
            return self._batch(seq)
        if seq not in self._with_aside or self._with_aside[seq].aside is not aside:
            self._with_aside[seq] = Batch(self._since(seq), is_live=True, aside=aside)
        return self._with_aside[seq]

    def _batch(self, seq: int) -> Batch:
        if seq not in self._batches:
            self._batches[seq] = Batch(self._since(seq), is_live=True)
        return self._batches[seq]

    # Within

    def _changed(self) -> None:
        self._batches.clear()
        self._with_aside.clear()
        self._resumes.clear()
        self._snapshot = None
        self.is_dirty = True
        self._on_change(self)

    def _since(self, seq: int) -> tuple[Frame, ...]:
        """The frames in (seq, head]."""
        return tuple(self._ring[n] for n in range(seq - self.seq, 0))

    def _bound(self) -> None:
        while len(self._ring) > self.limits.ring_events or (
            self._ring_bytes > self.limits.ring_bytes and len(self._ring) > 1
        ):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        frame = self._ring.popleft()
        self._ring_bytes -= len(frame.raw or b"")
        self._waiting.add(frame)

    def _redact(self, event: Event) -> None:
        """Retracted is gone (PROTOCOL section 3): what was told of that post is swapped for the retraction."""
        retracts = event["type"] in RETRACTIONS
        if not retracts and event["type"] != STORY_DELETED:
            return
        current = event["post"] if "post" in event else None  # noqa: SIM401 # mypy: `get` of a union gives an object
        post_id = post_id_of(event)
        for frame in (*self._ring, *self._waiting):
            older = frame.event
            if older["seq"] >= event["seq"] and older["epoch"] == event["epoch"]:
                continue  # restored since
            if not retracts:
                again = event.copy()
                again["seq"], again["at"] = older["seq"], older["at"]
                frame.redact(again)
            elif post_id_of(older) == post_id:
                frame.redact(redacted(older, current))
        self._ring_bytes = sum(len(frame.raw or b"") for frame in self._ring)
