"""Relay: carries every change from the store to this worker's hub, and knows when it cannot.

Subscribe first, then read the state, then drop the overlap by seq. A hole, a new epoch, a reconnect or a missed probe
all take one path, `repair`: read the gap from the log, else load the state anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Coroutine
from typing import Any

import orjson

from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.position import Position
from ..newsroom.errors import GoneError, NotFoundError, StoppressError, StoreError
from ..newsroom.events import RESET, read_event
from ..newsroom.fields import SLUG
from ..settings import Settings
from ..tasks import Ticks, end, keep
from .channels import DeafError, Pace, subscribed
from .repairs import Repairs
from .store import Store, UnreadableError

log = logging.getLogger("stoppress.relay")

STEADY_S = 5.0  # a subscription that stood so long makes the next failure the first
AHEAD_S = 2.0  # a reader that is ahead of this hub waits no longer for the store
UNKNOWN_S = 3.0  # an unknown slug is not looked up again for so long
UNKNOWN_SLUGS = 10_000


class Relay:
    """`worker_id` names this worker's probe channel. `deaf_since`: milliseconds since 1970 from which on the store
    was not heard; None = it is heard. `heard`: set when the first subscription stands.
    """

    def __init__(self, store: Store, hub: Hub, settings: Settings, worker_id: str, *, pace: Pace | None = None) -> None:
        self.store = store
        self.hub = hub
        self.deaf_since: int | None = None
        self.heard = asyncio.Event()
        self._pace = pace or Pace()
        self._why = ""  # the store was last not heard
        self._blind = Ticks(self._pace.tick_s)  # since the last look at the tops that came to its end
        self._keep = 2 * settings.backlog
        self._idle_s = settings.idle_story_s
        self._timeout_s = settings.store_timeout_s
        self._probe = f"{settings.prefix}:probe:{worker_id}"
        self._loading: dict[str, asyncio.Task[Feed]] = {}
        self._overtaken: set[str] = set()  # stories being loaded that were told of meanwhile
        self._repairs = Repairs(store, hub, self._keep)
        self._unknown: dict[str, tuple[float, StoppressError]] = {}
        self._used: dict[str, float] = {}
        self._refills: dict[str, asyncio.Task[None]] = {}
        self._recalls: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._heard_at = time.time()
        hub.on_short = self._short

    # What transports and pages ask

    def at_hand(self, slug: str) -> Feed | None:
        """The story's feed if it is here whole: nothing need be waited for. GoneError."""
        self._used[slug] = time.monotonic()
        feed = self.hub.feeds.get(slug)
        if feed is None or feed.short:
            return None
        if feed.deleted:
            raise GoneError(f"the story {slug} was deleted")
        return feed

    async def ensure(self, slug: str) -> Feed:
        """The story's feed, loaded if need be; joining a loaded one reads nothing. NotFoundError, GoneError."""
        self._used[slug] = time.monotonic()
        feed = self.hub.feeds.get(slug)
        if feed is None:
            self._refuse_unknown(slug)
            if slug not in self._loading:
                self._loading[slug] = self._spawn(self._load(slug))
            # Shielded: who gives up waiting must not take the story from the others.
            feed = await asyncio.shield(self._loading[slug])
        elif feed.short:
            with contextlib.suppress(StoreError, TimeoutError):  # better a short page than none
                async with asyncio.timeout(AHEAD_S):
                    await asyncio.shield(self._short(slug))
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
        if slug not in self._recalls:
            self._recalls[slug] = self._spawn(self._recall(slug, feed))
            self._recalls[slug].add_done_callback(lambda _: self._recalls.pop(slug))
        with contextlib.suppress(StoreError, TimeoutError):  # then it gets a snapshot
            async with asyncio.timeout(AHEAD_S):
                await asyncio.shield(self._recalls[slug])

    async def _recall(self, slug: str, feed: Feed) -> None:
        with contextlib.suppress(NotFoundError, GoneError):
            events = await self.store.recent(slug, feed.epoch, feed.floor)
            feed.recall([(event, orjson.dumps(event)) for event in events])

    def trouble(self, *, stale_ok: bool = False) -> str:
        """Why readers should go elsewhere, for people; "" = they need not. `stale_ok`: old news is good enough."""
        why = f" ({self._why})" if self._why else ""
        if not self.heard.is_set():
            return f"starting: the store has not been heard yet{why}"
        if stale_ok:
            return ""
        if self.hub.stale_since is not None:
            seconds = time.time() - self.hub.stale_since / 1000
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
            await end((*tasks, *self._tasks, *self._repairs.tasks.values()))

    async def _listen(self) -> None:
        """One subscription, from its first confirmation to its end, which is always an exception."""
        async with subscribed(self.store, self._probe, self._timeout_s, self._pace) as subscription:
            # From here on nothing is missed; what was missed before is read now.
            if not self.heard.is_set():
                self._blind.reset()
                self.heard.set()
            self._heard_at = time.time()
            resync = self._spawn(self._resync())
            try:
                await subscription.listen(self._hear)
            finally:
                resync.cancel()

    async def _lose(self, error: Exception, failures: int) -> None:
        """The subscription ended. One break that heals at once is not worth a word to readers."""
        if not isinstance(error, StoppressError):
            log.error("the relay stumbled; it listens again", exc_info=error)
        if failures or isinstance(error, DeafError) or not self.heard.is_set():
            self._deafen(error)
        try:
            await self.store.link.revive()
        except Exception as still:  # most likely a StoreError: it is still away
            self._deafen(still)

    def _deafen(self, error: Exception) -> None:
        self._blame(error)
        if self.deaf_since is None:
            self.deaf_since = round(self._heard_at * 1000)
            self.hub.stale(self.deaf_since)
            log.warning("the store is not heard: %s", error)

    def _blame(self, error: Exception) -> None:
        """Anybody may ask why, so addresses and paths are left out."""
        self._why = self.store.link.anonymous(str(error) or type(error).__name__)

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
        self._heard_at = time.time()
        if channel != self._probe:
            self._handle(self.store.keys.slug(channel), data)

    def _handle(self, slug: str, data: bytes) -> None:
        self._unknown.pop(slug, None)
        if slug in self._loading:
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
            state = await self.store.load(slug, self._keep)
            feed = self.hub.add(slug, state)
        except (NotFoundError, GoneError) as error:
            if slug not in self._overtaken:
                while len(self._unknown) >= UNKNOWN_SLUGS:
                    del self._unknown[next(iter(self._unknown))]
                self._unknown[slug] = (time.monotonic() + UNKNOWN_S, error)
            raise
        finally:
            overtaken = slug in self._overtaken
            self._overtaken.discard(slug)
            del self._loading[slug]
        if overtaken:
            self.repair(slug)
        return feed

    def _refuse_unknown(self, slug: str) -> None:
        if not SLUG.fullmatch(slug):
            raise NotFoundError("there is no such story")
        until, error = self._unknown.get(slug, (0.0, None))
        if error is not None:
            if time.monotonic() < until:
                raise error.with_traceback(None)
            del self._unknown[slug]

    def repair(self, slug: str) -> asyncio.Task[None]:
        """Bring a loaded story up to the log's top."""
        return self._repairs.start(slug)

    def _short(self, slug: str) -> asyncio.Task[None]:
        """Deletions ate into what is held: read more, once for all who ask; readers notice nothing."""
        if slug not in self._refills:
            self._refills[slug] = self._spawn(self._refill(slug))
        return self._refills[slug]

    async def _refill(self, slug: str) -> None:
        feed = self.hub.feeds.get(slug)
        try:
            if feed is None or not feed.short:
                return
            state = await self.store.load(slug, self._keep)
        except (NotFoundError, GoneError):
            self.repair(slug)
            return
        finally:
            del self._refills[slug]
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
                    await self.store.repair_index()
                    is_in_order = True
                await self.check_tops()
            except StoppressError as error:  # away, or it refuses: red if it lasts
                self._blame(error)
            else:
                self._blind.reset()

    async def check_tops(self) -> None:
        """Repair every loaded story whose log has another top than its feed, or none that can be read."""
        before = {slug: feed.position for slug, feed in self.hub.feeds.items()}
        for slug, top in zip(before, await self.store.top(list(before)), strict=True):
            feed = self.hub.feeds.get(slug)
            if feed is None:
                continue
            if isinstance(top, UnreadableError):
                log.warning("%s; it is read anew", top, extra={"slug": slug})
                self.repair(slug)
            elif top[0] != feed.epoch or top[1] > feed.seq or top[1] < before[slug].seq:
                self.repair(slug)

    def _let_go(self) -> None:
        now = time.monotonic()
        for slug, feed in list(self.hub.feeds.items()):
            if feed.readers or slug in self._repairs.tasks:
                self._used[slug] = now
            elif now - self._used.get(slug, 0) > self._idle_s and self.hub.drop(slug):
                self._used.pop(slug, None)
        for slug in self._used.keys() - self.hub.feeds.keys() - self._loading.keys():
            del self._used[slug]

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, StoppressError):
            log.error("a task of the relay failed", exc_info=error)
