"""`stoppress token …`: who may use the API and the operations pages."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from ..newsroom.errors import InvalidError
from .command import Menu, Taught
from .output import moment, notice, sure, table
from .session import JSON, Place, tell_json, where

ROLES = ("viewer", "contributor", "editor", "admin")


@click.group(cls=Menu, examples="stoppress token create --name 'Newsroom CMS' --role editor")
def token() -> None:
    """Make, list and revoke tokens for the API and the operations pages. They live in the store."""


def _command(name: str, *examples: str) -> Any:
    return token.command(name, cls=Taught, examples="\n".join(examples))


async def _with_tokens(place: Place, do: Any) -> Any:
    if place.api:
        raise InvalidError("url", "tokens are made where the store is: run this there, or give --redis or --data-dir")
    from ..desk.tokens import Tokens

    async with place.store() as store:
        return await do(Tokens(store))


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
    made, grant = asyncio.run(_with_tokens(place, lambda tokens: tokens.create(name, role=role, story=story)))
    if as_json:
        tell_json({"token": made, **grant.view()})
        return
    click.echo(made)
    notice(f"{grant.name} ({grant.role}, stories {grant.story}), id {grant.id}. It is shown only now; keep it safe.")


@_command("list", "stoppress token list")
@JSON
@where
def list_(place: Place, as_json: bool) -> None:
    """List the tokens that stand: id, role, stories, when made, name."""
    grants = asyncio.run(_with_tokens(place, lambda tokens: tokens.list()))
    if as_json:
        tell_json({"tokens": [grant.view() for grant in grants]})
        return
    rows = [(grant.id, grant.role, grant.story, moment(grant.created), grant.name) for grant in grants]
    table(("ID", "ROLE", "STORIES", "MADE", "NAME"), rows)


@_command("revoke", "stoppress token revoke 'My laptop'", "stoppress token revoke 3f9a0c4d1e2b")
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@where
def revoke(place: Place, id: str, yes: bool, as_json: bool) -> None:
    """Revoke the token with this ID or name; its open sockets close."""
    sure(f"Revoke the token {id}?", yes)
    grant = asyncio.run(_with_tokens(place, lambda tokens: tokens.revoke(id)))
    if as_json:
        tell_json(grant.view())
    else:
        click.echo(f"{grant.id} revoked ({grant.name})")
