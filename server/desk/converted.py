"""What a converter hands over: lines to import, the name of each where it comes from, and what was lost on the way.

It never stores any of it.

A line's number means nothing to somebody whose file had no lines, so what is told of one is told by the item's own id.
All of that stays on this side: a server that imports, here or far away, sees lines like any others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson

from ..newsroom.errors import InvalidError, StoppressError
from ..newsroom.text import Note
from .foreign import Line
from .lines import together
from .result import ImportReport

STORY = "the story"
_LINE = re.compile(r"^line (\d+)(?=:)|(?<= stands in )line (\d+)(?= already)", re.M)


class Row(NamedTuple):
    """An item of the other system. Without `line` nothing of it is imported; without `item` it is the whole file."""

    item: str
    line: Line | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """`notes`: by item, with the number of its line (0 = it has none)."""

    lines: list[bytes]
    items: list[str]
    notes: list[tuple[str, int, Note]]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Converted:
        made = cls([], [], [])
        for item, line, notes in rows:
            if line is not None:
                made.lines.append(orjson.dumps(line) + b"\n")
                made.items.append(item)
            made.notes.extend((item, len(made.lines) if line is not None else 0, note) for note in notes)
        return made

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.lines)

    def refuse_losses(self) -> None:
        """For a strict import. Raises InvalidError that names them."""
        lost = [
            InvalidError(item or "file", f"{note.text} (strict: nothing may be lost)", line=line)
            for item, line, note in self.notes
            if not note.kept
        ]
        if lost:
            raise together(lost)

    def report(self, report: ImportReport) -> ImportReport:
        """The same with what was lost before, first; each warning has the `item` that it is about."""
        before = [
            {
                "line": line,
                "id": report.ids.get(item, item),
                "item": item or "file",
                "kind": note.kind,
                "text": note.text,
            }
            for item, line, note in self.notes
        ]
        after = [{**told, "item": self.items[told["line"] - 1]} for told in report.warnings]
        return replace(report, warnings=before + after)

    def name(self, error: StoppressError) -> None:
        """Makes the error tell the names of items for the numbers of lines."""
        error.detail = self._names(error.detail)
        for told in error.extra.get("lines", ()):
            told["detail"] = self._names(told["detail"])

    def _names(self, detail: str) -> str:
        def name(found: re.Match[str]) -> str:
            number = int(found[1] or found[2])
            return self.items[number - 1] if 0 < number <= len(self.items) else found[0]

        return _LINE.sub(name, detail)
