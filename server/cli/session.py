"""Where a command goes: to the store of the data directory, to another store, or to a server's API."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from ..newsroom.errors import InvalidError, StoreError, TryAgainError
from ..settings import Settings
from .command import Refusal, WhereOption
from .output import line, notice

if TYPE_CHECKING:
    from ..desk.desk import Desk
    from ..desk.result import Result


@dataclass(slots=True)
class Place:
    """What the options and the environment say of where to go: `api` is an http(s) address, or empty.

    `server`: where a server on this machine says it serves the store, once the desk is open.
    """

    settings: Settings
    api: str = ""
    token: str = ""
    server: str = ""

    @classmethod
    def read(cls, url: str | None, redis: str | None, data_dir: str | None, token: str | None) -> Place:
        given = [name for name, held in (("--url", url), ("--redis", redis), ("--data-dir", data_dir)) if held]
        if len(given) > 1:
            raise click.UsageError(f"{' and '.join(given)} name different places; give one of them")
        environ = os.environ
        api = url or ("" if given else environ.get("STOPPRESS_URL", ""))
        if api.startswith(("redis://", "rediss://", "unix://")):
            api, redis = "", api
        elif api and not api.startswith(("http://", "https://")):
            raise InvalidError("url", f"must begin with https://, http://, redis:// or rediss://, not {api[:60]!r}")
        # A directory that was named means the embedded store, whatever STOPPRESS_REDIS says.
        settings = Settings.from_env(environ, redis="" if data_dir else redis, data_dir=data_dir)
        return cls(settings, api.rstrip("/"), token or environ.get("STOPPRESS_TOKEN", ""))

    @property
    def public(self) -> str:
        """What paths are put behind to make an address."""
        if known := self.settings.public_url or self.api or self.server:
            return known
        host = self.settings.host
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.settings.port}"

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """The Desk there; over HTTP a `RemoteDesk`, which does the same."""
        if self.api:
            from ..desk.remote import RemoteDesk

            if self.token and re.match(r"http://(?!localhost\b|127\.|\[::1\])", self.api):
                notice(f"the token goes to {self.api} unencrypted; use https:// there")
            far = RemoteDesk(self.api, self.token)
            try:
                yield far  # type: ignore[misc]
            finally:
                await far.aclose()
            return
        from ..desk.desk import Desk
        from ..store.whereabouts import known

        async with self.store() as store:
            self.server = await known(store)
            yield Desk(store)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Any]:
        """The store itself, for what no server does for others."""
        from ..store.store import Store

        store = await Store.open(self.settings)
        try:
            yield store
        finally:
            await store.aclose()


@dataclass(slots=True)
class Run:
    """One run of a command: its place, its open desk, and how it tells what came out."""

    place: Place
    desk: Desk
    json: bool
    key: str = field(default="")

    def address(self, value: dict[str, Any]) -> str:
        return self.place.public + value["url"]

    def tell(self, result: Result, text: str) -> None:
        """The result of a change: `text` for people, the stored value for programs."""
        for warning in result.warnings:
            notice(f"warning: {line(warning)}")
        if self.json:
            tell_json({**result.value, **({"warnings": result.warnings} if result.warnings else {})})
        else:
            click.echo(text)


def tell_json(value: Any) -> None:
    import orjson

    click.echo(orjson.dumps(value))


_WHERE = (
    click.option("--url", cls=WhereOption, metavar="URL", help="A server (https://…) or store (redis://…) elsewhere."),
    click.option("--token", cls=WhereOption, metavar="TOKEN", help="Token for it; better in STOPPRESS_TOKEN."),
    click.option("--redis", cls=WhereOption, metavar="URL", help="A Redis or Valkey store, directly."),
    click.option(
        "--data-dir",
        cls=WhereOption,
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Directory of the embedded store.",
    ),
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
RETRY = click.option("--retry", metavar="KEY", help="Repeat a command that ended with 75, under its key.")
EXPECT = click.option(
    "--expect", metavar="VERSION", type=click.IntRange(1), help="Only if this is still the post's version."
)


def where(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where; the function gets them as one `Place`."""

    def placed(url: str | None, token: str | None, redis: str | None, data_dir: str | None, **parameters: Any) -> Any:
        return function(place=Place.read(url, redis, data_dir, token), **parameters)

    update_wrapper(placed, function)
    for option in reversed(_WHERE):
        placed = option(placed)
    return placed


def editorial(function: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """A command over an open desk: an async function of a `Run` and the command's own parameters."""

    def entered(place: Place, as_json: bool, **parameters: Any) -> None:
        key = parameters.pop("retry", None) or ""
        asyncio.run(_enter(function, place, as_json, key, parameters))

    update_wrapper(entered, function)
    return where(JSON(entered))


def change(function: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """The same for a command that changes something: it has a key, under which it may be repeated."""
    entered = editorial(function)

    def keyed(retry: str | None, **parameters: Any) -> None:
        key = retry or os.urandom(12).hex()
        try:
            entered(retry=key, **parameters)
        except (StoreError, TryAgainError) as error:
            raise Refusal(error, key) from None

    update_wrapper(keyed, entered)
    return RETRY(keyed)


async def _enter(
    function: Callable[..., Awaitable[None]], place: Place, as_json: bool, key: str, parameters: dict[str, Any]
) -> None:
    async with place.desk() as desk:
        await function(Run(place, desk, as_json, key), **parameters)
