"""What commands print: tables that fit a terminal and are plain when piped, and text that cannot steer a terminal.

It never reads what is typed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, Any

import click

# Control characters, and those that reorder what stands beside them.
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
GAP = "  "
LEAST = 20  # columns a last cell needs, to stand beside the others


def line(text: str) -> str:
    """`text` as one line that changes nothing but itself."""
    return _STEERING.sub(" ", text)


def paragraphs(text: str) -> str:
    return "\n".join(line(part) for part in text.split("\n"))


def width(text: str) -> int:
    """Columns that a terminal gives it."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(unicodedata.category(sign) in ("Mn", "Me", "Cf") for sign in text)


def cut(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size().columns


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, whole: bool = False) -> None:
    """On a terminal aligned, with a head; else rows with tabs, without a head. The last cell may have several lines.

    On a terminal the last cell is cut to fit, or, `whole`, goes on below itself. Where it would get next to nothing it
    goes below the others, and so do those that do not fit beside each other.
    """
    shown = [[*map(line, row[:-1]), paragraphs(row[-1])] for row in rows]
    if not is_terminal(sys.stdout):
        for row in shown:
            click.echo("\t".join(row).replace("\n", "; "))
        return
    if not shown:
        return
    room = columns()
    widths = [max(width(row[n]) for row in [head, *shown]) for n in range(len(head) - 1)]
    left = room - sum(widths) - len(GAP) * len(widths)
    for n, row in enumerate([list(head), *shown]):
        if left >= LEAST:
            cells = [cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=False)]
            lines = wrapped(row[-1], left) if whole else [cut(row[-1], left)]
            indent = " " * (room - left)
            text = GAP.join([*cells, *lines[:1]]).rstrip() + "".join(f"\n{indent}{more}" for more in lines[1:])
        else:
            text = _folded(row, room)
        click.echo(styled(text, bold=True) if n == 0 else text)


def _folded(row: Sequence[str], room: int) -> str:
    """The cells of a row on as many lines as they need, all but the first indented."""
    lines = [""]
    for cell in filter(None, row[:-1]):
        if lines[-1] and width(lines[-1]) + len(GAP) + width(cell) > room:
            lines.append(GAP + cell)
        else:
            lines[-1] += (GAP if lines[-1] else "") + cell
    lines += [GAP + part for part in wrapped(row[-1], room - len(GAP)) if part]
    return "\n".join(lines)


def wrapped(text: str, room: int) -> list[str]:
    """Lines that fit, broken between words where that is possible."""
    lines: list[str] = []
    for part in text.split("\n"):
        lines.append("")
        for word in part.split(" "):
            if lines[-1] and width(lines[-1]) + 1 + width(word) <= room:
                lines[-1] += " " + word
                continue
            if lines[-1]:
                lines.append("")
            while width(word) > room:  # a long word, or a script without spaces
                lines[-1] = cut(word, room + 1)[:-1] or word[0]
                word = word[len(lines[-1]) :]
                lines.append("")
            lines[-1] = word
    return lines


def styled(text: str, **how: Any) -> str:
    """Coloured or bold, unless somebody asked for none (no-color.org). click leaves it out where no terminal is."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **how)


def is_terminal(stream: IO[str] | None) -> bool:
    """A stream that was closed before we began is none."""
    return stream is not None and not stream.closed and stream.isatty()


class Unwritten(click.ClickException):
    """Standard output takes nothing."""

    exit_code = 74

    def show(self, file: Any = None) -> None:
        click.echo(f"stoppress: {self.format_message()}", err=True)


def acknowledge(text: str | bytes) -> None:
    """Say what came out of a change. Who has closed the pipe has heard enough, and the change stays done."""
    try:
        click.echo(text)
    except BrokenPipeError:
        hush()
    except OSError as error:
        hush()
        raise Unwritten(f"it is done, but what came out cannot be written: {error.strerror}") from None


def hush(stream: IO[str] | None = None) -> None:
    """Let a stream, standard output else, go nowhere from now on: Python tries at its end to write what is left."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def notice(text: str) -> None:
    """For the person at the terminal; never in the way of what is piped, nor of what is done if nobody is there."""
    try:
        click.echo(text, err=True)
    except BrokenPipeError:
        hush(sys.stderr)


def moment(time: str, zone: str = "UTC") -> str:
    """`2026-11-22T17:58:03.120Z` → `2026-11-22 12:58 EST`, as in the zone; unknown → `unknown`."""
    if not time:
        return "unknown"
    from ..web.format import local

    here = local(time, zone)
    return f"{here.day} {here.clock} {here.zone}"


def quoted(text: str) -> str:
    """As part of a question."""
    return f"“{cut(line(text), 60)}”"
