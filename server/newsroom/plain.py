"""What a person would read aloud of a post's HTML: its `article_body`.

A blank line between paragraphs, list items as lines ("- " or their number), a table's row as a line ("Red · – · 12"),
terms as "Dead: 3". Powers and indices keep what they say: 10⁶, m², CO₂, x^(n+1), 2^(2³). What is struck out nobody
reads aloud, unless there is nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import normalize

from .tree import Node, parse

_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLOCKS = frozenset("p pre blockquote h4 h5 hr table caption dl figure figcaption".split())
_RAISED = str.maketrans("0123456789+-−=()abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_LOWERED = str.maketrans("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
# 21st, 1er, 2e, 3º are read as they stand, and so are ™ and a footnote's [1].
_ORDINAL = re.compile(r"st|nd|rd|th|er|re|e|è|ère|ème|o|a|os|as", re.I)
_ASIDE = re.compile(r"[º°ª®™†‡*]+|TM|SM|\[.*\]")
_ROMAN = [(1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")]
_ROMAN += [(9, "ix"), (5, "v"), (4, "iv"), (1, "i")]


_STRUCK = frozenset({"del", "s", "strike"})


def plain(html: str) -> str:
    """The text of sanitised HTML."""
    root = parse(html)
    assert root
    return read_aloud(root)


def read_aloud(node: Node) -> str:
    """The text of a node that stands for itself."""
    for skip in (_STRUCK, frozenset[str]()):
        reader = _Reader(skip)
        reader.walk(node)
        if text := reader.text():
            return text
    return ""


class _Reader:
    """Writes text while it walks the tree: `gap` line ends and `lead` go before the next word."""

    def __init__(self, skip: frozenset[str]) -> None:
        self._skip = skip
        self._was_struck = False
        self._out: list[str] = []
        self._gap = 0
        self._lead = ""
        self._lists = 0
        self._in_pre = False

    def text(self) -> str:
        lines = re.sub(r"\n{3,}", "\n\n", "".join(self._out)).split("\n")
        # Line by line: a pattern such as `[ \t]+\n` takes time in the square of a run of spaces, and holds the GIL.
        return "\n".join(line.rstrip(" \t") for line in lines).strip()

    def walk(self, node: Node) -> None:
        for child in node.children:
            if isinstance(child, str):
                self._words(child)
            else:
                self._element(child, node)

    def _words(self, text: str) -> None:
        if not self._in_pre:
            text = _SPACE.sub(" ", text)
            if self._gap or self._lead or not self._out or self._out[-1].endswith("\n"):
                text = text.lstrip(" ")
        if text:
            if self._was_struck and self._meets(text):
                text = f" {text}"
            self._was_struck = False
            self._out.append("\n" * self._gap * bool(self._out) + self._lead + text)
            self._gap, self._lead = 0, ""

    def _meets(self, text: str) -> bool:
        """Does a word now touch a number, or a number a word, because what stood between was struck out?"""
        before = self._out[-1][-1:] if self._out and not self._gap else ""
        return (before.isalpha() and text[0].isdigit()) or (before.isdigit() and text[0].isalpha())

    def _part(self, gap: int) -> None:
        if not self._lead:  # the first paragraph of a list item goes on behind its "- "
            self._gap = max(self._gap, gap)

    def _element(self, node: Node, parent: Node) -> None:
        tag = node.tag
        if tag in self._skip:
            self._was_struck = True
        elif tag == "br":
            self._out.append("\n")
        elif tag in ("ul", "ol"):
            self._list(node)
        elif tag == "tr":
            self._row(node)
        elif tag == "dl":
            self._terms(node)
        elif tag in ("sub", "sup"):
            text = _SPACE.sub(" ", self._said(node))
            self._words(_shifted(node.tag, text, self._out[-1][-1:] if self._out else ""))
        elif tag in ("q", "rt"):
            before, after = "“”" if tag == "q" else "()"
            self._words(before)
            self.walk(node)
            self._words(after)
        elif tag in _BLOCKS:
            self._part(2)
            self._in_pre = tag == "pre"
            self.walk(node)
            self._in_pre = False
            self._part(2)
        elif tag != "rp":
            self.walk(node)

    def _list(self, node: Node) -> None:
        self._gap = max(self._gap, 1 if self._lists else 2)
        self._lists += 1
        items = [child for child in node.children if isinstance(child, Node)]
        marks = _numbers(node, items) if node.tag == "ol" else ["- "] * len(items)
        for item, mark in zip(items, marks, strict=True):
            self._gap = max(self._gap, 1)
            # A list that begins its item ("- 1. one") keeps the marks of both.
            self._lead += mark
            self.walk(item)
            self._lead = ""
        self._lists -= 1
        self._gap = max(self._gap, 1 if self._lists else 2)

    def _row(self, node: Node) -> None:
        cells = []
        for cell in node.children:
            if isinstance(cell, Node):
                cells.append(_SPACE.sub(" ", self._said(cell)))
        while cells and not cells[-1]:
            cells.pop()
        self._part(1)
        self._words(" · ".join(cell or "–" for cell in cells))
        self._part(1)

    def _terms(self, node: Node) -> None:
        self._part(2)
        before = ""
        for child in node.children:
            if isinstance(child, str):
                continue
            if child.tag == "dd" and before:
                text = self._said(child)
                if not text:
                    continue
                self._gap, self._lead = 0, ""
                self._out.append(("; " if before == "dd" else " " if self._ends_with(":") else ": ") + text)
            else:
                self._part(1)
                self.walk(child)
            before = child.tag
        self._part(2)

    def _said(self, node: Node) -> str:
        """The text of a part that stands for itself."""
        if all(isinstance(child, str) for child in node.children):
            return _SPACE.sub(" ", node.text()).strip()
        reader = _Reader(self._skip)
        reader.walk(node)
        return reader.text()

    def _ends_with(self, mark: str) -> bool:
        return bool(self._out) and self._out[-1].rstrip().endswith(mark)


def _numbers(node: Node, items: list[Node]) -> Iterator[str]:
    """The markers of an `ol`: its `start`, `reversed` and `type`, and each item's own `value`."""
    is_reversed = "reversed" in node.attributes
    number = int(node.attributes.get("start") or (len(items) if is_reversed else 1))
    for item in items:
        number = int(item.attributes.get("value") or number)
        yield f"{_counted(number, node.attributes.get('type', '1'))}. "
        number += -1 if is_reversed else 1


def _counted(number: int, kind: str) -> str:
    """7 → "7", "g", "vii" by the `type` of a list."""
    if kind == "1" or not 0 < number < 4000:
        return str(number)
    made = ""
    if kind in "aA":
        while number:
            number, letter = divmod(number - 1, 26)
            made = chr(97 + letter) + made
    else:
        for worth, sign in _ROMAN:
            made += sign * (number // worth)
            number %= worth
    return made if kind in "ai" else made.upper()


def _shifted(tag: str, text: str, before: str) -> str:
    """The text of a `sup` or `sub`; `before` is the sign it stands behind."""
    table = _RAISED if tag == "sup" else _LOWERED
    if not text or (tag == "sup" and (_ASIDE.fullmatch(text) or (before.isdigit() and _ORDINAL.fullmatch(text)))):
        return text
    if all(ord(sign) in table for sign in text):
        return text.translate(table)
    is_plain = text.isalnum() and normalize("NFKC", text) == text  # 2³ in a power is not 23
    return f"{'^' if tag == 'sup' else '_'}{text if is_plain else f'({text})'}"
