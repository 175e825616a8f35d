"""Channels: the one way to hear what is said in the store, and the one way to say it.

The driver reconnects and subscribes again by itself, and what was published meanwhile is gone; the only trace is a
second confirmation. A link that swallows everything raises nothing at all, and health checks do not notice (redis-py
#2417). So a hearing is confirmed before it counts, probed while it is silent, and ended by an error at its first
trouble; it never goes on by itself. Knows nothing of what messages mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from redis.asyncio.client import PubSub

from ..newsroom.errors import StoreError
from .calls import Calls
from .explanations import Explanations
from .keys import Keys
from .server import Server

SLICE = 64  # messages handled before others get the loop


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a hearing is trusted."""

    tick_s: float = 0.5
    probe_s: float = 2.0  # of silence before a probe
    deaf_s: float = 5.0  # of silence, probes sent, before it counts as lost


class DeafError(StoreError):
    """The hearing is no longer to be trusted."""


class Channels:
    """`timeout_s`: within it the server must confirm."""

    def __init__(self, server: Server, calls: Calls, keys: Keys, explanations: Explanations, timeout_s: float) -> None:
        self._server = server
        self._calls = calls
        self._keys = keys
        self._explanations = explanations
        self._timeout_s = timeout_s

    @contextlib.asynccontextmanager
    async def hear(self, channel: str, *, by: str, patience: Patience | None = None) -> AsyncIterator[Hearing]:
        """A confirmed hearing of `channel`: what is said on it from now on reaches `listen`. StoreError when it breaks.

        `channel`: one of `Keys`. `by`: who hears, like nobody else; names the channel of its probes.
        """
        async with self._server.hearer() as pubsub:
            hearing = Hearing(pubsub, self._calls, self._keys.probe(by), patience or Patience())
            subscribe = pubsub.psubscribe if channel == self._keys.all_stories else pubsub.subscribe
            try:
                async with asyncio.timeout(self._timeout_s):
                    for ask, name in ((subscribe, channel), (pubsub.subscribe, hearing.probe)):
                        with self._explanations.ours(name):
                            await hearing.confirm(ask, name)
            except TimeoutError:
                raise DeafError(
                    f"{self._server.place} did not confirm the subscription within {self._timeout_s:g} s"
                ) from None
            with self._explanations.ours():
                yield hearing

    async def say(self, channel: str, message: bytes) -> None:
        """To all who hear `channel` now. Not repeated: StoreError at once, and then nobody knows who heard it."""
        await self._calls.once("PUBLISH", channel, message)


class Hearing:
    """What is heard from the confirmation on. `heard_at`: when that was last, in seconds since 1970."""

    def __init__(self, pubsub: PubSub, calls: Calls, probe: str, patience: Patience) -> None:
        self.probe = probe
        self.heard_at = time.time()
        self._pubsub = pubsub
        self._calls = calls
        self._patience = patience
        self._early: list[tuple[str, bytes]] = []  # before the confirmations
        self._quiet = 0  # ticks since something was heard
        self._unsent = ""  # why the last probe did not go out

    async def confirm(self, subscribe: Callable[[str], Awaitable[None]], channel: str) -> None:
        """Subscribing only sends: nothing is sure to be heard before the answer."""
        await subscribe(channel)
        while True:
            message = await self._pubsub.get_message(timeout=self._patience.tick_s)
            if message is None:
                continue
            if message["type"] not in ("pmessage", "message"):
                self.heard_at = time.time()
                return
            if (name := message["channel"].decode(errors="replace")) != self.probe:
                self._early.append((name, message["data"]))

    async def listen(self, handle: Callable[[str, bytes], object]) -> NoReturn:
        """Give each (channel, message) to `handle`; ends with an error when it cannot go on."""
        for channel, message in self._early:
            handle(channel, message)
        loop = asyncio.get_running_loop()
        try:
            # One deadline, drawn in when nothing is heard: one for each message was a tenth of what an event costs.
            async with asyncio.timeout(None) as deadline:

                def end(_: object) -> None:
                    deadline.reschedule(loop.time())

                watch = asyncio.create_task(self._watch())
                watch.add_done_callback(end)  # whatever ends it: who listens unwatched may be deaf and never know
                try:
                    await self._hear(handle)
                finally:
                    watch.remove_done_callback(end)
                    watch.cancel()
        except TimeoutError:
            why = f"; the probe could not be sent: {self._unsent}" if self._unsent else ", not even the probe"
            raise DeafError(f"nothing heard for {self._patience.deaf_s:.1f} s{why}") from None

    async def _hear(self, handle: Callable[[str, bytes], object]) -> NoReturn:
        connection: Any = self._pubsub.connection
        count = 0
        while True:
            # Past PubSub, which would subscribe again behind our back; it also takes 40 µs an event.
            _kind, *_, channel, message = await connection.read_response(timeout=math.inf)
            self._quiet = 0
            self.heard_at = time.time()
            name = channel.decode(errors="replace")
            if name != self.probe:
                handle(name, message)
            count += 1
            if count % SLICE == 0:
                await asyncio.sleep(0)

    async def _watch(self) -> None:
        """Probe while it is quiet; ends when the probes are not heard either.

        Counts its own ticks: a process that was suspended has not listened, which is not the same as hearing nothing.
        """
        patience = self._patience
        sending: asyncio.Task[None] | None = None
        try:
            while self._quiet * patience.tick_s < patience.deaf_s:
                await asyncio.sleep(patience.tick_s)
                self._quiet += 1
                if self._quiet % round(patience.probe_s / patience.tick_s) == 0:
                    sending = asyncio.create_task(self._send_probe())
        finally:
            if sending:
                sending.cancel()

    async def _send_probe(self) -> None:
        try:
            await self._calls.once("PUBLISH", self.probe, b"?")
            self._unsent = ""
        except StoreError as error:
            self._unsent = error.detail
