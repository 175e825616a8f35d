"""Commands that change what is published already, each in one step: withdraw, delete, restore, correct, pin, revert.

They never take a text: `posts` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..newsroom.label import label
from .asking import sure
from .command import Taught
from .completion import POST, STORY, VERSION
from .output import quoted
from .session import EXPECT, Run, change

YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _command(name: str, *examples: str) -> Callable[[Callable[..., Any]], Taught]:
    return click.command(name, cls=Taught, examples="\n".join(examples))


@_command("withdraw", 'stoppress withdraw election-night k3m9vxw2qa --note "The count was misread; we are checking."')
@STORY
@POST
@click.option("--note", required=True, metavar="TEXT", help="Why, for readers.")
@EXPECT
@change
def withdraw(run: Run, slug: str, id: str, note: str, expect: int | None) -> None:
    """Take the post ID of the story SLUG back: its text leaves every page, the note stands in its place."""
    result = run.write_post(slug, id, expect, lambda desk: desk.withdraw(slug, id, note, expect=expect, key=run.key))
    run.tell(result, f"{id} withdrawn, version {result.value['version']} {run.address(result.value)}")


@_command(
    "delete",
    "stoppress delete election-night k3m9vxw2qa",
    "stoppress restore election-night k3m9vxw2qa    # brings it back",
    "stoppress delete election-night k3m9vxw2qa --purge --yes    # erases text and history for good",
)
@STORY
@POST
@click.option("--purge", is_flag=True, help="Erase its text and all its versions; nobody can bring them back.")
@YES
@EXPECT
@change
def delete(run: Run, slug: str, id: str, purge: bool, yes: bool, expect: int | None) -> None:
    """Take the post ID out of the story SLUG, without a note. `restore` brings it back, unless it was purged."""
    sure(lambda: _question(run.look(lambda desk: desk.post(slug, id)), slug, purge), yes, final=purge)
    result = run.write_post(
        slug,
        id,
        expect,
        lambda desk: desk.delete(slug, id, purge=purge, expect=expect, key=run.key),
        ("published", "withdrawn", "deleted") if purge else ("published", "withdrawn"),
    )
    run.tell(result, f"{id} {'purged' if purge else 'deleted'}, version {result.value['version']}")


def _question(post: dict[str, Any], slug: str, purge: bool) -> str:
    about = f"the post {quoted(label(post))} ({post['id']}) in {slug}"
    return f"Erase {about} with all its versions? Nobody can bring it back." if purge else f"Delete {about}?"


@_command("restore", "stoppress restore election-night k3m9vxw2qa")
@STORY
@POST
@EXPECT
@change
def restore(run: Run, slug: str, id: str, expect: int | None) -> None:
    """Bring the withdrawn or deleted post ID of the story SLUG back, with the text it last had, at its old place."""
    result = run.write_post(
        slug,
        id,
        expect,
        lambda desk: desk.restore(slug, id, expect=expect, key=run.key),
        ("withdrawn", "deleted"),
    )
    run.tell(result, f"{id} restored, version {result.value['version']} {run.address(result.value)}")


@_command(
    "correct",
    'stoppress correct election-night k3m9vxw2qa --note "An earlier version misspelled the name Lee."',
    'stoppress correct election-night k3m9vxw2qa --kind clarification --note "The count is of Ohio alone."',
)
@STORY
@POST
@click.option("--note", required=True, metavar="TEXT", help="What was wrong and what is right.")
@click.option(
    "--kind", type=click.Choice(["correction", "clarification", "retraction"]), default="correction", show_default=True
)
@EXPECT
@change
def correct(run: Run, slug: str, id: str, note: str, kind: str, expect: int | None) -> None:
    """Add a correction to the post ID of the story SLUG, for readers to see. The text itself is changed by `edit`."""
    result = run.write_post(
        slug, id, expect, lambda desk: desk.correct(slug, id, note, kind, expect=expect, key=run.key)
    )
    run.tell(result, f"{id} corrected, version {result.value['version']} {run.address(result.value)}")


@_command("pin", "stoppress pin election-night k3m9vxw2qa")
@STORY
@POST
@change
def pin(run: Run, slug: str, id: str) -> None:
    """Keep the post ID at the top of the story SLUG; a story has one pinned post."""
    result = run.write(lambda desk: desk.pin(slug, id, key=run.key))
    run.tell(result, f"{id} pinned in {slug}")


@_command("unpin", "stoppress unpin election-night")
@STORY
@change
def unpin(run: Run, slug: str) -> None:
    """Let the pinned post of the story SLUG go back to its place."""
    result = run.write(lambda desk: desk.unpin(slug, key=run.key))
    run.tell(result, f"nothing pinned in {slug}")


@_command(
    "revert",
    "stoppress history election-night k3m9vxw2qa",
    "stoppress revert election-night k3m9vxw2qa 2",
)
@STORY
@POST
@VERSION
@EXPECT
@change
def revert(run: Run, slug: str, id: str, version: int, expect: int | None) -> None:
    """Give the post ID of the story SLUG the text of an earlier VERSION, as a new version."""
    result = run.write_post(slug, id, expect, lambda desk: desk.revert(slug, id, version, expect=expect, key=run.key))
    run.tell(result, f"{id} back to version {version}, now version {result.value['version']}")
