"""Calls: how the server is asked, and what is certain when that fails.

Reading is repeated when the link breaks; writing too, because each script that writes knows by its key, or by what is
stored, that it was sent before. Never looks into an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from ..newsroom.errors import StoreError
from .explanations import Explanations
from .faults import LOST, LostError, began_to_write, missing_right, words
from .keys import Keys
from .scripts import Scripts
from .server import Server

log = logging.getLogger(__name__)
ATTEMPTS = 3
# The first key that may not be both read and written. Its arguments are no keys to the server, else it would not start.
FORBIDDEN = "for _, key in ipairs(ARGV) do if not redis.acl_check_cmd('HINCRBY', key) then return key end end"
T = TypeVar("T")


class Calls:
    """`patience_s`: after so long a change is not sent again."""

    def __init__(
        self, server: Server, keys: Keys, explanations: Explanations, scripts: Scripts, patience_s: float
    ) -> None:
        self._server = server
        self._keys = keys
        self._explanations = explanations
        self._scripts = scripts
        self._patience_s = patience_s

    async def read(self, name: str, slug: str, **arguments: Any) -> Any:
        """A script that may be repeated."""
        keys = self._keys.story(slug)
        return await self._again(lambda: self._scripts.run(name, keys, arguments), keys)

    async def command(self, command: str, key: str, *arguments: Any) -> Any:
        """A plain command, as the server spells it, that may be repeated."""
        return await self._again(lambda: self._execute(command, key, *arguments), [key])

    async def once(self, command: str, key: str, *arguments: Any) -> Any:
        """A plain command that is not worth repeating: it is StoreError at once."""
        with self._explanations.ours(key):
            return await self._execute(command, key, *arguments)

    async def write(self, name: str, slug: str, arguments: dict[str, Any], key: str = "") -> Any:
        """A writing script, sent again with the same idempotency key when the link breaks, for a short while.

        TryAgainError when it may have been done or not; any other StoreError says that it was not.
        """
        keys = self._keys.story(slug) + ([self._keys.answer(slug, key)] if key else [])
        deadline = time.monotonic() + self._patience_s
        sent = False
        for attempt in range(ATTEMPTS):
            _heed_cancellation()
            try:
                return await self._scripts.run(name, keys, arguments)
            except LOST as error:
                sent = sent or isinstance(error, LostError)
                failure: StoreError | None = None
                if attempt < ATTEMPTS - 1 and time.monotonic() < deadline:
                    try:
                        await self._server.revive()
                        continue
                    except StoreError as dead:
                        failure = dead
                if not sent:
                    raise failure or self._explanations.unreached(error) from error
                raise self._explanations.uncertain(key) from error
            except RedisError as error:
                if isinstance(error, ResponseError) and began_to_write(error):
                    log.error("a change broke halfway: %s", error, extra={"slug": slug})
                    raise self._explanations.uncertain(key, f"the change broke halfway ({error})") from error
                refused = await self._refused(error, keys)
                if sent:  # this time it was not done; the time before, nobody knows
                    raise self._explanations.uncertain(key, refused.detail) from error
                raise refused from error
        raise AssertionError("every attempt returns or raises")

    async def _execute(self, *command: Any) -> Any:
        return await self._server.client.execute_command(*command)  # type: ignore[no-untyped-call]  # as redis-py has it

    async def _again(self, call: Callable[[], Awaitable[T]], keys: list[str]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                return await call()
            except LOST as error:
                if attempt == ATTEMPTS - 1:
                    raise self._explanations.unreached(error) from error
                await self._server.revive()
            except RedisError as error:
                raise await self._refused(error, keys) from error
        raise AssertionError("every attempt returns or raises")

    async def _refused(self, error: RedisError, keys: list[str]) -> StoreError:
        if words(error).startswith("WRONGTYPE") and len(keys) == 1:
            error = ResponseError(f"MISTYPED {keys[0]} holds another kind of value")
        right = missing_right(error, keys[0])
        if right == f"~{keys[0]}" and len(keys) > 1:  # one of them; the server does not say which
            with contextlib.suppress(RedisError):
                right = f"~{(await self._server.client.eval(FORBIDDEN, 0, *keys) or b'').decode() or keys[0]}"
        return self._explanations.refused(error, right)


def _heed_cancellation() -> None:
    """Before anything is written: it is raised at the next wait, and there is none before a script is sent."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
