"""`stoppress export` and `stoppress import`. They never read a line themselves: `desk` does."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

import click

from ..newsroom.errors import NotFoundError, StoppressError, TryAgainError
from . import visit
from .asking import copy_input
from .command import Refusal, Taught
from .completion import SOME_STORY, STORY
from .output import acknowledge, is_terminal, line, notice
from .session import Run, editorial, tell_json

if TYPE_CHECKING:
    from ..desk.result import ImportReport
    from .session import Desk

SAID = 20
KINDS = ("liveblog3", "wordpress", "ninjs")  # desk.converters, which is imported only when it is used
SPOOL_BYTES = 16 * 1024 * 1024  # of what is piped in; more waits on disk
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
@SOME_STORY
@click.option("--all", "everything", is_flag=True, help="All stories, one after the other.")
@click.option("--output", "-o", metavar="FILE", help="Not to standard output; with --all, a directory of SLUG.jsonl.")
@editorial
def export(run: Run, slug: str | None, everything: bool, output: str | None) -> None:
    """Write the story SLUG as JSON Lines: first the story, then its posts in reading order, newest first."""
    if bool(slug) == everything:
        raise click.UsageError("name one story, or give --all")
    if output and everything:
        os.makedirs(output, exist_ok=True)

    async def act(desk: Desk) -> None:
        for one in [slug] if slug else [story["slug"] for story in await desk.stories()]:
            file = os.path.join(output, f"{one}.jsonl") if output and everything else output or "-"
            with whole_file(file) if file != "-" else click.open_file("-", "wb") as opened:
                async for row in desk.export(one):
                    with visit.at_once():
                        opened.write(row)

    run.look(act)


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
@STORY
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only check the file; store nothing.")
@click.option("--strict", is_flag=True, help="Refuse a file of which something would be left out or changed.")
@click.option("--from", "kind", type=click.Choice(KINDS), help="The file is another system's: docs/importing.md.")
@editorial
def import_(run: Run, slug: str, file: IO[bytes], dry_run: bool, strict: bool, kind: str | None) -> None:
    """Read posts for the story SLUG from FILE (- is standard input), one JSON object a line, newest first.

    The first line may be the story itself. The whole file is checked before anything is stored; a post that is stored
    already is skipped, so a broken import is finished by running it again. Readers get one new snapshot at the end.
    What a post cannot keep (a form, a script; a player becomes a link) is named by line; with --from, by the item's id.
    """
    from ..desk.converters import lines_from
    from ..desk.lines import lines_of

    bar = _Bar()
    with _rereadable(file) as whole:
        converted = lines_from(kind, whole.read()) if kind else None
        if converted and strict:
            converted.refuse_losses()
        lines = _Lines(converted or lines_of(whole))

        async def act(desk: Desk) -> ImportReport:
            try:
                report = await desk.import_(slug, lines, bar.move, dry_run=dry_run, strict=strict)
                return converted.report(report) if converted else report
            except StoppressError as error:
                if converted:
                    converted.name(error)
                raise
            finally:
                lines.wanted = False

        try:
            report = run.look(act) if dry_run else run.write(act)
        except NotFoundError as error:
            raise Refusal(error) from None  # it says how to make the story, rather than where others are
        except visit.Stopped as error:
            raise TryAgainError(
                f"{error.detail}; part of it may be stored: run the same import again, which skips what is there"
            ) from None
        finally:
            bar.end()
    if run.json:
        tell_json({**report.view(), "dry_run": dry_run}, done=True)
        return
    _tell(report)
    if dry_run:
        click.echo(f"{report.added} to add, {report.skipped} stored already; nothing was stored")
    else:
        acknowledge(f"{report.added} added, {report.skipped} stored already {run.place.public}/live/{slug}")


def _tell(report: ImportReport) -> None:
    """What was not kept and what got another id, the first lines of each, then how many more."""
    for told in report.warnings[:SAID]:
        where = line(told["item"]) if "item" in told else f"line {told['line']} ({line(told['id'])})"
        acknowledge(f"{where}: {line(told['text'])}")
    if (more := len(report.warnings[SAID:]) + report.more) > 0:
        acknowledge(f"and {more} more; --json names them")
    for given, ours in list(report.ids.items())[:SAID]:
        acknowledge(f"id {line(given)} became {ours}")
    if (more := len(report.ids) - SAID) > 0:
        acknowledge(f"and {more} more ids; --json names them")


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


@contextlib.contextmanager
def _rereadable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file; what comes from a terminal or a pipe is read to its end here, before the event loop runs."""
    if _is_file(file):
        yield file
        return
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        copy_input(file, spool)
        spool.seek(0)
        yield spool


def _is_file(file: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False


class _Lines:
    """Lines that are read in a thread, which ends when nobody wants them any more."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.wanted = True

    def __iter__(self) -> Iterator[bytes]:
        for one in self._lines:
            if not self.wanted:
                return
            yield one


class _Bar:
    """A progress bar on stderr, for a person who has to wait."""

    def __init__(self) -> None:
        self._shown = False

    def move(self, done: int, of: int) -> None:
        """`of` 0: that many lines are checked."""
        if 0 < of < LONG or not is_terminal(sys.stderr):
            return
        filled = "█" * (round(done / of * 30) if of else 0)
        text = f"{filled:░<30} {done:,} of {of:,} posts" if of else f"{done:,} lines checked"
        click.echo(f"\r{text:<60}", err=True, nl=done == of)
        self._shown = done != of

    def end(self) -> None:
        if self._shown:
            notice("")
