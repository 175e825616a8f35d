"""Asker: how the server is asked. Reading is repeated when the link breaks; writing too, because each script that
writes knows by its key, or by what is stored, that it was sent before. Then people are told what is certain."""

from __future__ import annotations

import time
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import ResponseError

from ..newsroom.errors import StoreError
from .keys import Keys
from .link import LOST, Link, UnreachedError

ATTEMPTS = 3


@cache
def source(name: str) -> str:
    """The text of a script; the prelude's lines come first in the line numbers of its errors."""
    here = files(__package__)
    return (here / "prelude.lua").read_text() + (here / f"{name}.lua").read_text()


class Asker:
    """Runs scripts by their digest, and loads them where the server does not know them (after a restart, say)."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._known: dict[str, Any] = {}

    async def read(self, name: str, slug: str, **arguments: Any) -> Any:
        """A script that may be repeated."""
        arguments = {"durable": int(self._link.durable), **arguments}
        return await self._again(lambda: self._run(name, self._keys.story(slug), arguments))

    async def call(self, command: str, *arguments: Any, **options: Any) -> Any:
        """A plain command that may be repeated."""
        return await self._again(lambda: getattr(self._link.client, command)(*arguments, **options))

    async def _again(self, call: Any) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return await call()
            except LOST as error:
                if attempt == ATTEMPTS - 1:
                    raise self._link.unreached(error) from error
                await self._link.revive()
            except ResponseError as error:
                raise self._link.refused(error) from error

    async def send(self, name: str, slug: str, arguments: dict[str, Any], key: str = "") -> list[Any]:
        """A writing script, sent again with the same key when the link breaks, for a short while."""
        keys = self._keys.story(slug) + ([self._keys.answer(slug, key)] if key else [])
        arguments = {"durable": int(self._link.durable), **arguments}
        deadline = time.monotonic() + 2 * self._link.settings.store_timeout_s
        sent = False
        for attempt in range(ATTEMPTS):
            try:
                return await self._run(name, keys, arguments)
            except LOST as error:
                sent = sent or not isinstance(error, UnreachedError)
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
            except ResponseError as error:
                raise self._link.refused(error) from error
        raise AssertionError("every attempt returns or raises")

    async def _run(self, name: str, keys: list[str], arguments: dict[str, Any]) -> Any:
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._link.client.register_script(source(name))
        flat = [part for pair in arguments.items() for part in pair]
        return await script(keys=keys, args=flat)
