"""Asker: how the server is asked. Reading is repeated when the link breaks; writing too, because each script that
writes knows by its key, or by what is stored, that it was sent before. Then people are told what is certain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import RedisError, ResponseError

from ..newsroom.errors import StoreError
from .faults import LOST, LostError, began_to_write, missing_right, words
from .keys import Keys
from .single import Link

log = logging.getLogger(__name__)
ATTEMPTS = 3
# The first key that may not be both read and written. Its arguments are no keys to the server, else it would not start.
FORBIDDEN = "for _, key in ipairs(ARGV) do if not redis.acl_check_cmd('HINCRBY', key) then return key end end"


@cache
def source(name: str) -> str:
    """The text of a script, between how each one begins and how each one ends."""
    prelude, body, epilogue = (
        (files(__package__) / f"{part}.lua").read_text() for part in ("prelude", name, "epilogue")
    )
    return f"{prelude}\nlocal function script()\n{body}end\n{epilogue}"


class Asker:
    """Runs scripts by their digest, and loads them where the server does not know them (after a restart, say)."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._known: dict[str, Any] = {}

    async def read(self, name: str, slug: str, **arguments: Any) -> Any:
        """A script that may be repeated."""
        keys = self._keys.story(slug)
        arguments = {"durable": int(self._link.durable), **arguments}
        return await self._again(lambda: self._run(name, keys, arguments), keys)

    async def call(self, command: str, key: str, *arguments: Any, **options: Any) -> Any:
        """A plain command that may be repeated."""
        return await self._again(lambda: getattr(self._link.client, command)(key, *arguments, **options), [key])

    async def once(self, command: str, key: str, *arguments: Any, **options: Any) -> Any:
        """A plain command that is not worth repeating: it is StoreError at once."""
        with self._link.ours(key):
            return await getattr(self._link.client, command)(key, *arguments, **options)

    async def _again(self, call: Any, keys: list[str]) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return await call()
            except LOST as error:
                if attempt == ATTEMPTS - 1:
                    raise self._link.unreached(error) from error
                await self._link.revive()
            except RedisError as error:
                raise await self._refused(error, keys) from error

    async def send(self, name: str, slug: str, arguments: dict[str, Any], key: str = "") -> list[Any]:
        """A writing script, sent again with the same key when the link breaks, for a short while.

        TryAgainError when it may have been done or not; any other StoreError says that it was not.
        """
        keys = self._keys.story(slug) + ([self._keys.answer(slug, key)] if key else [])
        arguments = {"durable": int(self._link.durable), **arguments}
        deadline = time.monotonic() + 2 * self._link.settings.store_timeout_s
        sent = False
        for attempt in range(ATTEMPTS):
            _heed_cancellation()
            try:
                return await self._run(name, keys, arguments)
            except LOST as error:
                sent = sent or isinstance(error, LostError)
                failure: StoreError | None = None
                if attempt < ATTEMPTS - 1 and time.monotonic() < deadline:
                    try:
                        await self._link.revive()
                        continue
                    except StoreError as dead:
                        failure = dead
                if not sent:
                    raise failure or self._link.unreached(error) from error
                raise self._link.uncertain(key) from error
            except RedisError as error:
                if isinstance(error, ResponseError) and began_to_write(error):
                    log.error("a change broke halfway: %s", error, extra={"slug": slug})
                    raise self._link.uncertain(key, f"the change broke halfway ({error})") from error
                refused = await self._refused(error, keys)
                if sent:  # this time it was not done; the time before, nobody knows
                    raise self._link.uncertain(key, refused.detail) from error
                raise refused from error
        raise AssertionError("every attempt returns or raises")

    async def _run(self, name: str, keys: list[str], arguments: dict[str, Any]) -> Any:
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._link.client.register_script(source(name))
        flat = [part for pair in arguments.items() for part in pair]
        return await script(keys=keys, args=flat)

    async def _refused(self, error: RedisError, keys: list[str]) -> StoreError:
        if words(error).startswith("WRONGTYPE") and len(keys) == 1:
            error = ResponseError(f"MISTYPED {keys[0]} holds another kind of value")
        right = missing_right(error, keys[0])
        if right == f"~{keys[0]}" and len(keys) > 1:  # one of them; the server does not say which
            with contextlib.suppress(RedisError):
                right = f"~{(await self._link.client.eval(FORBIDDEN, 0, *keys) or b'').decode() or keys[0]}"
        return self._link.refused(error, right)


def _heed_cancellation() -> None:
    """Before anything is written. redis-py's look at a pooled connection has a deadline of no time at all, and takes a
    cancellation that meets it for that deadline: the task would go on as if nobody had wanted it to stop."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
