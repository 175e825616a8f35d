"""The fields of a post on a command line: its text from wherever it comes, and its pictures in the order given.

It never opens a file: `text` does.

Each `--image` begins a picture; `--alt`, `--caption`, `--credit`, `--width` and `--height` behind it belong to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import click

from ..newsroom.errors import InvalidError
from .command import Taught

PICTURE = {"image": "url", "alt": "alt", "caption": "caption", "credit": "credit_text", "width": "width"}
PICTURE |= {"height": "height"}
FLAGS = {"key": "is_key_event", "breaking": "is_breaking", "summary": "is_summary"}
LINES = ("headline", "byline", "credit_note", "dateline")


class WithPictures(Taught):
    """A command with the options of `pictures`; its function gets them as `images`, None when none was given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, list(args))
        values = {name: iter(ctx.params.pop(name, None) or ()) for name in PICTURE}
        ctx.params["images"] = None
        if ctx.resilient_parsing:
            return rest
        # click hands each option its values, but not how the options lay between each other; its parser knows.
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        images: list[dict[str, Any]] = []
        for parameter in order:
            name = parameter.name or ""
            if name not in PICTURE:
                continue
            field, value = PICTURE[name], next(values[name])
            if name == "image":
                images.append({})
            elif not images:
                raise click.UsageError(f"--{name} describes a picture: put it behind the --image it belongs to", ctx)
            elif field in images[-1]:
                raise click.UsageError(f"--{name} is given twice for the picture {images[-1]['url']}", ctx)
            images[-1][field] = value
        ctx.params["images"] = images or None
        return rest


def fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that a new post and an edit share."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option("--headline", metavar="TEXT", help="Up to 300 characters."),
    click.option("--body", metavar="TEXT|-", help="CommonMark, up to 64 KiB; - reads it from standard input."),
    click.option(
        "--body-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True), help="Read it."
    ),
    click.option("--html", metavar="TEXT|-", help="HTML in place of a body; - reads it from standard input."),
    click.option(
        "--html-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True), help="Read it."
    ),
    click.option("--editor", is_flag=True, help="Write headline and body in $EDITOR."),
    click.option(
        "--draft",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Headline and body as --editor kept them in a file; with --editor, write on.",
    ),
    click.option("--byline", metavar="TEXT", help="Shown as it stands: By Ana Lee in Ohio."),
    click.option(
        "--author", "authors", metavar="NAME", multiple=True, help='One of the authors (repeat it; "" clears).'
    ),
    click.option(
        "--contributor", "contributors", metavar="NAME", multiple=True, help='Who helped (repeat it; "" clears).'
    ),
    click.option("--credit-note", metavar="TEXT", help="Where the news comes from."),
    click.option("--dateline", metavar="TEXT", help="Where it was written: COLUMBUS, Ohio."),
    click.option("--keyword", "keywords", metavar="WORD", multiple=True, help='Repeat it for more; "" clears.'),
    click.option("--image", metavar="URL", multiple=True, help="A picture; what follows describes it (repeat it)."),
    click.option("--alt", metavar="TEXT", multiple=True, help="… what it shows, for those who do not see it."),
    click.option("--caption", metavar="TEXT", multiple=True, help="… the line below it."),
    click.option("--credit", metavar="TEXT", multiple=True, help="… who made it."),
    click.option("--width", metavar="PX", type=click.IntRange(1, 100_000), multiple=True, help="… in pixels."),
    click.option("--height", metavar="PX", type=click.IntRange(1, 100_000), multiple=True, help="… in pixels."),
    click.option("--key/--no-key", default=None, help="List it among the key events."),
    click.option("--breaking/--no-breaking", default=None, help="Mark it as breaking."),
    click.option("--summary/--no-summary", default=None, help="Mark it as a summary."),
)


def given(parameters: dict[str, Any]) -> dict[str, Any]:
    """The fields that the options name, as the Desk takes them; the text is another matter (`text.py`)."""
    found: dict[str, Any] = {name: parameters[name] for name in LINES if parameters[name] is not None}
    found |= {field: parameters[flag] for flag, field in FLAGS.items() if parameters[flag] is not None}
    found |= {name: people(parameters[name]) for name in ("authors", "contributors") if parameters[name]}
    if parameters["keywords"]:
        found["keywords"] = [word for word in parameters["keywords"] if word]
    if parameters["images"]:
        for image in parameters["images"]:
            check_is_published("--image", image["url"])
        found["images"] = parameters["images"]
    return found


def check_is_published(option: str, url: str) -> None:
    """Refuse what is a file of this computer: readers' browsers would ask the site for it, and show nothing."""
    if os.path.isfile(url) or os.path.isfile(unquote(url)) or url.lower().startswith("file:"):
        raise InvalidError(
            option, f"{url} is a file on this computer, which readers cannot see; upload it and give its address"
        )


def check_text(field: str, text: str) -> None:
    """The same for what a text shows or leads to: HTML in `content_html`, Markdown in `body`."""
    if field == "content_html":
        from .addresses import addresses_of  # with a parser that a body does not need

        addresses = addresses_of(text)
    else:
        addresses = [next(filter(None, groups)) for groups in _IN_MARKDOWN.findall(text)]
    for address in addresses:
        check_is_published(field, address)


# ![a](b.jpg), [a](<b c.jpg>), and [a]: b.jpg on a line of its own
_IN_MARKDOWN = re.compile(r"\]\(\s*(?:<([^<>\n]+)>|([^\s()<>]+))|^ {0,3}\[[^\]\n]+\]:\s*<?([^\s<>]+)", re.M)


def people(names: Iterable[str]) -> list[Any]:
    """`Ana Lee`, or an object for more: `{"name": "Ana Lee", "url": …, "job_title": …}`. An empty name is nobody."""
    import orjson

    found: list[Any] = []
    for name in names:
        try:
            found += [orjson.loads(name) if name.startswith("{") else {"name": name}] if name else []
        except orjson.JSONDecodeError as error:
            raise InvalidError("author", f"begins with {{ but is not JSON: {error.msg}") from None
    return found
