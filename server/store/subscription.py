"""Subscription: one hearing of the stories' channels, which ends with an error rather than with silence.

redis-py reconnects and subscribes again by itself, and what was published meanwhile is gone; the only trace is a
second confirmation. A link that swallows everything raises nothing at all, and health checks do not notice (redis-py
#2417). So a subscription is thrown away at its first trouble, and a probe is sent through a channel of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from .store import Store

PROBE_S = 2.0  # of silence before a probe
DEAF_S = 5.0  # of silence, probes sent, before the subscription counts as lost
TICK_S = 0.5
SLICE = 64  # messages handled before others get the loop


class DeafError(Exception):
    """The subscription is no longer to be trusted."""


@contextlib.asynccontextmanager
async def subscribed(store: Store, probe: str, timeout_s: float) -> AsyncIterator[Subscription]:
    """A confirmed subscription to every story's channel and to the channel `probe`."""
    client = store.link.subscriber()
    pubsub = client.pubsub()
    try:
        made = Subscription(store, pubsub, probe)
        async with asyncio.timeout(timeout_s):
            await pubsub.psubscribe(store.keys.channels)
            await pubsub.subscribe(probe)
            await made.confirmed()
        yield made
    finally:
        for close in (pubsub.aclose, client.aclose, client.connection_pool.aclose):
            with contextlib.suppress(RedisError, OSError):
                await close()


class Subscription:
    """What is heard from the first confirmation on."""

    def __init__(self, store: Store, pubsub: PubSub, probe: str) -> None:
        self._client = store.client
        self._pubsub = pubsub
        self._probe = probe
        self._early: list[tuple[str, bytes]] = []  # between the two confirmations
        self._quiet = 0  # ticks since something was heard

    async def confirmed(self) -> None:
        """`psubscribe` only sends: nothing is sure to be heard before the answer."""
        waiting = {"psubscribe", "subscribe"}
        while waiting:
            message = await self._pubsub.get_message(timeout=TICK_S)
            if message is not None and message["type"] in ("pmessage", "message"):
                self._early.append((message["channel"].decode(errors="replace"), message["data"]))
            elif message is not None:
                waiting.discard(message["type"])

    async def listen(self, handle: Callable[[str, bytes], None]) -> NoReturn:
        """Give each (channel, payload) to `handle`; ends with DeafError, or one of redis-py's, when it cannot go on."""
        for channel, data in self._early:
            handle(channel, data)
        try:
            # One deadline, drawn in when nothing is heard: one for each message was a tenth of what an event costs.
            async with asyncio.timeout(None) as patience:
                watch = asyncio.create_task(self._watch(patience))
                try:
                    await self._hear(handle)
                finally:
                    watch.cancel()
        except TimeoutError:
            raise DeafError(f"nothing heard for {DEAF_S:.1f} s, not even the probe") from None

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

    async def _watch(self, patience: asyncio.Timeout) -> None:
        """Probe while it is quiet, and end the patience when the probes are not heard either.

        Counts its own ticks: a process that was suspended has not listened, which is not the same as hearing nothing.
        """
        sending: asyncio.Task[None] | None = None
        try:
            while self._quiet * TICK_S < DEAF_S:
                await asyncio.sleep(TICK_S)
                self._quiet += 1
                if self._quiet % round(PROBE_S / TICK_S) == 0:
                    sending = asyncio.create_task(self._send_probe())
            patience.reschedule(asyncio.get_running_loop().time())
        finally:
            if sending:
                sending.cancel()

    async def _send_probe(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._client.publish(self._probe, b"?")
