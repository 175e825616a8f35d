"""Runs: text with its marks, between the blocks of a post's HTML. Where one begins and ends, and what parts two words.

A run is a paragraph unless it is `bare` (in an `li`, …). Marks are opened when there is text, and closed before a
block, so they may stand around blocks too. What blocks there are, `html.py` decides.
"""

from __future__ import annotations

import re
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


# Punctuation that ends what stands before it, and no word or number: "the <x-term>bridge</x-term>, which".
_GOES_ON = re.compile(r"[.,;:!?…)\]”’»]*(?=\s|$)")
Marks = tuple[Mark, ...]
Direction = dict[str, str]  # dir and lang of the wrappers that are not written


class Runs:
    """`out`: all that is written, blocks too. `between`: what parts blocks where only text may stand (in a heading, in
    preformatted text), "" elsewhere.
    """

    def __init__(self) -> None:
        self.out: list[str] = []
        self.between = ""
        self.words = 0  # how often there was something to read
        self._opened: list[Mark] = []
        self._start = -1  # where the run begins in `out`
        self._closing = ""
        self._is_said = False
        self._is_parted = False  # what comes next, from what stands

    def text(self, text: str, marks: Marks, bare: bool, direction: Direction) -> None:
        self._begin(marks, bare, direction, text)
        if not text.isspace():
            self.words += 1
            self._is_said = True
        self.out.append(escape(text, quote=False))

    def line_break(self, marks: Marks, bare: bool, direction: Direction) -> None:
        self._begin(marks, bare, direction, " ")
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

    def _begin(self, marks: Marks, bare: bool, direction: Direction, text: str) -> None:
        is_blank = text.isspace()
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
            goes_on = None if self.between == "\n" else _GOES_ON.match(text)
            if not goes_on and self._touches():
                self.out.append(self.between or " ")
            self._is_parted = goes_on is not None and goes_on.end() == len(text)
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
        last = next((part for part in reversed(self.out) if part and not _is_mark(part)), "<")
        if last.startswith("<"):
            return False
        return not (last.endswith(self.between) if self.between else last[-1].isspace())


def _is_mark(part: str) -> bool:
    return part.startswith("<") and part.strip("</>").partition(" ")[0] in MARKS


def outside_links(marks: Marks) -> Marks:
    return tuple(mark for mark in marks if mark.tag != "a")
