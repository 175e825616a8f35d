"""HTML from elsewhere, as a post keeps it: nothing lost or changed without a note.

nh3's parser (html5ever, a browser's) decides what the HTML means; `_Writer` says it again in the tags a post may have.
Wrappers become paragraphs, so that no two pieces of text that stood apart touch; pictures move out, to be fields of
the post; players become links; what cannot be kept is noted. The result is not safe yet: `safe.sanitised` comes last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import NamedTuple

from . import elsewhere
from .elsewhere import HEADINGS, OUT, PLAYERS, RENAMED, UNSAID, WRAPPERS, read, says
from .model import Image
from .pictures import NoPicture, address_of, credit_of, picture_of
from .safe import BLOCKS, MARKS, absolute, attributes_of, is_link, tag_with
from .tree import Node


class Note(NamedTuple):
    """What became of a piece of a body. `kept`: nothing of it is lost."""

    kind: str
    text: str
    kept: bool = False


class Taken(NamedTuple):
    """`html`: still to be sanitised. `images`: the pictures that stood in it, in order."""

    html: str
    images: list[Image]
    notes: list[Note]


def take(html: str, deepest: int, resolve: Callable[[str], str | None] | None = None) -> Taken | None:
    """None if tags nest deeper than `deepest`. `resolve`: a link's address → where that is here, if it knows."""
    root = read(html, deepest)
    if root is None:
        return None
    writer = _Writer(resolve or (lambda address: None))
    writer.notes += [Note(tag, f"{tag} left out") for tag in elsewhere.dropped(html)]
    writer.flow(root.children, (), False, {})
    writer.end()
    return Taken("".join(writer.out), writer.images, writer.notes)


class _Mark(NamedTuple):
    """An inline element around what is written; two of the same look are still two.

    `is_split`: a link around blocks. It is opened by a word only, or a block without one would keep an empty link.
    """

    tag: str
    opening: str
    node: Node
    is_split: bool = False


Marks = tuple[_Mark, ...]
Direction = dict[str, str]  # dir and lang of the wrappers that are not written


