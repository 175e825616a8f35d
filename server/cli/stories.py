"""`stoppress story …`: the stories themselves. They never touch a post."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .asking import sure
from .changes import YES
from .command import Menu, Taught
from .completion import STORY
from .fields import check_is_published, people
from .output import moment, quoted, table
from .reading import tell_field
from .session import EXPECT_STORY, Run, change, editorial, tell_json

_LEAD = {"lead_alt": "alt", "lead_caption": "caption", "lead_credit": "credit_text"}
_LEAD |= {"lead_width": "width", "lead_height": "height"}


@click.group(cls=Menu, examples='stoppress story create election-night --headline "Election night"')
def story() -> None:
    """List, create, edit, start, end, reopen and delete stories."""


def _command(name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    return story.command(name, cls=Taught, examples="\n".join(examples))


def _fields(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option("--description", metavar="TEXT", help="What the story is about, in a sentence or two."),
    click.option(
        "--point", "summary_points", metavar="TEXT", multiple=True, help='A summary point (repeat it; "" clears).'
    ),
    click.option(
        "--author", "authors", metavar="NAME", multiple=True, help='One of the authors (repeat it; "" clears).'
    ),
    click.option("--lead-image", metavar="URL", help='The picture at its head; "" for none.'),
    click.option("--lead-alt", metavar="TEXT", help="… what it shows, for those who do not see it."),
    click.option("--lead-caption", metavar="TEXT", help="… the line below it."),
    click.option("--lead-credit", metavar="TEXT", help="… who made it."),
    click.option("--lead-width", metavar="PX", type=click.IntRange(1, 100_000), help="… in pixels."),
    click.option("--lead-height", metavar="PX", type=click.IntRange(1, 100_000), help="… in pixels."),
    click.option("--time-zone", metavar="ZONE", help="Where it happens: America/New_York.  [default: UTC]"),
    click.option("--show-zone", "display_time_zones", metavar="ZONE", multiple=True, help="A zone to tell times in."),
    click.option("--sort", "default_sort", type=click.Choice(["newest", "oldest"]), help="Which posts come first."),
    click.option("--coverage-start-time", metavar="TIME", help="2026-11-03T23:00:00Z"),
    click.option("--coverage-end-time", metavar="TIME", help="2026-11-04T11:00:00Z"),
    click.option("--language", metavar="TAG", help="en, en-GB, pt-BR …  [default: en]"),
)


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    """The fields that the options name, as the Desk takes them."""
    lead = {"url": parameters.pop("lead_image")}
    lead |= {field: held for option, field in _LEAD.items() if (held := parameters.pop(option)) is not None}
    if lead["url"]:
        check_is_published("--lead-image", lead["url"])
    authors = parameters.pop("authors")
    found = {name: held for name, held in parameters.items() if held not in (None, ())}
    found = {name: [one for one in held if one] if isinstance(held, tuple) else held for name, held in found.items()}
    if authors:
        found["authors"] = people(authors)
    if lead["url"] is not None:
        found["lead_image"] = lead if lead["url"] else None
    elif len(lead) > 1:
        raise click.UsageError("the --lead-… options describe a picture: give its address with --lead-image")
    return found


def _tell(run: Run, result: Any, done: str) -> None:
    run.tell(result, f"{result.value['slug']} {done} {run.address(result.value)}")


@_command("list", "stoppress story list", "stoppress story list --json | jq -r '.stories[].slug'")
@editorial
def list_(run: Run) -> None:
    """List the stories: slug, status, number of posts, last change, headline."""
    stories = run.look(lambda desk: desk.stories())
    if run.json:
        tell_json({"stories": stories})
        return
    rows = [
        (
            *(held["slug"], held["status"], str(held["post_count"])),
            moment(held["date_modified"], held["time_zone"]),
            held["headline"],
        )
        for held in stories
    ]
    table(("SLUG", "STATUS", "POSTS", "MODIFIED", "HEADLINE"), rows)


@_command("show", "stoppress story show election-night", "stoppress story show election-night --json")
@STORY
@editorial
def show(run: Run, slug: str) -> None:
    """Show the story SLUG with every field that holds something."""
    held = run.look(lambda desk: desk.story(slug))
    if run.json:
        tell_json(held)
        return
    click.echo(run.address(held))
    for name, value in held.items():
        if value and name != "url":
            tell_field(name, value)


@_command(
    "create",
    'stoppress story create election-night --headline "Election night" --time-zone America/New_York',
    'stoppress story create budget --headline "Budget day" --upcoming --show-zone UTC --show-zone Asia/Tokyo',
)
@STORY
@click.option("--headline", required=True, metavar="TEXT", help="Up to 300 characters.")
@_fields
@click.option("--upcoming", is_flag=True, help="Not yet live; `story start` begins it.")
@change
def create(run: Run, slug: str, headline: str, upcoming: bool, **parameters: Any) -> None:
    """Create the story SLUG (a-z, 0-9 and hyphens: it becomes its address). Prints its slug and its address."""
    draft = {"slug": slug, "headline": headline, **_given(parameters)}
    if upcoming:
        draft["status"] = "upcoming"
    result = run.write(lambda desk: desk.create_story(draft, key=run.key))
    run.tell(result, f"{slug}  {run.address(result.value)}")


@_command(
    "edit",
    'stoppress story edit election-night --headline "Election night: the count"',
    'stoppress story edit election-night --point "Turnout is up" --point "Polls close at nine"',
)
@STORY
@click.option("--headline", metavar="TEXT", help="Up to 300 characters.")
@_fields
@EXPECT_STORY
@change
def edit(run: Run, slug: str, headline: str | None, expect: int | None, **parameters: Any) -> None:
    """Change the story SLUG; what is not named stays, a list that is named is replaced."""
    patch = _given(parameters)
    if headline is not None:
        patch["headline"] = headline
    if not patch:
        raise click.UsageError("say what to change, such as --headline; `stoppress story edit --help` has the list")
    _tell(run, run.write(lambda desk: desk.edit_story(slug, patch, expect=expect, key=run.key)), "edited")


def _turning(name: str, status: str, done: str, about: str) -> None:
    def turn(run: Run, slug: str) -> None:
        _tell(run, run.write(lambda desk: desk.edit_story(slug, {"status": status}, key=run.key)), done)

    turn.__doc__ = about
    _command(name, f"stoppress story {name} election-night")(STORY(change(turn)))


_turning("start", "live", "is live", "Begin the live coverage of the upcoming story SLUG.")
_turning("end", "ended", "has ended", "End the live coverage of the story SLUG; corrections stay possible.")
_turning("reopen", "live", "is live again", "Go on with the ended story SLUG.")


@_command("delete", "stoppress story delete election-night --yes")
@STORY
@YES
@EXPECT_STORY
@change
def delete(run: Run, slug: str, yes: bool, expect: int | None) -> None:
    """Delete the story SLUG for good: its pages say that it is gone, and its slug never returns."""
    sure(lambda: _question(run.look(lambda desk: desk.story(slug))), yes, final=True)
    result = run.write(lambda desk: desk.delete_story(slug, expect=expect, key=run.key))
    run.tell(result, f"{slug} deleted")


def _question(story: dict[str, Any]) -> str:
    posts = f"its {story['listed_count']:,} posts" if story["listed_count"] != 1 else "its post"
    about = f"the story {quoted(story['headline'])} ({story['slug']}) and {posts}"
    return f"Delete {about} for good? Nobody can bring it back."
