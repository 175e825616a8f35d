"""`stoppress token …`: who may use the API and the operations pages.

They never go through a server: tokens are made where the store is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..newsroom.errors import InvalidError, TryAgainError
from . import visit
from .asking import sure
from .changes import YES
from .command import Menu, Taught
from .output import acknowledge, line, moment, notice, table
from .session import JSON, Place, tell_json, where

if TYPE_CHECKING:
    from ..desk.tokens import Grant, Tokens

T = TypeVar("T")

ROLES = ("viewer", "contributor", "editor", "admin")


@click.group(cls=Menu, examples="stoppress token create --name 'Newsroom CMS' --role editor")
def token() -> None:
    """Make, list and revoke tokens for the API and the operations pages. They live in the store."""


def _command(name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    return token.command(name, cls=Taught, examples="\n".join(examples))


@asynccontextmanager
async def _tokens(place: Place) -> AsyncIterator[Tokens]:
    from ..desk.tokens import Tokens

    async with place.store() as store:
        yield Tokens(store)


def _opened(place: Place) -> Callable[[], AbstractAsyncContextManager[Tokens]]:
    if place.api:
        raise InvalidError("url", "tokens are made where the store is: run this there, or give --redis or --data-dir")
    return lambda: _tokens(place)


@_command(
    "create",
    "stoppress token create --name 'Newsroom CMS'",
    "stoppress token create --name 'Ana Lee' --role contributor --story 'election-*'",
    "export STOPPRESS_TOKEN=$(stoppress token create --name 'My laptop')",
)
@click.option("--name", required=True, metavar="NAME", help="Whose it is.")
@click.option("--role", type=click.Choice(ROLES), default="editor", show_default=True, help="What it may do.")
@click.option("--story", default="*", show_default=True, metavar="GLOB", help="The stories it is for.")
@JSON
@where
def create(place: Place, name: str, role: str, story: str, as_json: bool) -> None:
    """Make a token and print it, this once: the store keeps only its hash.

    A viewer reads the API and the operations pages; a contributor also publishes, edits and corrects posts; an editor
    also withdraws, deletes, restores, reverts, pins, imports and makes stories; an admin also deletes stories and
    purges.
    """
    made, grant = _written(place, lambda tokens: tokens.create(name, role=role, story=story))
    if as_json:
        tell_json({"token": made, **grant.view()}, done=True)
        return
    acknowledge(made)
    notice(f"{grant.name} ({grant.role}, stories {grant.story}), id {grant.id}. It is shown only now; keep it safe.")


@_command("list", "stoppress token list")
@JSON
@where
def list_(place: Place, as_json: bool) -> None:
    """List the tokens that stand: id, role, stories, when made, name."""
    grants = visit.look(_opened(place), lambda tokens: tokens.list())
    if as_json:
        tell_json({"tokens": [grant.view() for grant in grants]})
        return
    rows = [(grant.id, grant.role, grant.story, moment(grant.created), grant.name) for grant in grants]
    table(("ID", "ROLE", "STORIES", "MADE", "NAME"), rows)


@_command("revoke", "stoppress token revoke 'My laptop'", "stoppress token revoke 3f9a0c4d1e2b")
@click.argument("id")
@YES
@JSON
@where
def revoke(place: Place, id: str, yes: bool, as_json: bool) -> None:
    """Revoke the token with this ID or name; its open sockets close."""
    sure(lambda: _question(visit.look(_opened(place), lambda tokens: tokens.named(id))), yes)
    grant = _written(place, lambda tokens: tokens.revoke(id))
    if as_json:
        tell_json(grant.view(), done=True)
    else:
        acknowledge(f"{grant.id} revoked ({grant.name})")


def _question(grant: Grant) -> str:
    return f"Revoke the token “{line(grant.name)}” ({grant.role}, stories {grant.story})?"


def _written(place: Place, act: Callable[[Tokens], Awaitable[T]]) -> T:
    try:
        return visit.write(_opened(place), act)
    except visit.Stopped as error:
        raise TryAgainError(f"{error.detail}; `stoppress token list` shows if it was done") from None
