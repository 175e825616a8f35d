"""Log: what happened in a story, by seq, and the epoch those seqs count in.

Owns positions: what a hub resumes from, and when a story begins a new epoch because its log was lost. The log is the
truth, the channel only wakes. Never writes an entry: a change's script does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..newsroom.errors import NotFoundError, StoreError
from ..newsroom.events import Event
from .calls import Calls
from .explanations import Explanations
from .keys import Keys
from .records import UnreadableError, event_of, fresh_epoch, pairs, position_of, refusal
from .server import Server

log = logging.getLogger(__name__)
ROUNDS = 100  # of renewing an epoch: each is lost only to another writer


class Log:
    """The logs of all stories. `ring_events`: the most that a hub holds, and so the most that is read for one."""

    def __init__(self, calls: Calls, keys: Keys, server: Server, explanations: Explanations, ring_events: int) -> None:
        self._calls = calls
        self._keys = keys
        self._server = server
        self._explanations = explanations
        self._ring_events = ring_events

    async def events(self, slug: str, epoch: str, after: int) -> list[Event] | None:
        """The events after a position, to the log's top, retracted texts replaced by their retraction.

        None when they cannot be proved complete: another epoch, a trimmed log, a barrier between, too many, or a
        position ahead of the store.
        """
        read = await self._entries(slug, epoch, after, self._ring_events)
        if read is None or list(read) != list(range(after + 1, after + 1 + len(read))):
            return None
        events = [event for event in read.values() if event is not None]
        return events if len(events) == len(read) else None

    async def recent(self, slug: str, epoch: str, upto: int) -> list[Event]:
        """The events that end at seq `upto`, as far back as the log and `ring_events` reach without a hole."""
        after = max(0, upto - self._ring_events)
        # The log grows while we look.
        read = await self._entries(slug, epoch, after, 2 * self._ring_events) or {}
        events: list[Event] = []
        for seq in range(upto, after, -1):
            event = read.get(seq)
            if event is None:
                break
            events.append(event)
        return events[::-1]

    async def top(self, slugs: Sequence[str]) -> list[tuple[str, int] | UnreadableError]:
        """The newest position of each story; ("", 0) where there is none; an error where one cannot be read."""
        pipe = self._server.client.pipeline(transaction=False)
        for slug in slugs:
            pipe.hmget(self._keys.of(slug, "meta"), "epoch", "seq")
        with self._explanations.ours(self._keys.metas):
            found = await pipe.execute() if slugs else []
        return [position_of(slug, *fields) for slug, fields in zip(slugs, found, strict=True)]

    async def renew(self, slug: str, was: str, *, force: bool = False) -> str:
        """Begin a new epoch, if `was` is still the story's and its log is lost; returns the epoch that stands.

        `force`: the caller holds proof of events that the log does not. Of all who see the same loss one succeeds.
        """
        arguments = {"was": was, "fresh": fresh_epoch(), "force": int(force), "channel": self._keys.channel(slug)}
        answer = await self._calls.read("renew", slug, **arguments)
        if answer[0] != b"ok":
            raise NotFoundError(f"there is no story {slug}")
        note_unwoken(slug, answer[2])
        return str(answer[1].decode())

    async def ask(self, name: str, slug: str, **arguments: Any) -> list[Any]:
        """A reading script's answer, in an epoch that stands: it is renewed where the log was lost.

        NotFoundError, GoneError; UnreadableError.
        """
        for _ in range(ROUNDS):
            answer: list[Any] = await self._calls.read(name, slug, **arguments)
            if answer[0] == b"lost":
                await self.renew(slug, answer[1].decode())
            elif answer[0] in (b"none", b"gone", b"malformed"):
                raise refusal(slug, None, answer)
            else:
                return answer
        raise StoreError(f"{self._server.place} loses its data again and again; see its log")

    async def _entries(self, slug: str, epoch: str, after: int, most: int) -> dict[int, Event | None] | None:
        """The log after a seq; an entry that no reader can be told of (a barrier, a lost text) is None.

        None: another epoch, a seq ahead of the store, or more than `most` entries.
        """
        answer = await self.ask("events", slug, after=after, most=most)
        if answer[0] != b"ok" or answer[1].decode() != epoch:
            return None
        texts = {name.decode(): text for name, text in pairs(answer[4])}
        posts = {id.decode(): post for id, post in pairs(answer[5])}
        read: dict[int, Event | None] = {}
        for entry_id, fields in answer[3]:
            entry = {name.decode(): value for name, value in pairs(fields)}
            seq = int(entry_id.partition(b"-")[0])
            try:
                read[seq] = event_of(slug, epoch, seq, entry, texts, posts)
            except (LookupError, ValueError, UnreadableError) as error:  # then the story is read as it stands
                log.error("entry %d of the log cannot be read: %r", seq, error, extra={"slug": slug})
                read[seq] = None
        return read if max(read, default=after) == int(answer[2]) else None


def note_unwoken(slug: str, why: bytes) -> None:
    """What was stored and told to nobody is found by the hubs' own look at the tops."""
    if why:
        log.warning("the hubs were not woken: %s", why.decode(errors="replace"), extra={"slug": slug})
