"""Link: the connection to the store's server, whichever it is, and what is done when it breaks.

`STOPPRESS_REDIS` names a server; without it the embedded one of the data directory is used, and started again when it
is found dead. A server that cannot be used is refused at the door, with the way out. Every call has a deadline, and
nothing is ever sent twice by the client itself: redis-py's own retries would repeat a script whose answer was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, Redis, UnixDomainSocketConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from ..newsroom.errors import StoreError, StoreRightsError, TryAgainError
from ..settings import Settings
from .embedded import Embedded
from .faults import LOST, guarded, missing_right, words

log = logging.getLogger(__name__)
SCHEMA = 1
OLDEST_SERVER = 7
CONNECTIONS = 32
PAUSE_S = 0.2  # before a server of somebody else is tried again


class Link:
    """`client` is for ordinary calls; `subscriber()` gives a client of its own for pub/sub."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.embedded = None if settings.redis else Embedded(settings.data_dir, grace_s=settings.store_grace_s)
        # The embedded server loses nothing that was acknowledged; of another one its operator has to say so.
        self.durable = settings.store_durable or self.embedded is not None
        self.client: Redis
        self._reviving = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings) -> Link:
        """A link to a server that may be used; StoreError says why it may not."""
        self = cls(settings)
        if self.embedded:
            await asyncio.to_thread(self.embedded.attach)
        try:
            self.client = self._client(settings.store_timeout_s, CONNECTIONS)
            await self._check()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def rewrite(self) -> None:
        """After a purge: have the server write its file anew, for the old one still tells what was erased."""
        if not self.embedded:
            return  # how another server keeps its files is its operator's business
        for _ in range(100):
            try:
                await self.client.bgrewriteaof()
                return
            except LOST:
                return
            except ResponseError:  # one is under way, begun before the purge
                await asyncio.sleep(0.1)

    async def aclose(self) -> None:
        """Close, and let go of the embedded server; the last to leave starts its grace time."""
        if hasattr(self, "client"):
            await self.client.aclose()
            await self.client.connection_pool.aclose()
        if self.embedded:
            await asyncio.to_thread(self.embedded.leave)

    def subscriber(self) -> Redis:
        """A client for one subscription: it waits without a read deadline, so its user must probe.

        RESP2: redis-py formats every push of RESP3 for a log that nobody reads (#4231).
        """
        return self._client(None, 1, protocol=2)

    @property
    def place(self) -> str:
        """Where the server is, for people: never with a password."""
        if self.embedded:
            return f"the embedded store in {self.embedded.directory}"
        parts = urlsplit(self.settings.redis)
        host = parts.hostname or parts.path
        return f"the store at {parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"

    def anonymous(self, words: str) -> str:
        """Of an error's words what anybody may read: no address, no path."""
        words = words.replace(self.place, "the store")
        return words.replace(str(self.embedded.directory), "its directory") if self.embedded else words

    async def revive(self) -> None:
        """After a broken link: start the embedded server if it is dead, else give the other one a moment."""
        if not self.embedded:
            await asyncio.sleep(PAUSE_S)
            return
        async with self._reviving:
            if await asyncio.to_thread(self.embedded.ensure):
                log.warning("the embedded store had ended; it was started again")

    @contextlib.contextmanager
    def ours(self, key: str = "") -> Iterator[None]:
        """The driver's exceptions as ours. `key`: the one that is used within, for who lacks the right to it."""
        try:
            yield
        except LOST as error:
            raise self.unreached(error) from error
        except RedisError as error:
            raise self.refused(error, missing_right(error, key)) from error

    def unreached(self, error: BaseException) -> StoreError:
        """What to tell people when the server cannot be reached."""
        if self.embedded:
            advice = self.embedded.trouble() or f"see {self.embedded.directory}/valkey.log"
        else:
            advice = "start it, or correct STOPPRESS_REDIS; without that setting an embedded store is used"
        return StoreError(f"{self.place} cannot be reached ({words(error)}): {advice}")

    def uncertain(self, key: str, why: str = "") -> TryAgainError:
        """What to tell people when a change may have been stored or not. `why`: what broke, if not the link."""
        detail = why or f"the link to {self.place} broke before the answer came"
        detail += ", and nobody knows if it was done"
        if self.embedded and (known := self.embedded.trouble()):
            detail += f"; {known}"
        if key:
            return TryAgainError(f"{detail}: try again with the key {key}", key=key)
        return TryAgainError(f"{detail}: do the same again, nothing is stored twice")

    def refused(self, error: RedisError, right: str = "") -> StoreError:
        """What to tell people when the server answers, and refuses. `right`: the one that its user lacks."""
        if right:
            return self._forbidden(right)
        said = words(error)
        for mark, (advice, kind) in _REFUSALS.items():
            if mark.lower() in f"{type(error).__name__} {said}".lower():
                return kind(f"{self.place} refuses: {advice} ({said})")
        return StoreError(f"{self.place} refuses: {said}")

    def _forbidden(self, right: str) -> StoreRightsError:
        user = "default" if self.embedded else urlsplit(self.settings.redis).username or "default"
        prefix = self.settings.prefix
        # One story's key would do for the one story. Who lacks one channel lacks them all, and a worker's pattern must
        # be granted word for word (Redis ACL).
        grant = {"+": right, "~": f"~{prefix}:*", "&": f"&{prefix}:* &{prefix}:{{*}}:events"}[right[0]]
        return StoreRightsError(
            f"the user {user} of {self.place} lacks the right {right}, and nothing was done; "
            f"give it there: ACL SETUSER {user} {grant}",
            right=right,
        )

    def _client(self, timeout_s: float | None, connections: int, **more: Any) -> Redis:
        shared: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": timeout_s,
            "socket_connect_timeout": self.settings.store_timeout_s,
            "health_check_interval": 0,
            **more,
        }
        if self.embedded:
            url = {"path": self.embedded.socket_path}
            base: type[Connection] = UnixDomainSocketConnection
        else:
            try:
                url = dict(parse_url(self.settings.redis))
            except ValueError as error:
                raise StoreError(
                    f"STOPPRESS_REDIS is not an address such as redis://localhost:6379/0 "
                    f"or rediss://user:password@host:6380/0: {error}"
                ) from None
            base = url.pop("connection_class", Connection)
        pool = BlockingConnectionPool(
            max_connections=connections,
            timeout=self.settings.store_timeout_s,
            connection_class=guarded(base),
            **{**url, **shared},
        )
        return Redis(connection_pool=pool)

    async def _check(self) -> None:
        key = f"{self.settings.prefix}:schema"
        with self.ours(key):
            check_version(await self._info(), self.place)
            await self.client.set(key, SCHEMA, nx=True)
            check_schema(await self.client.get(key), self.place)

    async def _info(self) -> dict[str, Any]:
        for _ in range(50):
            try:
                return await self.client.info("server")
            except BusyLoadingError:  # it reads its files; at most ten seconds are waited for here
                await asyncio.sleep(PAUSE_S)
        return await self.client.info("server")


