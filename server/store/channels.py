"""Subscription: one hearing of the stories' channels, which ends with an error rather than with silence.

redis-py reconnects and subscribes again by itself, and what was published meanwhile is gone; the only trace is a
second confirmation. A link that swallows everything raises nothing at all, and health checks do not notice (redis-py
#2417). So a subscription is thrown away at its first trouble, and a probe is sent through a channel of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from redis.asyncio.client import PubSub

from ..newsroom.errors import StoreError
from .store import Store

SLICE = 64  # messages handled before others get the loop


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker makes sure that it hears its store, and how long it trusts."""

    tick_s: float = 0.5
    probe_s: float = 2.0  # of silence before a probe
    deaf_s: float = 5.0  # of silence, probes sent, before the subscription counts as lost
    top_s: float = 5.0  # between looks at the logs' tops: a second path, should a message have been lost
    blind_s: float = 15.0  # without such a look that came to its end, before the worker is not to be trusted


class DeafError(StoreError):
    """The subscription is no longer to be trusted."""


@contextlib.asynccontextmanager
async def subscribed(store: Store, probe: str, timeout_s: float, pace: Pace) -> AsyncIterator[Subscription]:
    """A confirmed subscription to every story's channel and to the channel `probe`; StoreError when it breaks."""
    client = store.link.subscriber()
    pubsub = client.pubsub()
    try:
        made = Subscription(store, pubsub, probe, pace)
        try:
            async with asyncio.timeout(timeout_s):
                await made.confirm(pubsub.psubscribe, store.keys.channels)
                await made.confirm(pubsub.subscribe, probe)
        except TimeoutError:
            raise DeafError(f"{store.link.place} did not confirm the subscription within {timeout_s:g} s") from None
        with store.link.ours():
            yield made
    finally:
        for close in (pubsub.aclose, client.aclose, client.connection_pool.aclose):
            with contextlib.suppress(Exception):  # it is thrown away, whatever it says
                await close()


class Subscription:
    """What is heard from the first confirmation on."""

    def __init__(self, store: Store, pubsub: PubSub, probe: str, pace: Pace) -> None:
        self._store = store
        self._pubsub = pubsub
        self._probe = probe
        self._pace = pace
        self._early: list[tuple[str, bytes]] = []  # before the confirmations
        self._quiet = 0  # ticks since something was heard
        self._unsent = ""  # why the last probe did not go out

    async def confirm(self, subscribe: Callable[[str], Awaitable[None]], channel: str) -> None:
        """Subscribing only sends: nothing is sure to be heard before the answer."""
        with self._store.link.ours(channel):
            await subscribe(channel)
            while True:
                message = await self._pubsub.get_message(timeout=self._pace.tick_s)
                if message is None:
                    continue
                if message["type"] not in ("pmessage", "message"):
                    return
                self._early.append((message["channel"].decode(errors="replace"), message["data"]))

    async def listen(self, handle: Callable[[str, bytes], None]) -> NoReturn:
        """Give each (channel, payload) to `handle`; ends with an error when it cannot go on."""
        for channel, data in self._early:
            handle(channel, data)
        loop = asyncio.get_running_loop()
        try:
            # One deadline, drawn in when nothing is heard: one for each message was a tenth of what an event costs.
            async with asyncio.timeout(None) as patience:

                def end(_: object) -> None:
                    patience.reschedule(loop.time())

                watch = asyncio.create_task(self._watch())
                watch.add_done_callback(end)  # whatever ends it: who listens unwatched may be deaf and never know
                try:
                    await self._hear(handle)
                finally:
                    watch.remove_done_callback(end)
                    watch.cancel()
        except TimeoutError:
            why = f"; the probe could not be sent: {self._unsent}" if self._unsent else ", not even the probe"
            raise DeafError(f"nothing heard for {self._pace.deaf_s:.1f} s{why}") from None

    async def _hear(self, handle: Callable[[str, bytes], None]) -> NoReturn:
        line = self._pubsub.connection
        count = 0
        while True:
            # Past PubSub, which would subscribe again behind our back; it also takes 40 µs an event.
            _kind, *_, channel, data = await line.read_response(timeout=math.inf)
            self._quiet = 0
            handle(channel.decode(errors="replace"), data)
            count += 1
            if count % SLICE == 0:
                await asyncio.sleep(0)

    async def _watch(self) -> None:
        """Probe while it is quiet; ends when the probes are not heard either.

        Counts its own ticks: a process that was suspended has not listened, which is not the same as hearing nothing.
        """
        sending: asyncio.Task[None] | None = None
        try:
            while self._quiet * self._pace.tick_s < self._pace.deaf_s:
                await asyncio.sleep(self._pace.tick_s)
                self._quiet += 1
                if self._quiet % round(self._pace.probe_s / self._pace.tick_s) == 0:
                    sending = asyncio.create_task(self._send_probe())
        finally:
            if sending:
                sending.cancel()

    async def _send_probe(self) -> None:
        self._unsent = ""
        try:
            await self._store.once("publish", self._probe, b"?")
        except StoreError as error:
            self._unsent = error.detail
