"""Hub: all stories of this worker, what their readers are told out of band, and the numbers about it.

Pure and synchronous: time is an argument, and whoever runs the loop steps `work` and calls `sweep` once a second.
Events always go before notices, and a reader whose write is still under way is spared beats and reader counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..newsroom.times import format_time
from . import notices
from .counts import Counts
from .feed import Feed, Limits
from .frame import Batch, Frame
from .histogram import Recent
from .position import Position
from .reader import Reader
from .sample import Figures, Latencies, Quantiles, StoryFigures
from .state import StoryState
from .tally import Tally

ASIDE_MS = 3000  # so long a reader count waits for an event to leave with
HOLD_MS = 10  # under load, the events of so long leave as one write
_SHOWN_EVERY_MS = 10_000
_SHOWN_SHARE = 0.02


def _ignore(*_args: Any) -> None:
    pass


class Hub:
    """`beat_s`: silence after which a story's readers get a beat. `send_timeout_s`: see `Reader.cut`.
    `seen_readers`: up to so many, every reader reports painting; above, so many of them.

    `on_work` is called when `work` has something to do, `on_short` with a slug whose state must be read again
    (`Feed.refill`). `is_draining`: no reader is taken any more.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        beat_s: float = 20,
        send_timeout_s: float = 30,
        seen_readers: int = 1000,
        max_readers: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.feeds: dict[str, Feed] = {}
        self.counts = Counts()
        self.tally = Tally(send_timeout_s)
        self.written = Recent()
        self.painted = Recent()
        self.stale_since: int | None = None
        self.is_draining = False
        self.max_readers = max_readers
        self.on_work: Callable[[], None] = _ignore
        self.on_short: Callable[[str], None] = _ignore
        self._beat_ms = round(beat_s * 1000)
        self.cut_ms = round(send_timeout_s * 1000)
        self._seen_readers = seen_readers
        self._dirty: deque[Feed] = deque()
        self._notices: deque[tuple[tuple[Feed, ...], Frame]] = deque()
        self._quiet: dict[str, tuple[Position, int]] = {}
        self._shown: dict[str, tuple[int, int]] = {}
        self._hellos: dict[str, tuple[int, Frame]] = {}
        self._mark = (0, 0, 0)
        self._rates = (0.0, 0.0)

    # Stories

    def add(self, slug: str, state: StoryState) -> Feed:
        """The story's feed; one that exists gets the new state, and its readers a snapshot."""
        feed = self.feeds.get(slug)
        if feed is not None:
            feed.replace(state)
        else:
            feed = self.feeds[slug] = Feed(
                slug, state, self.limits, self.counts, self._changed, lambda feed: self.on_short(feed.slug)
            )
        return feed

    def drop(self, slug: str) -> bool:
        """Let a story go; refused while it has readers."""
        feed = self.feeds.get(slug)
        if feed is not None and feed.readers:
            return False
        self.feeds.pop(slug, None)
        self._forget(slug)
        return True

    @property
    def readers(self) -> int:
        return self.counts.connects - self.counts.disconnects

    @property
    def is_full(self) -> bool:
        return bool(self.max_readers) and self.readers >= self.max_readers

    # Notices

    def hello(self, feed: Feed, now_ms: int) -> Frame:
        """The first message; shared by all who join the story within the same second."""
        second = now_ms // 1000
        made_s, frame = self._hellos.get(feed.slug, (-1, None))
        if frame is None or made_s != second:
            count = len(feed.readers) + feed.elsewhere
            sample = 1 if count <= self._seen_readers else round(self._seen_readers / count, 4)
            frame = notices.hello(now_ms, count, sample, self.stale_since)
            self._hellos[feed.slug] = (second, frame)
        return frame

    def stale(self, since_ms: int) -> None:
        """The store is not heard since then; readers are told once."""
        if self.stale_since is None:
            self.stale_since = since_ms
            self._hellos.clear()
            self._announce(tuple(self.feeds.values()), notices.stale(since_ms))

    def live(self) -> None:
        """The store is heard again."""
        if self.stale_since is not None:
            self.stale_since = None
            self._hellos.clear()
            self._announce(tuple(self.feeds.values()), notices.live())

    def sweep(self, now_ms: int) -> None:
        """Once a second: beats for silent stories, reader counts that moved, and an end to readers that are stuck."""
        for slug, feed in self.feeds.items():
            for reader in [reader for reader in feed.readers if reader.is_watched]:
                if reader.busy_since and now_ms - reader.busy_since > self.cut_ms:
                    self.counts.cuts += 1
                    reader.busy_since = 0
                    reader.cut()
            position, since = self._quiet.get(slug, (None, 0))
            if position != feed.position:
                self._quiet[slug] = (feed.position, now_ms)
            elif now_ms - since >= self._beat_ms:
                self._quiet[slug] = (feed.position, now_ms)
                self._announce((feed,), notices.beat(feed.seq, now_ms))
            shown, shown_ms = self._shown.get(slug, (0, 0))
            count = len(feed.readers) + feed.elsewhere
            if now_ms - shown_ms >= _SHOWN_EVERY_MS and abs(count - shown) > _SHOWN_SHARE * shown:
                self._shown[slug] = (count, now_ms)
                feed.aside = notices.readers(count)
            elif feed.aside and now_ms - shown_ms >= ASIDE_MS:
                self._announce((feed,), feed.aside)
                feed.aside = None

    def work(self, clock: Callable[[], int], slice_count: int = 200) -> Iterator[float]:
        """Give and tell everyone what is owed; `clock` tells ms. Yields after each slice, ends when nobody is owed.

        What it yields are seconds to wait: mostly 0, for others to get their turn. The first event of a quiet story is
        not held; those that follow within `HOLD_MS` of a fan-out's begin leave together.
        """
        while self._dirty or self._notices:
            now = clock()
            waits_ms = [HOLD_MS - (now - feed.pumped_ms) for feed in self._dirty]
            due = next((n for n, ms in enumerate(waits_ms) if not 0 < ms <= HOLD_MS), None)  # a clock may be set back
            if due is not None:
                feed = self._dirty[due]
                del self._dirty[due]
                feed.pumped_ms = now
                for handed in feed.pump(slice_count):
                    now = clock()
                    for batch, count in handed:
                        self.wrote(batch, now, count)
                    yield 0
            elif self._notices:
                feeds, notice = self._notices.popleft()
                yield from self._tell(feeds, notice, slice_count)
                yield 0
            else:
                yield min(waits_ms) / 1000

    def _tell(self, feeds: tuple[Feed, ...], notice: Frame, slice_count: int) -> Iterator[float]:
        done = 0
        for feed in feeds:
            for reader in tuple(feed.readers):
                if reader not in feed.readers or (reader.busy_since and notice.type in notices.SPARED):
                    continue
                reader.note(notice)
                done += 1
                if done % slice_count == 0:
                    yield 0

    def _announce(self, feeds: tuple[Feed, ...], notice: Frame) -> None:
        if any(feed.readers for feed in feeds):
            self._notices.append((feeds, notice))
            self.on_work()

    def _changed(self, feed: Feed) -> None:
        if feed not in self._dirty:
            self._dirty.append(feed)
        self.on_work()

    def _forget(self, slug: str) -> None:
        for table in (self._quiet, self._shown, self._hellos):
            table.pop(slug, None)

    # Numbers

    def wrote(self, batch: Batch, now_ms: int, readers: int = 1) -> None:
        """The transports of so many readers took this batch."""
        self.counts.deliveries += len(batch.frames) * readers
        if batch.is_live:
            for frame in batch.frames:
                frame.written_ms = frame.written_ms or now_ms
                self.written.add(now_ms - frame.at_ms, now_ms, readers)

    def seen(self, feed: Feed, reader: Reader, seq: int, now_ms: int) -> bool:
        """A reader reports that it painted `seq`; counted only if that was written live to it within 60 s."""
        frame = feed.written_at(reader, seq)
        if frame is None or not frame.written_ms or now_ms - frame.written_ms > 60_000:
            return False
        self.counts.seen += 1
        self.painted.add(now_ms - frame.at_ms, now_ms)
        return True

    def wrong_token(self, address: str) -> None:
        """Somebody at this address showed a token that is none."""
        self.counts.wrong_tokens += 1
        self.tally.name("wrong_tokens", address)

    def figures(self, now_ms: int) -> Figures:
        """This worker's figures now; rates are of the last second or more."""
        at_ms, events, deliveries = self._mark
        if now_ms - at_ms >= 1000:
            if at_ms:
                seconds = (now_ms - at_ms) / 1000
                self._rates = (
                    round((self.counts.events - events) / seconds, 2),
                    round((self.counts.deliveries - deliveries) / seconds, 2),
                )
            self._mark = (now_ms, self.counts.events, self.counts.deliveries)
        stories = {slug: self._story(feed) for slug, feed in sorted(self.feeds.items())}
        readers = sum(story.readers for story in stories.values())
        at_head = sum(story.at_head for story in stories.values())
        return Figures(
            at=format_time(now_ms),
            readers=readers,
            stories=stories,
            events_per_s=self._rates[0],
            deliveries_per_s=self._rates[1],
            latency_ms=Latencies(
                written=Quantiles(**self.written.read(now_ms).summary()),
                painted=Quantiles(**self.painted.read(now_ms).summary()),
            ),
            at_head=1.0 if not readers else round(at_head / readers, 4),
            stale_since=None if self.stale_since is None else format_time(self.stale_since),
        )

    @staticmethod
    def _story(feed: Feed) -> StoryFigures:
        seq = feed.seq
        return StoryFigures(
            epoch=feed.epoch,
            seq=seq,
            readers=len(feed.readers),
            at_head=[reader.seq for reader in feed.readers].count(seq),
            post_count=feed.state.story["post_count"],
            status=feed.state.story["status"],
        )
