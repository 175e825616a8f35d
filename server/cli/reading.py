"""Commands that only read: list, show, history. They never change anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..newsroom.label import label
from . import compare
from .command import Taught
from .completion import POST, STORY
from .output import line, moment, notice, paragraphs, table
from .session import Run, editorial, tell_json

if TYPE_CHECKING:
    from .session import Desk

PAGE = 200
_MARKS = (("is_breaking", "breaking"), ("is_key_event", "key"), ("is_summary", "summary"))


def marks(post: dict[str, Any], pinned: str | None = None) -> str:
    found = [word for field, word in _MARKS if post[field]]
    if post["id"] == pinned:
        found.insert(0, "pinned")
    if post["corrections"]:
        found.append("corrected")
    if post["status"] != "published":
        found.insert(0, post["status"])
    return ",".join(found)


def published(post: dict[str, Any], zone: str) -> str:
    """When; else when it was last changed, and that it is so."""
    if post["date_published"] or not post["date_modified"]:
        return moment(post["date_published"], zone)
    return f"updated {moment(post['date_modified'], zone)}"


@click.command(
    "list",
    cls=Taught,
    examples="""
stoppress list election-night
stoppress list election-night --all | cut -f1
stoppress list election-night --limit 5 --json
""",
)
@STORY
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="The newest N.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--before", default="", metavar="ID", help="Only posts older than this one.")
@editorial
def list_posts(run: Run, slug: str, limit: int, everything: bool, before: str) -> None:
    """List the posts of the story SLUG, newest first: id, version, time, marks, headline.

    Times are those of the story's own zone.
    """
    story, page = run.look(lambda desk: _posts(desk, slug, before, 0 if everything else limit))
    posts = page["posts"]
    if run.json:
        tell_json(page)
    else:
        pinned, zone = story["pinned_post_id"], story["time_zone"]
        rows = [
            (post["id"], str(post["version"]), published(post, zone), marks(post, pinned), label(post))
            for post in posts
        ]
        table(("ID", "V", "PUBLISHED", "MARKS", "HEADLINE"), rows)
    if page["has_more"]:
        left = "" if before else f" ({story['listed_count'] - len(posts):,} more)"
        notice(f"There are older posts{left}: --before {posts[-1]['id']} lists the next, --all lists all.")


async def _posts(desk: Desk, slug: str, before: str, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The story, and `{"posts", "has_more"}`; `limit` 0 = all."""
    story = await desk.story(slug)
    posts: list[dict[str, Any]] = []
    has_more = True
    while has_more and (not limit or len(posts) < limit):
        page = await desk.posts(slug, before, min(PAGE, limit - len(posts)) if limit else PAGE)
        posts += page["posts"]
        has_more = page["has_more"] and bool(page["posts"])
        before = posts[-1]["id"] if posts else ""
    return story, {"posts": posts, "has_more": has_more}


@click.command(
    "show",
    cls=Taught,
    examples="""
stoppress show election-night k3m9vxw2qa
stoppress show election-night k3m9vxw2qa --json | jq -r .body
""",
)
@STORY
@POST
@editorial
def show(run: Run, slug: str, id: str) -> None:
    """Show the post ID of the story SLUG with every field that holds something."""
    post = run.look(lambda desk: desk.post(slug, id))
    if run.json:
        tell_json(post)
        return
    click.echo(run.address(post))
    for name, held in post.items():
        if held and name not in ("url", "body", "content_html", "article_body"):
            tell_field(name, held)
    if post["body"] or post["article_body"]:
        click.echo("\n" + paragraphs(post["body"] or post["article_body"]))


def tell_field(name: str, held: Any) -> None:
    for value in held if isinstance(held, list) else [held]:
        if isinstance(value, dict):
            value = "; ".join(str(part) for part in value.values() if part)
        click.echo(f"{name + ':':<22}{line(str(value))}")


@click.command("history", cls=Taught, examples="stoppress history election-night k3m9vxw2qa")
@STORY
@POST
@editorial
def history(run: Run, slug: str, id: str) -> None:
    """List the kept versions of the post ID of the story SLUG, oldest first: when, by whom, and what changed.

    Words in [-…-] were taken out, words in {+…+} put in. `revert` goes back to a version.
    """
    story, kept = run.look(lambda desk: _kept(desk, slug, id))
    if run.json:
        tell_json({"revisions": kept})
        return
    rows = [
        (
            str(post["version"]),
            moment(post["changed_at"] or post["date_modified"], story["time_zone"]),
            post["changed_by"] or "–",
            "\n".join(what),
        )
        for post, what in compare.story(kept)
    ]
    table(("V", "CHANGED", "BY", "WHAT"), rows, whole=True)


async def _kept(desk: Desk, slug: str, id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return await desk.story(slug), await desk.revisions(slug, id)
