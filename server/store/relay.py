"""Relay: carries every change from the store to this worker's hub, and knows when it cannot.

Subscribe first, then read the state, then drop the overlap by seq. A hole, a new epoch, a reconnect or a missed probe
all take one path, `repair`: read the gap from the log, else load the state anew. Never writes to the store, and never
to a reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from ..clock import now_ms
from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.position import Position
from ..newsroom.errors import GoneError, NotFoundError, StoppressError, StoreError
from ..newsroom.events import RESET, read_event
from ..newsroom.fields import SLUG
from ..settings import Settings
from ..single_flight import SingleFlight
from ..tasks import Ticks, end, keep
from .channels import DeafError, Patience
from .repairs import Repairs
from .store import Store, UnreadableError

log = logging.getLogger("stoppress.relay")

STEADY_S = 5.0  # a subscription that stood so long makes the next failure the first
AHEAD_S = 2.0  # a reader that is ahead of this hub waits no longer for the store
UNKNOWN_S = 3.0  # an unknown slug is not looked up again for so long
UNKNOWN_SLUGS = 10_000


@dataclass(frozen=True, slots=True)
class Pace(Patience):
    """How often a worker makes sure that it hears its store, and how long it trusts."""

    top_s: float = 5.0  # between looks at the logs' tops: a second path, should a message have been lost
    blind_s: float = 15.0  # without such a look that came to its end, before the worker is not to be trusted


class Relay:
    """`worker_id` names this worker's probe channel. `deaf_since`: milliseconds since 1970 from which on the store
    was not heard; None = it is heard. `heard`: set when the first subscription stands.

    What a test would want otherwise is given: `pace`, `timer` (seconds that only grow), and the parts of `store`.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        settings: Settings,
        worker_id: str,
        *,
        pace: Pace | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.hub = hub
        self.deaf_since: int | None = None
        self.heard = asyncio.Event()
        self._pace = pace or Pace()
        self._why = ""  # the store was last not heard
        self._blind = Ticks(self._pace.tick_s)  # since the last look at the tops that came to its end
        self._keep = 2 * settings.backlog
        self._idle_s = settings.idle_story_s
        self._worker = worker_id
        self._timer = timer
        self._loads: SingleFlight[str, Feed] = SingleFlight(_failed)
        self._refills: SingleFlight[str, None] = SingleFlight(_failed)
        self._recalls: SingleFlight[str, None] = SingleFlight(_failed)
        self._overtaken: set[str] = set()  # stories being loaded that were told of meanwhile
        self._repairs = Repairs(store, hub, self._keep)
        self._unknown: dict[str, tuple[float, StoppressError]] = {}
        self._used: dict[str, float] = {}
        self._heard_at_ms = now_ms()
        hub.on_short = self._short

    # What transports and pages ask

    def at_hand(self, slug: str) -> Feed | None:
        """The story's feed if it is here whole: nothing need be waited for. GoneError."""
        self._used[slug] = self._timer()
        feed = self.hub.feeds.get(slug)
        if feed is None or feed.short:
            return None
        if feed.deleted:
            raise GoneError(f"the story {slug} was deleted")
        return feed

    async def ensure(self, slug: str) -> Feed:
        """The story's feed, loaded if need be; joining a loaded one reads nothing. NotFoundError, GoneError."""
        self._used[slug] = self._timer()
        feed = self.hub.feeds.get(slug)
        if feed is None:
            self._refuse_unknown(slug)
            feed = await self._loads.join(slug, lambda: self._load(slug))
        elif feed.short:
            with contextlib.suppress(StoreError, TimeoutError):  # better a short page than none
                async with asyncio.timeout(AHEAD_S):
                    await self._refills.join(slug, lambda: self._refill(slug))
        if feed.deleted:
            raise GoneError(f"the story {slug} was deleted")
        return feed

    async def at_least(self, slug: str, position: Position) -> Feed:
        """The feed, read up to the log's top first if `position` is ahead of it; waits a moment at most."""
        feed = await self.ensure(slug)
        if position.epoch == feed.epoch and position.seq > feed.seq:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AHEAD_S):
                    await asyncio.shield(self.repair(slug))
        return self.hub.feeds.get(slug, feed)

    async def reach(self, slug: str, position: Position | None) -> Feed:
        """The feed, having read what `position` needs: the log behind the ring, or the store's top. What it does not
        reach even then gets a snapshot. NotFoundError, GoneError.
        """
        feed = await self.ensure(slug)
        if position is None or feed.answers(position):
            return feed
        if position.seq > feed.seq:
            await self.at_least(slug, position)
        else:
            await self.recall(slug)
        return await self.ensure(slug)

    async def recall(self, slug: str) -> None:
        """Have the feed's ring reach as far back as the log: once per story, at the first reader who needs it."""
        feed = self.hub.feeds.get(slug)
        if feed is None or feed.is_recalled:
            return
        with contextlib.suppress(StoreError, TimeoutError):  # then it gets a snapshot
            async with asyncio.timeout(AHEAD_S):
                await self._recalls.join(slug, lambda: self._recall(slug, feed))

    async def _recall(self, slug: str, feed: Feed) -> None:
        with contextlib.suppress(NotFoundError, GoneError):
            events = await self.store.log.recent(slug, feed.epoch, feed.floor)
            feed.recall([(event, orjson.dumps(event)) for event in events])

    def trouble(self, *, stale_ok: bool = False) -> str:
        """Why readers should go elsewhere, for people; "" = they need not. `stale_ok`: old news is good enough."""
        why = f" ({self._why})" if self._why else ""
        if not self.heard.is_set():
            return f"starting: the store has not been heard yet{why}"
        if stale_ok:
            return ""
        if self.hub.stale_since is not None:
            seconds = (now_ms() - self.hub.stale_since) / 1000
            return f"deaf: the store has not been heard for {seconds:.0f} s{why}; the last known state is served"
        if self._blind.seconds >= self._pace.blind_s:
            return (
                f"deaf: the logs' tops were not seen for {self._blind.seconds:.0f} s{why}, "
                "so messages may be missing; the last known state is served"
            )
        return ""

    # The tasks

    async def run(self) -> None:
        """Listen, and watch, until cancelled; a broken link is mended for as long as it takes."""
        tasks = [
            keep("hearing the store", self._listen, steady_s=STEADY_S, failed=self._lose),
            keep("watching the tops", self._watch),
            keep("counting since the tops were seen", self._blind.run),
        ]
        try:
            await asyncio.wait(tasks)
        finally:
            await end(tasks)
            for flights in (self._loads, self._refills, self._recalls, self._repairs.flights):
                await flights.aclose()

    async def _listen(self) -> None:
        """One hearing of all stories, from its confirmation to its end, which is always an exception."""
        every = self.store.keys.all_stories
        async with self.store.channels.hear(every, by=self._worker, patience=self._pace) as hearing:
            # From here on nothing is missed; what was missed before is read now.
            if not self.heard.is_set():
                self._blind.reset()
                self.heard.set()
            resync = asyncio.create_task(self._resync())
            resync.add_done_callback(_look)
            try:
                await hearing.listen(self._hear)
            finally:
                self._heard_at_ms = round(hearing.heard_at * 1000)
                await end([resync])

    async def _lose(self, error: Exception, failures: int) -> None:
        """The subscription ended. One break that heals at once is not worth a word to readers."""
        if not isinstance(error, StoppressError):
            log.error("the relay stumbled; it listens again", exc_info=error)
        if failures or isinstance(error, DeafError) or not self.heard.is_set():
            self._deafen(error)
        try:
            await self.store.server.revive()
        except Exception as still:  # most likely a StoreError: it is still away
            self._deafen(still)

    def _deafen(self, error: Exception) -> None:
        self._blame(error)
        if self.deaf_since is None:
            self.deaf_since = self._heard_at_ms
            self.hub.stale(self.deaf_since)
            log.warning("the store is not heard: %s", error)

    def _blame(self, error: Exception) -> None:
        """Anybody may ask why, so addresses and paths are left out."""
        self._why = self.store.server.anonymous(str(error) or type(error).__name__)

    async def _resync(self) -> None:
        if repairs := [self.repair(slug) for slug in list(self.hub.feeds)]:
            await asyncio.wait(repairs)  # unlike gather, does not end them when it is ended
        self._why = ""
        if self.deaf_since is not None:
            self.deaf_since = None
            self._blind.reset()  # all tops were seen just now
            self.hub.live()
            log.info("the store is heard again")

    # Messages

    def _hear(self, channel: str, data: bytes) -> None:
        slug = self.store.keys.slug(channel)
        self._unknown.pop(slug, None)
        if slug in self._loads:
            self._overtaken.add(slug)
        feed = self.hub.feeds.get(slug)
        if feed is None:
            return
        event = read_event(data)
        if event is None:
            log.error("a message that is no event was ignored", extra={"slug": slug})
            return
        if event["type"] != RESET and self._repairs.fold(slug, feed, event, data):
            return
        if (event["epoch"], event["seq"]) != feed.position:
            self.repair(slug)

    # Loading and mending

    async def _load(self, slug: str) -> Feed:
        try:
            state = await self.store.reads.load(slug, self._keep)
            feed = self.hub.add(slug, state)
        except (NotFoundError, GoneError) as error:
            if slug not in self._overtaken:
                while len(self._unknown) >= UNKNOWN_SLUGS:
                    del self._unknown[next(iter(self._unknown))]
                self._unknown[slug] = (self._timer() + UNKNOWN_S, error)
            raise
        finally:
            overtaken = slug in self._overtaken
            self._overtaken.discard(slug)
        if overtaken:
            self.repair(slug)
        return feed

    def _refuse_unknown(self, slug: str) -> None:
        if not SLUG.fullmatch(slug):
            raise NotFoundError("there is no such story")
        until, error = self._unknown.get(slug, (0.0, None))
        if error is not None:
            if self._timer() < until:
                raise error.with_traceback(None)
            del self._unknown[slug]

    def repair(self, slug: str) -> asyncio.Task[None]:
        """Bring a loaded story up to the log's top."""
        return self._repairs.start(slug)

    def _short(self, slug: str) -> None:
        self._refills.start(slug, lambda: self._refill(slug))

    async def _refill(self, slug: str) -> None:
        """Deletions ate into what the feed holds: read more; readers notice nothing."""
        feed = self.hub.feeds.get(slug)
        try:
            if feed is None or not feed.short:
                return
            state = await self.store.reads.load(slug, self._keep)
        except (NotFoundError, GoneError):
            self.repair(slug)
            return
        if self.hub.feeds.get(slug) is feed and not feed.refill(state):
            self.repair(slug)

    # Now and then

    async def _watch(self) -> None:
        """Put the index in order, then look at the tops now and then, and let go of idle stories."""
        await self.heard.wait()
        is_in_order = False
        while True:
            await asyncio.sleep(self._pace.top_s * random.uniform(0.8, 1.2))
            self._let_go()
            try:
                if not is_in_order:
                    await self.store.index.repair()
                    is_in_order = True
                await self.check_tops()
            except StoppressError as error:  # away, or it refuses: red if it lasts
                self._blame(error)
            else:
                self._blind.reset()

    async def check_tops(self) -> None:
        """Repair every loaded story whose log has another top than its feed, or none that can be read."""
        before = {slug: feed.position for slug, feed in self.hub.feeds.items()}
        for slug, top in zip(before, await self.store.log.top(list(before)), strict=True):
            feed = self.hub.feeds.get(slug)
            if feed is None:
                continue
            if isinstance(top, UnreadableError):
                log.warning("%s; it is read anew", top, extra={"slug": slug})
                self.repair(slug)
            elif top[0] != feed.epoch or top[1] > feed.seq or top[1] < before[slug].seq:
                self.repair(slug)

    def _let_go(self) -> None:
        now = self._timer()
        for slug, feed in list(self.hub.feeds.items()):
            if feed.readers or slug in self._repairs.flights:
                self._used[slug] = now
            elif now - self._used.get(slug, 0) > self._idle_s and self.hub.drop(slug):
                self._used.pop(slug, None)
        for slug in self._used.keys() - self.hub.feeds.keys():
            if slug not in self._loads:
                del self._used[slug]


def _look(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _failed(error)


def _failed(error: BaseException) -> None:
    """Whoever waits is told too, but it may be that nobody does."""
    if not isinstance(error, StoppressError):
        log.error("a task of the relay failed", exc_info=error)
