"""Compatibility: whether a server and what it holds may be used; who may not is refused at the door, with the way out.

Owns the schema number, and writes it where there is none yet. Never migrates: no schema older than 1 exists.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.exceptions import BusyLoadingError

from ..newsroom.errors import StoreError
from .explanations import Explanations
from .keys import Keys
from .server import Server

SCHEMA = 1
OLDEST_SERVER = 7
PAUSE_S = 0.2


async def check(server: Server, keys: Keys, explanations: Explanations) -> None:
    """StoreError says why it may not be used."""
    with explanations.ours(keys.schema):
        check_version(await _info(server), server.place)
        await server.client.set(keys.schema, SCHEMA, nx=True)
        check_schema(await server.client.get(keys.schema), server.place)


async def _info(server: Server) -> dict[str, Any]:
    for _ in range(50):
        try:
            return await server.client.info("server")
        except BusyLoadingError:  # it reads its files; at most ten seconds are waited for here
            await asyncio.sleep(PAUSE_S)
    return await server.client.info("server")


def check_version(info: dict[str, Any], place: str) -> None:
    """Refuse a server that is too old. Valkey tells the Redis version it is compatible with."""
    version = str(info.get("redis_version", "0"))
    if int(version.partition(".")[0] or 0) < OLDEST_SERVER:
        raise StoreError(
            f"{place} is Redis {version}; Stoppress needs Redis {OLDEST_SERVER} or newer, or Valkey: upgrade it, "
            "or leave STOPPRESS_REDIS out to use the embedded store"
        )


def check_schema(stored: Any, place: str) -> None:
    """Refuse data written by a newer Stoppress. `stored`: bytes, or None."""
    number = (stored or b"").decode(errors="replace")
    if not number.isdigit():
        raise StoreError(f"{place} holds no schema number under this prefix but {number[:40]!r}; is it Stoppress's?")
    if int(number) > SCHEMA:
        raise StoreError(
            f"{place} was written by a newer Stoppress (schema {number}; this one knows {SCHEMA}): "
            "upgrade Stoppress, or use another data directory or STOPPRESS_PREFIX"
        )