class _Writer:
    """Writes blocks, and between them runs: text with its marks, each a paragraph unless it is `bare` (in an `li`, …).

    Marks are opened when there is text, and closed before a block, so they may stand around blocks too.
    """

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        self.out: list[str] = []
        self.images: list[Image] = []
        self.notes: list[Note] = []
        self._resolve = resolve
        self._captions: set[int] = set()  # nodes that their figure says
        self._opened: list[_Mark] = []
        self._start = -1  # where the run begins in `out`
        self._closing = ""
        self._is_said = False
        self._is_parted = False  # what comes next, from what stands
        self._between = ""  # what parts blocks where only text may stand: in a heading, in preformatted text

    # Runs

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

    def text(self, text: str, marks: Marks, bare: bool, direction: Direction) -> None:
        self._begin(marks, bare, direction, text.isspace())
        self._is_said = self._is_said or not text.isspace()
        self.out.append(escape(text, quote=False))

    def _begin(self, marks: Marks, bare: bool, direction: Direction, is_blank: bool) -> None:
        if self._start < 0:
            self._start = len(self.out)
            self._closing = "" if bare or self._between else "</p>"
            if self._closing:
                self.out.append(tag_with("p", direction))
        same = 0
        while same < min(len(marks), len(self._opened)) and marks[same].node is self._opened[same].node:
            same += 1
        self._close_marks(same)
        if self._is_parted and not is_blank:
            self._is_parted = False
            if self._touches():
                self.out.append(self._between or " ")
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
                return not (part.endswith(self._between) if self._between else part[-1].isspace())
            if part and part.strip("</>").partition(" ")[0] not in MARKS:
                break
        return False

    def _apart(self) -> None:
        """What comes next does not touch what stands."""
        if not self._between:
            self.end()
        self._is_parted = True

    # Blocks

    def flow(self, nodes: list[Node | str], marks: Marks, bare: bool, direction: Direction) -> None:
        """Text, marks and blocks, as they come."""
        for node in nodes:
            if isinstance(node, str):
                self.text(node, marks, bare, direction)
            else:
                self._element(node, marks, bare, direction)

    def _element(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        tag = RENAMED.get(node.tag, node.tag)
        if id(node) in self._captions:
            self._apart()
        elif tag == "br":
            self._begin(marks, bare, direction, True)
            self.out.append("<br>")
        elif tag == "img":
            self._picture(node, marks, bare, direction)
        elif tag in PLAYERS:
            self._player(node, marks, bare, direction)
        elif tag in OUT:
            self._leave_out(node)
        elif tag in UNSAID:
            pass
        elif tag == "a":
            self._link(node, marks, bare, direction)
        elif tag in MARKS and (tag != "span" or attributes_of(node, "span")):
            mark = _Mark(tag, tag_with(tag, attributes_of(node, tag)), node)
            self.flow(node.children, (*marks, mark), bare, direction)
        elif tag in WRAPPERS:
            self._wrapper(node, marks, bare, direction)
        elif tag in BLOCKS or tag in HEADINGS:
            if self._between:
                self._apart()
                self.flow(node.children, marks, bare, direction)
                self._apart()
            else:
                self._block(HEADINGS.get(tag, tag), node, marks, direction)
        else:
            self._inline(node, marks, bare, direction)

    def _inline(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag in ("button", "math"):
            self._left(node.tag, f"{node.tag} became its text")
        is_box = node.tag in ("button", "label")
        if is_box:
            self.text(" ", marks, bare, direction)
        self.flow(elsewhere.formula(node) if node.tag == "math" else node.children, marks, bare, direction)
        if is_box:
            self.text(" ", marks, bare, direction)

    def _wrapper(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag == "form":
            self._left("form", "form left out, its text kept")
        if elsewhere.is_figure(node):
            self._figure(node, marks, direction)
            return
        given = attributes_of(node, "p")
        own = direction | {name: given[name] for name in ("dir", "lang") if name in given}
        self._apart()
        self.flow(elsewhere.label_and_value(node), marks, False, own)
        self._apart()

    def _block(self, tag: str, node: Node, marks: Marks, direction: Direction) -> None:
        """A block and what is in it; the direction of wrappers goes on it, and holds inside."""
        self.end()
        if tag == "figure":
            self._figure(node, marks, direction)
        elif tag == "hr":
            self.out.append("<hr>")
        else:
            with self._inside(tag, {**direction, **attributes_of(node, tag)}):
                if tag in ("ul", "ol"):
                    self._items(node, marks)
                elif tag == "dl":
                    self._terms(node, marks)
                elif tag == "table":
                    self._rows(node, marks)
                elif tag in ("h4", "h5", "pre"):
                    begin = len(self.out)
                    self._between = "\n" if tag == "pre" else " "
                    self.flow(node.children, marks, True, {})
                    self.end()
                    self._between = ""
                    if tag == "pre":
                        self._drop_line_ends(begin)
                else:
                    self.flow(node.children, marks, tag != "blockquote", {})

    @contextmanager
    def _inside(self, tag: str, attributes: dict[str, str]) -> Iterator[None]:
        self.out.append(tag_with(tag, attributes))
        yield
        self.end()
        self.out.append(f"</{tag}>")

    def _drop_line_ends(self, begin: int) -> None:
        """A parser drops one right behind `<pre>`, so a text that begins with one would lose it next time."""
        while begin < len(self.out) and not self.out[begin].lstrip("\n"):
            del self.out[begin]
        if begin < len(self.out):
            self.out[begin] = self.out[begin].lstrip("\n")

    def _items(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str) and child.isspace():
                self.out.append(child)
            elif isinstance(child, Node) and child.tag == "li":
                with self._inside("li", attributes_of(child, "li")):
                    self.flow(child.children, marks, True, {})
            elif isinstance(child, Node) and child.tag in ("ul", "ol", "menu", "dir") and self._reopens("</li>"):
                self._element(child, marks, True, {})
                self.out.append("</li>")
            else:
                with self._inside("li", {}):
                    self.flow([child], marks, True, {})

    def _reopens(self, closing: str) -> bool:
        """A list that stands right in a list belongs to the item above it: go on in that."""
        at = len(self.out) - 1
        while at >= 0 and not self.out[at].strip():
            at -= 1
        if at < 0 or self.out[at] != closing:
            return False
        del self.out[at:]
        return True

    def _terms(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str) and child.isspace():
                self.out.append(child)
            elif isinstance(child, Node) and child.tag == "div":  # HTML lets a div hold a term and what is said of it
                self._terms(child, marks)
            else:
                tag = child.tag if isinstance(child, Node) and child.tag in ("dt", "dd") else ""
                with self._inside(tag or "dd", attributes_of(child, tag) if tag and isinstance(child, Node) else {}):
                    self.flow(child.children if tag and isinstance(child, Node) else [child], marks, True, {})

    def _rows(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str):
                self.out.append(escape(child))  # white space: a parser moves text out of a table
            elif child.tag in ("thead", "tbody", "tfoot", "tr"):
                with self._inside(child.tag, attributes_of(child, child.tag)):
                    self._rows(child, marks)
            elif child.tag in ("td", "th", "caption"):
                with self._inside(child.tag, attributes_of(child, child.tag)):
                    self.flow(child.children, marks, True, {})
            else:
                self._element(child, marks, True, {})

    def _figure(self, node: Node, marks: Marks, direction: Direction) -> None:
        """Pictures leave it, and its caption goes with the first; what is left stays a figure if it has a caption."""
        self.end()
        captions = list(elsewhere.captions_of(node))
        self._captions |= {id(part) for part in captions}
        begin, pictures = len(self.out), len(self.images)
        with self._inside("figure", {**direction, **attributes_of(node, "figure")}):
            body = len(self.out)
            self.flow(node.children, marks, False, {})
            self.end()
            is_left = any(part.strip() for part in self.out[body:])
            moved = len(self.images) > pictures
            if moved and captions:
                self._caption(captions, pictures)
            for part in () if moved else captions:
                if is_left:
                    with self._inside("figcaption", attributes_of(part, "figcaption")):
                        self.flow(part.children, marks, True, {})
                else:
                    self.flow(part.children, marks, False, {**direction, **attributes_of(part, "p")})
        if not is_left or moved or not captions:  # no figure: what it holds stands for itself
            self.out[begin] = ""
            self.out[-1] = ""

    def _caption(self, captions: list[Node], at: int) -> None:
        caption, credit = credit_of(captions)
        image = self.images[at]
        image.caption = image.caption or caption
        image.credit_text = image.credit_text or credit
        for part in captions:
            for link in part.elements():
                if link.tag == "a" and link.attributes.get("href"):
                    self._left("link", f"link to {link.attributes['href'][:80]} in a caption left out, its text kept")

    # What is not text

    def _picture(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        found = picture_of(node)
        if isinstance(found, NoPicture) and found.is_text:
            self.text(found.text, marks, bare, direction)
            return
        self._is_parted = True
        if isinstance(found, Image):
            self.images.append(found)
        else:
            self._left("img", found.text)

    def _player(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        where, title = address_of(node)
        if not is_link(where):
            self._left(node.tag, f"{node.tag} left out: it has no address that can be linked")
            return
        self._left(node.tag, f"{node.tag} became a link to {where[:80]}")
        outside = _outside_links(marks)
        link = _Mark("a", tag_with("a", {"href": where}), node)
        self._apart()
        self.text(title or re.sub(r"^https?://(www\.)?", "", where), (*outside, link), bare, direction)
        self._apart()

    def _link(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        given = node.attributes.get("href", "")
        where = self._resolve(given) or absolute(given)
        if is_link(where) and says(node):
            opening = tag_with("a", {"href": where, **attributes_of(node, "span")})
            is_split = any(elsewhere.is_block(part.tag) for part in node.elements())
            marks = (*_outside_links(marks), _Mark("a", opening, node, is_split))
        elif is_link(where):
            pictures = [picture_of(part) for part in node.elements() if part.tag == "img"]
            if not any(
                isinstance(one, Image) and one.url.partition("?")[0] == where.partition("?")[0] for one in pictures
            ):
                self._left("link", f"link to {where[:80]} left out: it has no text")
        elif given and says(node):
            self._left("link", f"link to {given[:80]} left out, its text kept")
        elif not given and says(node) and not node.attributes.keys() & {"name", "id"}:
            self._left("link", "link without a known address left out, its text kept")
        self.flow(node.children, marks, bare, direction)

    def _leave_out(self, node: Node) -> None:
        tag = node.tag
        if tag == "noscript":  # where pages that load pictures late keep the real one
            inner = read(node.text(), 100)
            for part in inner.elements() if inner else ():
                found = picture_of(part) if part.tag == "img" else None
                if isinstance(found, Image) and not any(one.url == found.url for one in self.images):
                    self.images.append(found)
        elif tag == "input" and node.attributes.get("type") == "hidden":
            pass
        else:
            self._is_parted = True
            self._left(tag, f"{'form field' if tag in ('input', 'select', 'textarea') else tag} left out")

    def _left(self, kind: str, text: str) -> None:
        self.notes.append(Note(kind, text))


def _outside_links(marks: Marks) -> Marks:
    return tuple(mark for mark in marks if mark.tag != "a")
