"""Commands that only read: list, show, history."""

from __future__ import annotations

from typing import Any

import click

from ..newsroom.label import label
from .command import Taught
from .output import line, moment, paragraphs, table
from .session import Run, editorial, tell_json

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


def published(post: dict[str, Any]) -> str:
    """When; else when it was last changed, and that it is so."""
    if post["date_published"] or not post["date_modified"]:
        return moment(post["date_published"])
    return f"updated {moment(post['date_modified'])}"


@click.command(
    "list",
    cls=Taught,
    examples="""
stoppress list election-night
stoppress list election-night --all | cut -f1
stoppress list election-night --limit 5 --json
""",
)
@click.argument("slug")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="The newest N.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--before", default="", metavar="ID", help="Only posts older than this one.")
@editorial
async def list_posts(run: Run, slug: str, limit: int, everything: bool, before: str) -> None:
    """List the posts of the story SLUG, newest first: id, version, time, marks, headline."""
    story = await run.desk.story(slug)
    posts: list[dict[str, Any]] = []
    has_more = True
    while has_more and (everything or len(posts) < limit):
        page = await run.desk.posts(slug, before, PAGE if everything else min(PAGE, limit - len(posts)))
        posts += page["posts"]
        has_more = page["has_more"] and bool(page["posts"])
        before = posts[-1]["id"] if posts else ""
    if run.json:
        tell_json({"posts": posts, "has_more": has_more})
        return
    pinned = story["pinned_post_id"]
    rows = [(post["id"], str(post["version"]), published(post), marks(post, pinned), label(post)) for post in posts]
    table(("ID", "V", "PUBLISHED", "MARKS", "HEADLINE"), rows)


@click.command(
    "show",
    cls=Taught,
    examples="""
stoppress show election-night k3m9vxw2qa
stoppress show election-night k3m9vxw2qa --json | jq -r .body
""",
)
@click.argument("slug")
@click.argument("id")
@editorial
async def show(run: Run, slug: str, id: str) -> None:
    """Show the post ID of the story SLUG with every field that holds something."""
    post = await run.desk.post(slug, id)
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
@click.argument("slug")
@click.argument("id")
@editorial
async def history(run: Run, slug: str, id: str) -> None:
    """List the kept versions of the post ID of the story SLUG, oldest first. `revert` goes back to one."""
    revisions = await run.desk.revisions(slug, id)
    if run.json:
        tell_json({"revisions": revisions})
        return
    rows = [
        (
            str(post["version"]),
            moment(post["date_modified"]),
            post["status"],
            post["change_note"] or post["withdrawal_note"],
            label(post) if post["status"] != "deleted" else "",
        )
        for post in revisions
    ]
    table(("V", "MODIFIED", "STATUS", "NOTE", "HEADLINE"), rows)
