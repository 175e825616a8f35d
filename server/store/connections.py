"""Connections: the driver's clients as this program needs them.

Every call has a deadline, and nothing is ever sent twice by the driver itself: its own retries would repeat a script
whose answer was lost. What a broken connection raises is told apart in `faults.py`. Knows addresses, never which server
is the right one.

Of what the driver does for each command only what counts is left (`Client`, `Pool`): its layers of retries and of
telemetry, which are off here, took more than half of the time that asking took, and a post asks twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..newsroom.errors import StoreError
from .addresses import SCHEMES, is_store
from .faults import UnreachedError, guarded

CONNECTIONS = 32


class Client(Redis):
    """Sends a command once. A connection on which anything but an answer came closes itself (`faults.Guarded`)."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        pool = self.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # as redis-py has it
        try:
            await connection.send_command(*command)
            return await self.parse_response(connection, command[0], **options)
        finally:
            await pool.release(connection)


class Pool(ConnectionPool):
    """As many connections as are needed, up to a bound; who comes when all are in use waits for one."""

    def __init__(self, most: int, timeout_s: float, **how: Any) -> None:
        super().__init__(max_connections=most, **how)
        self._free = asyncio.Semaphore(most)
        self._timeout_s = timeout_s

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        try:
            if self._free.locked():
                async with asyncio.timeout(self._timeout_s):
                    await self._free.acquire()
            else:
                await self._free.acquire()
        except TimeoutError as error:
            raise UnreachedError("all connections are in use") from error
        try:
            await self._settled()
            connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._free.release()
            raise
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        try:
            await self._settled()
            self._in_use_connections.remove(connection)
            if connection.should_reconnect():
                await connection.disconnect()
            self._available_connections.append(connection)
        finally:
            self._free.release()

    async def _settled(self) -> None:
        """The driver's lock, which it takes while it moves all connections elsewhere, is free, and nobody ran since."""
        while self._lock.locked():
            async with self._lock:
                pass


class Connections:
    """To the server at `target`, the driver's own arguments: a path, or host, port, user, password, …

    `kind`: its class of connection. `timeout_s`: of each call, of connecting, and of waiting for a free connection.
    """

    def __init__(self, kind: type[Any], target: dict[str, Any], timeout_s: float) -> None:
        self._kind = guarded(kind)
        self._target = target
        self._timeout_s = timeout_s

    @classmethod
    def to(cls, address: str, timeout_s: float) -> Connections:
        """To an address with one of `SCHEMES`; StoreError says what is wrong with it."""
        try:
            if not is_store(address):
                raise ValueError(f"it begins with none of {', '.join(SCHEMES)}")
            target: dict[str, Any] = {**parse_url(address)}
        except ValueError as error:
            raise StoreError(
                f"STOPPRESS_REDIS is not an address such as redis://localhost:6379/0 "
                f"or rediss://user:password@host:6380/0: {error}"
            ) from None
        return cls(target.pop("connection_class", Connection), target, timeout_s)

    def commands(self) -> Redis:
        """For calls from everywhere at once: as many connections as are needed, up to a bound."""
        return self._client(CONNECTIONS, socket_timeout=self._timeout_s)

    @contextlib.asynccontextmanager
    async def hearer(self) -> AsyncIterator[PubSub]:
        """One connection to hear by. It waits without a deadline, so its user must probe.

        RESP2: the driver formats every push of RESP3 for a log that nobody reads (redis-py #4231).
        """
        client = self._client(1, socket_timeout=None, protocol=2)
        pubsub = client.pubsub()
        try:
            yield pubsub
        finally:
            for close in (pubsub.aclose, client.aclose, client.connection_pool.aclose):
                with contextlib.suppress(Exception):  # it is thrown away, whatever it says
                    await close()

    def _client(self, most: int, **how: Any) -> Redis:
        options = {
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": self._timeout_s,
            "health_check_interval": 0,
            **how,
        }
        pool = Pool(most, self._timeout_s, connection_class=self._kind, **{**self._target, **options})
        return Client(connection_pool=pool)
