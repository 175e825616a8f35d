"""`stoppress export` and `stoppress import`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import click

from .command import Taught
from .output import line, notice
from .session import Run, editorial, tell_json

if TYPE_CHECKING:
    from ..desk.result import ImportReport

SAID = 20
KINDS = ("liveblog3", "wordpress", "ninjs")  # desk.converters, which is imported only when it is used
LONG = 500  # posts; a shorter import is done before a bar would be read


@click.command(
    "export",
    cls=Taught,
    examples="""
stoppress export election-night > election-night.jsonl
stoppress export election-night | jq -r 'select(.id) | [.date_published, .headline] | @tsv'
stoppress export --all --output backup
""",
)
@click.argument("slug", required=False)
@click.option("--all", "everything", is_flag=True, help="All stories, one after the other.")
@click.option("--output", "-o", metavar="FILE", help="Not to standard output; with --all, a directory of SLUG.jsonl.")
@editorial
async def export(run: Run, slug: str | None, everything: bool, output: str | None) -> None:
    """Write the story SLUG as JSON Lines: first the story, then its posts in reading order, newest first."""
    if bool(slug) == everything:
        raise click.UsageError("name one story, or give --all")
    slugs = [slug] if slug else [story["slug"] for story in await run.desk.stories()]
    if output and everything:
        os.makedirs(output, exist_ok=True)
    for one in slugs:
        file = os.path.join(output, f"{one}.jsonl") if output and everything else output or "-"
        with whole_file(file) if file != "-" else click.open_file("-", "wb") as opened:
            async for row in run.desk.export(one):
                opened.write(row)


@click.command(
    "import",
    cls=Taught,
    examples="""
stoppress import election-night election-night.jsonl
stoppress import election-night posts.jsonl --dry-run
stoppress import election-night posts.jsonl --strict
stoppress import election-night export.xml --from wordpress
ssh old.example.org stoppress export election-night | stoppress import election-night -
""",
)
@click.argument("slug")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only check the file; store nothing.")
@click.option("--strict", is_flag=True, help="Refuse a file of which something would be left out or changed.")
@click.option("--from", "kind", type=click.Choice(KINDS), help="The file is another system's: docs/importing.md.")
@editorial
async def import_(run: Run, slug: str, file: IO[bytes], dry_run: bool, strict: bool, kind: str | None) -> None:
    """Read posts for the story SLUG from FILE (- is standard input), one JSON object a line, newest first.

    The first line may be the story itself. The whole file is checked before anything is stored; a post that is stored
    already is skipped, so a broken import is finished by running it again. Readers get one new snapshot at the end.
    What a post cannot keep (a form, a script; a player becomes a link) is named by line.
    """
    from ..desk.converters import lines_from
    from ..desk.lines import lines_of

    lines = lines_from(kind, file.read()) if kind else lines_of(file)
    bar = _Bar()
    try:
        report = await run.desk.import_(slug, lines, bar.move, dry_run=dry_run, strict=strict)
    finally:
        bar.end()
    if run.json:
        tell_json({**report.view(), "dry_run": dry_run})
        return
    _tell(report)
    if dry_run:
        click.echo(f"{report.added} to add, {report.skipped} stored already; nothing was stored")
    else:
        click.echo(f"{report.added} added, {report.skipped} stored already {run.place.public}/live/{slug}")


def _tell(report: ImportReport) -> None:
    """What was not kept and what got another id, the first lines of each, then how many more."""
    for told in report.warnings[:SAID]:
        click.echo(f"line {told['line']} ({line(told['id'])}): {line(told['text'])}")
    if (more := len(report.warnings[SAID:]) + report.more) > 0:
        click.echo(f"and {more} more; --json names them")
    for given, ours in list(report.ids.items())[:SAID]:
        click.echo(f"id {line(given)} became {ours}")
    if (more := len(report.ids) - SAID) > 0:
        click.echo(f"and {more} more ids; --json names them")


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all: what stood there stays until the new one is complete."""
    part = f"{path}.part"
    try:
        with open(part, "wb") as opened:
            yield opened
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


class _Bar:
    """A progress bar on stderr, for a person who has to wait."""

    def __init__(self) -> None:
        self._shown = False

    def move(self, done: int, of: int) -> None:
        """`of` 0: that many lines are checked."""
        if 0 < of < LONG or not sys.stderr.isatty():
            return
        filled = "█" * (round(done / of * 30) if of else 0)
        text = f"{filled:░<30} {done:,} of {of:,} posts" if of else f"{done:,} lines checked"
        click.echo(f"\r{text:<60}", err=True, nl=done == of)
        self._shown = done != of

    def end(self) -> None:
        if self._shown:
            notice("")
