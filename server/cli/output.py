"""What commands print: tables that fit a terminal and are plain when piped, and text that cannot steer a terminal."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence

import click

# Control characters, and those that reorder what stands beside them.
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
GAP = "  "
LEAST = 8  # columns a last cell gets, however narrow the terminal


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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """On a terminal aligned, with a head, the last column cut to fit; else rows with tabs, whole, without a head."""
    shown = [[line(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in shown:
            click.echo("\t".join(row))
        return
    if not shown:
        return
    widths = [max(width(row[n]) for row in [head, *shown]) for n in range(len(head) - 1)]
    left = shutil.get_terminal_size().columns - sum(widths) - len(GAP) * len(widths)
    for n, row in enumerate([list(head), *shown]):
        cells = [cell + " " * (columns - width(cell)) for cell, columns in zip(row, widths, strict=False)]
        text = GAP.join([*cells, cut(row[-1], max(left, LEAST))])
        click.echo(click.style(text, bold=True) if n == 0 else text)


def notice(text: str) -> None:
    """For the person at the terminal; never in the way of what is piped."""
    click.echo(text, err=True)


def moment(time: str) -> str:
    """`2026-11-22T17:58:03.120Z` → `2026-11-22 17:58Z`; unknown → `unknown`."""
    return f"{time[:10]} {time[11:16]}Z" if time else "unknown"


def sure(question: str, yes: bool) -> None:
    """Ask before something is taken out, if there is somebody to ask."""
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(question, abort=True, err=True)