_FULL = "its memory limit is reached; raise maxmemory (with maxmemory-policy noeviction)", StoreError
_REFUSALS: dict[str, tuple[str, type[StoreError]]] = {
    "OutOfMemory": _FULL,
    "OOM ": _FULL,
    "MISCONF": ("it cannot write to its disk; free some space", StoreError),
    "ReadOnly": ("it is a read-only replica; give the address of the primary", StoreError),
    "NOREPLICAS": ("too few replicas copy it; mend them, or lower its min-replicas-to-write", StoreError),
    "Stranger": ("user or password are missing or wrong; write them as redis://user:password@host", StoreRightsError),
    "MISTYPED": ("a key holds what Stoppress never wrote there; move it away with RENAME", StoreError),
}


def check_version(info: dict[str, Any], place: str) -> None:
    """Refuse a server that is too old. Valkey tells the Redis version it is compatible with."""
    version = str(info.get("redis_version", "0"))
    if int(version.partition(".")[0] or 0) < OLDEST_SERVER:
        raise StoreError(
            f"{place} is Redis {version}; Stoppress needs Redis {OLDEST_SERVER} or newer, or Valkey: upgrade it, "
            "or leave STOPPRESS_REDIS out to use the embedded store"
        )


def check_schema(held: bytes | None, place: str) -> None:
    """Refuse data written by a newer Stoppress. (No older schema than 1 exists, so there is nothing to migrate yet.)"""
    number = (held or b"").decode(errors="replace")
    if not number.isdigit():
        raise StoreError(f"{place} holds no schema number under this prefix but {number[:40]!r}; is it Stoppress's?")
    if int(number) > SCHEMA:
        raise StoreError(
            f"{place} was written by a newer Stoppress (schema {number}; this one knows {SCHEMA}): "
            "upgrade Stoppress, or use another data directory or STOPPRESS_PREFIX"
        )
