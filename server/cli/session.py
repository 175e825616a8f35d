"""Where a command goes: to the store of the data directory, to another store, or to a server's API.

It never knows what a command does there.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..newsroom.errors import (
    ConflictError,
    GoneError,
    InvalidError,
    NotFoundError,
    StoppressError,
    StoreError,
    TryAgainError,
    VersionError,
)
from ..settings import Settings
from ..store.addresses import SCHEMES, is_store
from . import visit
from .asking import STOPPED
from .command import Refusal, Stop, WhereOption, again, not_found, notes
from .output import acknowledge, line, notice

if TYPE_CHECKING:
    from ..desk.desk import Desk as OwnDesk
    from ..desk.remote import RemoteDesk
    from ..desk.result import Result

    Desk = OwnDesk | RemoteDesk  # the same operations, which the types of the commands hold them to

T = TypeVar("T")


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
        if is_store(api):
            api, redis = "", api
        elif api and not api.startswith(("http://", "https://")):
            raise InvalidError(
                "url", f"must begin with one of {', '.join(('https://', 'http://', *SCHEMES))}, not {api[:60]!r}"
            )
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
        """The Desk there."""
        if self.api:
            from ..desk.remote import RemoteDesk

            if self.token and re.match(r"http://(?!localhost\b|127\.|\[::1\])", self.api):
                notice(f"the token goes to {self.api} unencrypted; use https:// there")
            far = RemoteDesk(self.api, self.token)
            try:
                yield far
            finally:
                await far.aclose()
            return
        from ..desk.desk import Desk

        async with self.store() as store:
            self.server = await store.site_address.find()
            yield Desk(store, actor=local_user())

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Any]:
        """The store itself, for what no server does for others."""
        from ..store.store import Store

        store = await Store.open(self.settings)
        try:
            yield store
        finally:
            await store.aclose()


def local_user() -> str:
    """Who works at this machine: behind `sudo`, who called it."""
    try:
        name = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container a user need not have a name
        name = f"user {os.getuid()}"
    return name.encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Run:
    """One run of a command: a plain function, which looks in the store, asks, and then writes (`visit.py`).

    `key`: under which its change is done once; "" = it changes nothing. `keeps_text`: a draft tells how to go on.
    `is_out`: the post it is about was deleted or withdrawn meanwhile, and can be brought back.
    """

    place: Place
    json: bool
    key: str = ""
    keeps_text: bool = False
    began: bool = False
    wrote: bool = False
    is_out: bool = False

    def look(self, act: Callable[[Desk], Awaitable[T]]) -> T:
        return visit.look(self.place.desk, act)

    def write(self, act: Callable[[Desk], Awaitable[T]]) -> T:
        self.began = True
        done = visit.write(self.place.desk, act)
        self.wrote = True
        return done

    def write_post(
        self,
        slug: str,
        id: str,
        expect: int | None,
        act: Callable[[Desk], Awaitable[T]],
        takes: tuple[str, ...] = ("published",),
    ) -> T:
        """`write`; when another version than `expect` is there, the error shows what the other editor changed.

        `takes`: what a post may be for this. One that is not so any more is told with the way back.
        """
        try:
            return self.write(act)
        except (VersionError, GoneError) as error:
            kept: list[dict[str, Any]] = []
            with suppress(StoppressError):
                kept = self.look(lambda desk: desk.revisions(slug, id))
            is_news = isinstance(error, VersionError) or self.keeps_text
            if kept and kept[-1]["status"] not in takes and is_news:
                raise self._taken_out(id, kept) from None
            if isinstance(error, GoneError):
                raise
            from .compare import since

            for line in since(kept, expect or 0):
                error.add_note(line)
            if not self.keeps_text:
                command = again(("expect", "retry"), "--expect", str(error.current_version))
                error.add_note(f"To do it all the same:\n  {command}")
            raise

    def _taken_out(self, id: str, kept: list[dict[str, Any]]) -> StoppressError:
        """What to say of a post that another editor took out, or brought back, in the meantime."""
        now = kept[-1]
        what = f"post {id} is {now['status']} meanwhile, version {now['version']}, by {now['changed_by'] or 'somebody'}"
        if now["status"] == "published":
            return ConflictError(what)
        if now["status"] == "deleted" and len(kept) == 1:
            return GoneError(f"{what}, and purged: nothing brings it back")
        self.is_out = True
        error = (GoneError if now["status"] == "deleted" else ConflictError)(f"{what}; `restore` brings it back")
        error.add_note(f"To bring it back:\n  {again(instead='restore')}")
        if not self.keeps_text:
            error.add_note(f"Then, to do it all the same:\n  {again(('expect', 'retry'))}")
        return error

    def address(self, value: dict[str, Any]) -> str:
        return f"{self.place.public}{value['url']}"

    def tell(self, result: Result, text: str) -> None:
        """The result of a change: `text` for people, the stored value for programs."""
        for warning in result.warnings:
            notice(f"warning: {line(warning)}")
        if self.json:
            told = {**result.value, **({"warnings": result.warnings} if result.warnings else {})}
            tell_json(told, done=True)
        else:
            acknowledge(text)


def tell_json(value: Any, *, done: bool = False) -> None:
    """`done`: a change, which stays done whoever hears of it."""
    import orjson

    (acknowledge if done else click.echo)(orjson.dumps(value))


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
EXPECT, EXPECT_STORY = (
    click.option(
        "--expect", metavar="VERSION", type=click.IntRange(1), help=f"Only if this is still the {it}'s version."
    )
    for it in ("post", "story")
)


def where(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where; the function gets them as one `Place`. Signals end it as Ctrl-C does."""

    def placed(url: str | None, token: str | None, redis: str | None, data_dir: str | None, **parameters: Any) -> Any:
        with visit.endings() as ending:
            try:
                return function(place=Place.read(url, redis, data_dir, token), **parameters)
            except KeyboardInterrupt as stop:
                raise Stop(stop, 128 + ending.number) from None

    update_wrapper(placed, function)
    for option in reversed(_WHERE):
        placed = option(placed)
    return placed


def editorial(function: Callable[..., None]) -> Callable[..., Any]:
    """A command at a desk: a function of a `Run` and the command's own parameters."""

    def entered(place: Place, as_json: bool, **parameters: Any) -> None:
        run = Run(place, as_json, parameters.pop("retry", None) or "")
        try:
            function(run, **parameters)
        except KeyboardInterrupt as stop:
            if run.key and not run.wrote and STOPPED not in notes(stop):
                stop.add_note(STOPPED)
                stop.__notes__.insert(0, stop.__notes__.pop())
            raise
        except NotFoundError as error:
            raise not_found(error) from None
        except (StoreError, TryAgainError) as error:
            # Until then nothing was sent under the key: simply the same command again.
            raise Refusal(error, run.key if run.began else "") from None

    update_wrapper(entered, function)
    return where(JSON(entered))


def change(function: Callable[..., None]) -> Callable[..., Any]:
    """The same for a command that changes something: it has a key, under which it may be repeated."""
    entered = editorial(function)

    def keyed(retry: str | None, **parameters: Any) -> None:
        entered(retry=retry or os.urandom(12).hex(), **parameters)

    update_wrapper(keyed, entered)
    return RETRY(keyed)
