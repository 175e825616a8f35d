"""Single: one server at one address, of somebody else or the embedded one, as a `Server`.

Owns the connections to it, and what is done when they break. How the embedded one comes and goes is `embedded.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from urllib.parse import quote, urlsplit

from redis.asyncio import Redis, UnixDomainSocketConnection
from redis.asyncio.client import PubSub
from redis.exceptions import ResponseError

from ..settings import Settings
from .connections import Connections
from .embedded import Embedded
from .faults import LOST

log = logging.getLogger(__name__)
PAUSE_S = 0.2  # before a server of somebody else is tried again


class SingleServer:
    """The server of somebody else at `settings.redis`. Only its operator knows what it keeps: `store_durable`."""

    def __init__(self, settings: Settings) -> None:
        self.durable = settings.store_durable
        self._connections = Connections.to(settings.redis, settings.store_timeout_s)  # refuses what is no address
        self._address = urlsplit(settings.redis)
        self.client: Redis = self._connections.commands()

    @property
    def place(self) -> str:
        host = self._address.hostname or self._address.path
        port = f":{self._address.port}" if self._address.port else ""
        return f"the store at {self._address.scheme}://{host}{port}"

    @property
    def user(self) -> str:
        return self._address.username or "default"

    def hearer(self) -> AbstractAsyncContextManager[PubSub]:
        return self._connections.hearer()

    async def revive(self) -> None:
        await asyncio.sleep(PAUSE_S)

    async def rewrite(self) -> None:
        """How it keeps its files is its operator's business."""

    def trouble(self) -> str:
        return ""

    def advice(self) -> str:
        return "start it, or correct STOPPRESS_REDIS; without that setting an embedded store is used"

    def anonymous(self, words: str) -> str:
        return words.replace(self.place, "the store")

    async def aclose(self) -> None:
        await _close(self.client)


class EmbeddedServer:
    """The embedded server of a data directory, held as long as this is open. It loses nothing that was acknowledged."""

    user = "default"

    def __init__(self, process: Embedded, timeout_s: float) -> None:
        """`process` is attached."""
        self.durable = True
        self.process = process
        self._connections = Connections(UnixDomainSocketConnection, {"path": process.socket_path}, timeout_s)
        self.client: Redis = self._connections.commands()
        self._reviving = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings) -> EmbeddedServer:
        """Start or join it; StoreError says what stands in the way."""
        process = Embedded(settings.data_dir, grace_s=settings.store_grace_s)
        await asyncio.to_thread(process.attach)
        return cls(process, settings.store_timeout_s)

    @staticmethod
    def running(settings: Settings) -> SingleServer | None:
        """The one that runs, as a server of somebody else: asked, never started or kept alive. None if none does."""
        path = Embedded(settings.data_dir).running()
        return SingleServer(replace(settings, redis=f"unix://{quote(path)}", store_durable=True)) if path else None

    @property
    def place(self) -> str:
        return f"the embedded store in {self.process.directory}"

    def hearer(self) -> AbstractAsyncContextManager[PubSub]:
        return self._connections.hearer()

    async def revive(self) -> None:
        async with self._reviving:
            if await asyncio.to_thread(self.process.ensure):
                log.warning("the embedded store had ended; it was started again")

    async def rewrite(self) -> None:
        for _ in range(100):
            try:
                await self.client.bgrewriteaof()
                return
            except LOST:
                return
            except ResponseError:  # one is under way, begun before the purge
                await asyncio.sleep(0.1)

    def trouble(self) -> str:
        return self.process.trouble()

    def advice(self) -> str:
        return self.trouble() or f"see {self.process.directory}/valkey.log"

    def anonymous(self, words: str) -> str:
        return words.replace(self.place, "the store").replace(str(self.process.directory), "its directory")

    async def aclose(self) -> None:
        """Let go; the last to leave starts its grace time."""
        try:
            await _close(self.client)
        finally:
            await asyncio.to_thread(self.process.leave)


async def _close(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.aclose()
