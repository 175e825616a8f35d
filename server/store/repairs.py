"""Repairs: bring a story that a hub holds up to the log's top, by the gap from the log or by its state anew.

Whatever is wrong with one story stays with that story: its last state is served, and the others live on. Never decides
when a story is to be repaired: the relay does.
"""

from __future__ import annotations

import asyncio
import logging

import orjson

from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.state import StoryState
from ..newsroom.errors import NotFoundError, StoppressError
from ..newsroom.events import Event
from ..single_flight import SingleFlight
from ..tasks import Backoff
from .store import Store, StoryGoneError, UnreadableError

log = logging.getLogger("stoppress.relay")

AT_A_TIME = 8  # stories are read: after a break all of them ask at once


class Repairs:
    """`keep`: posts that a feed holds. `flights`: the repairs under way, by story."""

    def __init__(self, store: Store, hub: Hub, keep: int) -> None:
        self.flights: SingleFlight[str, None] = SingleFlight()
        self._store = store
        self._hub = hub
        self._keep = keep
        self._few = asyncio.Semaphore(AT_A_TIME)
        self._again: set[str] = set()  # stories to be repaired once more: something came while it was under way
        self._given_up: set[str] = set()  # stories that could not be read, and of which that was said

    def start(self, slug: str) -> asyncio.Task[None]:
        """Bring a loaded story up to the log's top; one at a time, what comes meanwhile is read in a second round."""
        if slug in self.flights:
            self._again.add(slug)
        return self.flights.start(slug, lambda: self._repair(slug))

    async def _repair(self, slug: str) -> None:
        backoff = Backoff()
        try:
            while (feed := self._hub.feeds.get(slug)) is not None:
                self._again.discard(slug)
                try:
                    async with self._few:
                        await self._mend(slug, feed)
                except (NotFoundError, UnreadableError) as error:
                    self._give_up(slug, error)
                    return
                except StoppressError as error:  # the store is away: as soon as it is back
                    if not backoff.failures:
                        log.warning("a story could not be read: %s", error, extra={"slug": slug})
                    await backoff.pause()
                    continue
                except Exception as error:  # of this story alone; others wait for their turn, and for a sign of life
                    self._give_up(slug, error)
                    return
                self._given_up.discard(slug)
                if slug not in self._again:
                    return
        finally:
            self._again.discard(slug)

    def _give_up(self, slug: str, error: Exception) -> None:
        """Its last state is served, and the next look at the tops tries again; said once."""
        if slug in self._given_up:
            return
        self._given_up.add(slug)
        trace = None if isinstance(error, StoppressError) else error
        log.error("a story cannot be read: %s; its last state is served", error, extra={"slug": slug}, exc_info=trace)

    async def _mend(self, slug: str, feed: Feed) -> None:
        position = feed.position
        try:
            events = await self._store.log.events(slug, position.epoch, position.seq)
            if events is not None:
                self._catch_up(slug, feed, events)
                return
            state = await self._store.reads.load(slug, self._keep)
            if state.epoch == position.epoch and state.seq < position.seq:
                # We hold events that the log does not: it lost them and will give their numbers to others.
                await self._store.log.renew(slug, position.epoch, force=True)
                state = await self._store.reads.load(slug, self._keep)
        except StoryGoneError as gone:
            view = {**feed.state.story, "status": "deleted", "pinned_post_id": None}
            state = StoryState(gone.epoch, gone.seq, view, [], None, [], self._keep)
            if feed.deleted and feed.position == (gone.epoch, gone.seq):
                return
        if state.epoch == feed.epoch and state.seq < feed.seq:
            self._again.add(slug)  # live messages came closer meanwhile
        else:
            feed.replace(state)

    def _catch_up(self, slug: str, feed: Feed, events: list[Event]) -> None:
        for event in events:
            if not self.fold(slug, feed, event, orjson.dumps(event)):  # replaced meanwhile
                self._again.add(slug)
                return

    def fold(self, slug: str, feed: Feed, event: Event, payload: bytes) -> bool:
        """Take the event in; False = something else must be done: a hole, another epoch, or a fold that broke."""
        try:
            feed.apply(event, payload)
        except ValueError:
            return False
        except Exception:  # one event, of another version say, must not end the hearing of all stories
            log.exception("an event could not be taken in; the story is read anew", extra={"slug": slug})
            feed.doubt()
            return False
        return True
