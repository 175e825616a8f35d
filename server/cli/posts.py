"""`stoppress post` and `stoppress edit`. They never find or keep the text: `text` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..clock import now_ms
from ..newsroom import rules
from ..newsroom.errors import ConflictError, NotFoundError
from ..newsroom.model import PostDraft, PostPatch
from ..newsroom.record import read
from .completion import POST, STORY
from .fields import WithPictures, fields, given
from .session import EXPECT, Run, change
from .text import check_ways, is_to_be_written, text

if TYPE_CHECKING:
    from .session import Desk

POSTING = """
stoppress post election-night --headline "Polls close" --body "The first counts are due at nine."
stoppress post election-night --headline "Turnout" --key --byline "By Ana Lee" --body-file turnout.md
stoppress post election-night --headline "From the wire" --html-file wire.html
pandoc notes.docx -t commonmark | stoppress post election-night --headline "Notes" --body -
stoppress post election-night --headline "In pictures" --image /a.jpg --alt "A queue" --image /b.jpg --alt "A count"
stoppress post election-night --headline "From afar" --body "…" --url https://news.example.org
id=$(stoppress post election-night --headline "Live" | cut -d' ' -f1)
"""

EDITING = """
stoppress edit election-night k3m9vxw2qa --headline "Polls have closed"
stoppress edit election-night k3m9vxw2qa --minor --body-file turnout.md
stoppress edit election-night k3m9vxw2qa --no-breaking --change-note "The count is over."
stoppress edit election-night k3m9vxw2qa --expect 3 --editor
"""


@click.command("post", cls=WithPictures, examples=POSTING)
@STORY
@fields
@click.option("--pin", is_flag=True, help="Keep it at the top of the story.")
@click.option("--id", "post_id", metavar="ID", help="Its id; one is made else.")
@click.option("--date-published", metavar="TIME", help="When it was first public; now else.")
@click.option("--sort-time", metavar="TIME", help="Its place in the story; by the time it is published else.")
@change
def publish(
    run: Run,
    slug: str,
    pin: bool,
    post_id: str | None,
    date_published: str | None,
    sort_time: str | None,
    **parameters: Any,
) -> None:
    """Publish a post in the story SLUG. Prints its id and its address."""
    check_ways(parameters)
    if parameters["headline"] is None and not (parameters["editor"] or parameters["draft"]):
        raise click.UsageError("give a --headline, or write both in --editor")
    draft = given(parameters)
    more = {"id": post_id, "date_published": date_published, "sort_time": sort_time, "pin": pin}
    draft |= {name: held for name, held in more.items() if held}
    if is_to_be_written(parameters):
        _check_draft(draft)
        run.look(lambda desk: _check_place(desk, slug, post_id))
    with text(run, parameters, f"{slug}.new", draft) as written:
        result = run.write(lambda desk: desk.publish(slug, draft | written, key=run.key))
    run.tell(result, f"{result.value['id']}  {run.address(result.value)}")


def _check_draft(draft: dict[str, Any]) -> None:
    """By the rules that will decide when the text is there."""
    made = read(PostDraft, {"headline": "to be written", **draft})
    rules.publish(made, id="", html="", text="", now=now_ms(), created="")


async def _check_place(desk: Desk, slug: str, id: str | None) -> None:
    await desk.check(slug)
    if id:
        try:
            await desk.post(slug, id)
        except NotFoundError:
            return
        raise ConflictError(f"id: post {id} exists already; choose another id, or edit it")


@click.command("edit", cls=WithPictures, examples=EDITING)
@STORY
@POST
@fields
@click.option("--no-images", is_flag=True, help="Take all its pictures away (--image … replaces them).")
@click.option("--minor", is_flag=True, help="A typo: its shown time and its marks stay.")
@click.option("--change-note", metavar="TEXT", help="What changed, for readers.")
@EXPECT
@change
def edit(
    run: Run,
    slug: str,
    id: str,
    no_images: bool,
    minor: bool,
    change_note: str | None,
    expect: int | None,
    **parameters: Any,
) -> None:
    """Change the post ID of the story SLUG; what is not named stays. An edit never moves a post."""
    check_ways(parameters)
    if no_images and parameters["images"]:
        raise click.UsageError("--no-images and --image contradict each other; --image alone replaces all pictures")
    patch = given(parameters)
    if no_images:
        patch["images"] = []
    if change_note:
        patch["change_note"] = change_note
    was: dict[str, Any] = {}
    if is_to_be_written(parameters):
        read(PostPatch, patch)
        was = run.look(lambda desk: _post_to_edit(desk, slug, id))
        if parameters["editor"] and expect is None:
            expect = was["version"]  # who wrote on top of a text means that text
    with text(run, parameters, f"{slug}.{id}", was | patch, expect) as written:
        patch |= written
        if not patch:
            raise click.UsageError(
                "say what to change, such as --headline or --body; `stoppress edit --help` has the list"
            )
        if minor:
            patch["minor"] = True
        result = run.write_post(slug, id, expect, lambda desk: desk.edit(slug, id, patch, expect=expect, key=run.key))
    run.tell(result, f"{id} version {result.value['version']} {run.address(result.value)}")


async def _post_to_edit(desk: Desk, slug: str, id: str) -> dict[str, Any]:
    await desk.check(slug)
    post = await desk.post(slug, id)
    if post["status"] != "published":
        raise ConflictError(f"post {id} is {post['status']}; restore it first")
    return post
