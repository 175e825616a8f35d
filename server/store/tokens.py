"""Tokens: their records, by the SHA-256 of each. What a record says, and what a token allows, is the desk's."""

from __future__ import annotations

from .calls import Calls
from .keys import Keys


class TokenRecords:
    """One hash of the store: hex digest → record."""

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls = calls
        self._key = keys.tokens

    async def put(self, digest: str, record: bytes) -> None:
        await self._calls.command("HSET", self._key, digest, record)

    async def get(self, digest: str) -> bytes | None:
        record: bytes | None = await self._calls.command("HGET", self._key, digest)
        return record

    async def all(self) -> dict[str, bytes]:
        records = await self._calls.command("HGETALL", self._key)
        return {digest.decode(): record for digest, record in records.items()}

    async def remove(self, digest: str) -> bool:
        """False when there was none."""
        return bool(await self._calls.command("HDEL", self._key, digest))
