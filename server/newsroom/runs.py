"""Runs: text with its marks, between the blocks of a post's HTML. Where one begins and ends, and what parts two words.

A run is a paragraph unless it is `bare` (in an `li`, …). Marks are opened when there is text, and closed before a
block, so they may stand around blocks too. What blocks there are, `html.py` decides.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from .safe import MARKS, tag_with
from .tree import Node


class Mark(NamedTuple):
    """An inline element around what is written; two of the same look are still two.

    `is_split`: a link around blocks. It is opened by a word only, or a block without one would keep an empty link.
    """

    tag: str
    opening: str
    node: Node
    is_split: bool = False


Marks = tuple[Mark, ...]
Direction = dict[str, str]  # dir and lang of the wrappers that are not written


class Runs:
    """`out`: all that is written, blocks too. `between`: what parts blocks where only text may stand (in a heading, in
    preformatted text), "" elsewhere.
    """

    def __init__(self) -> None:
        self.out: list[str] = []
        self.between = ""
        self._opened: list[Mark] = []
        self._start = -1  # where the run begins in `out`
        self._closing = ""
        self._is_said = False
        self._is_parted = False  # what comes next, from what stands

    def text(self, text: str, marks: Marks, bare: bool, direction: Direction) -> None:
        self._begin(marks, bare, direction, text.isspace())
        self._is_said = self._is_said or not text.isspace()
        self.out.append(escape(text, quote=False))

    def line_break(self, marks: Marks, bare: bool, direction: Direction) -> None:
        self._begin(marks, bare, direction, True)
        self.out.append("<br>")

    def part(self) -> None:
        """What comes next does not touch what stands, if only by a space."""
        self._is_parted = True

    def apart(self) -> None:
        """What comes next is a run of its own, where there are such."""
        if not self.between:
            self.end()
        self.part()

    def end(self) -> None:
        """End the run. One that shows nothing is taken back; only its line ends stay."""
        if self._start < 0:
            return
        if self._is_said:
            self._close_marks(0)
            self.out.append(self._closing)
        else:
            blank = "".join(part for part in self.out[self._start :] if part.isspace() and part.isascii())
            del self.out[self._start :]
            self.out.append(blank)
            self._opened.clear()
        self._start, self._is_said = -1, False

    def _begin(self, marks: Marks, bare: bool, direction: Direction, is_blank: bool) -> None:
        if self._start < 0:
            self._start = len(self.out)
            self._closing = "" if bare or self.between else "</p>"
            if self._closing:
                self.out.append(tag_with("p", direction))
        same = 0
        while same < min(len(marks), len(self._opened)) and marks[same].node is self._opened[same].node:
            same += 1
        self._close_marks(same)
        if self._is_parted and not is_blank:
            self._is_parted = False
            if self._touches():
                self.out.append(self.between or " ")
        for mark in marks[same:]:
            if mark.is_split and is_blank:
                break
            self.out.append(mark.opening)
            self._opened.append(mark)

    def _close_marks(self, left: int) -> None:
        while len(self._opened) > left:
            self.out.append(f"</{self._opened.pop().tag}>")

    def _touches(self) -> bool:
        """Would a word be read as one with the text that stands?"""
        for part in reversed(self.out):
            if part and not part.startswith("<"):
                return not (part.endswith(self.between) if self.between else part[-1].isspace())
            if part and part.strip("</>").partition(" ")[0] not in MARKS:
                break
        return False


def outside_links(marks: Marks) -> Marks:
    return tuple(mark for mark in marks if mark.tag != "a")
