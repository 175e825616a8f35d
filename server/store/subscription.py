"""Subscription: one hearing of the stories' channels, which ends with an error rather than with silence.

redis-py reconnects and subscribes again by itself, and what was published meanwhile is gone; the only trace is a
second confirmation. A link that swallows everything raises nothing at all, and health checks do not notice (redis-py
#2417). So a subscription is thrown away at its first trouble, and a probe is sent through a channel of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from .store import Store

PROBE_S = 2.0  # of silence before a probe
DEAF_S = 5.0  # of silence, probes sent, before the subscription counts as lost
TICK_S = 0.5
SLICE = 64  # messages handled before others get the loop
POST_EVENTS = ("post.published", "post.updated", "post.withdrawn")
STORY_EVENTS = ("story.updated", "story.ended", "story.reopened", "story.deleted")


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
        self._sending: asyncio.Task[None] | None = None

    async def confirmed(self) -> None:
        """`psubscribe` only sends: nothing is sure to be heard before the answer."""
        waiting = {"psubscribe", "subscribe"}
        while waiting:
            message = await self._pubsub.get_message(timeout=TICK_S)
            if message is not None and message["type"] in ("pmessage", "message"):
                self._early.append((message["channel"].decode(), message["data"]))
            elif message is not None:
                waiting.discard(message["type"])

    async def messages(self) -> AsyncIterator[tuple[str, bytes]]:
        """(channel, payload), without end; raises DeafError, or redis-py's errors, when it cannot go on."""
        for early in self._early:
            yield early
        heard = probed = time.monotonic()
        count = 0
        try:
            while True:
                message = await self._pubsub.get_message(timeout=TICK_S)
                now = time.monotonic()
                if message is not None:
                    if message["type"] not in ("pmessage", "message"):
                        raise DeafError("the subscription was renewed behind our back")
                    heard = now
                    yield message["channel"].decode(), message["data"]
                    count += 1
                    if count % SLICE == 0:
                        await asyncio.sleep(0)
                elif now - heard > DEAF_S:
                    raise DeafError(f"nothing heard for {now - heard:.1f} s, not even the probe")
                elif now - heard > PROBE_S and now - probed > PROBE_S:
                    probed = now
                    self._sending = asyncio.create_task(self._send_probe())
        finally:
            if self._sending:
                self._sending.cancel()

    async def _send_probe(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._client.publish(self._probe, b"?")


def read_event(data: bytes) -> dict[str, Any] | None:
    """A message of the channel, if it is an event: anybody who may write to the server may publish there."""
    try:
        event = orjson.loads(data)
        kind, post = event["type"], event.get("post")
        if not (isinstance(event["epoch"], str) and isinstance(event["seq"], int)):
            return None
        if kind == "reset":
            return event
        whole = isinstance(event["at"], str) and isinstance(event["story"], dict)
        if kind in POST_EVENTS:
            whole = whole and all(post[name] for name in ("id", "version", "status", "sort_time"))
        elif kind == "post.deleted":
            whole = whole and isinstance(event["post_id"], str)
        else:
            whole = whole and kind in STORY_EVENTS and "status" in event["story"]
        return event if whole else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
