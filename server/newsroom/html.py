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
from .runs import Direction, Mark, Marks, Runs, outside_links
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
    return Taken(writer.end(), writer.images, writer.notes)


class _Writer:
    """Writes blocks, and between them runs."""

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        self.images: list[Image] = []
        self.notes: list[Note] = []
        self._runs = Runs()
        self._resolve = resolve
        self._captions: set[int] = set()  # nodes that their figure says

    def end(self) -> str:
        """All that was written."""
        self._runs.end()
        return "".join(self._runs.out)

    # Blocks

    def flow(self, nodes: list[Node | str], marks: Marks, bare: bool, direction: Direction) -> None:
        """Text, marks and blocks, as they come."""
        for node in nodes:
            if isinstance(node, str):
                self._runs.text(node, marks, bare, direction)
            else:
                self._element(node, marks, bare, direction)

    def _element(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        tag = RENAMED.get(node.tag, node.tag)
        if id(node) in self._captions:
            self._runs.apart()
        elif tag == "br":
            self._runs.line_break(marks, bare, direction)
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
            mark = Mark(tag, tag_with(tag, attributes_of(node, tag)), node)
            self.flow(node.children, (*marks, mark), bare, direction)
        elif tag in WRAPPERS:
            self._wrapper(node, marks, bare, direction)
        elif tag in BLOCKS or tag in HEADINGS:
            if self._runs.between:
                self._runs.apart()
                self.flow(node.children, marks, bare, direction)
                self._runs.apart()
            else:
                self._block(HEADINGS.get(tag, tag), node, marks, direction)
        else:
            self._inline(node, marks, bare, direction)

    def _inline(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag in ("button", "math"):
            self._left(node.tag, f"{node.tag} became its text")
        is_box = node.tag in ("button", "label")
        if is_box:
            self._runs.text(" ", marks, bare, direction)
        self.flow(elsewhere.formula(node) if node.tag == "math" else node.children, marks, bare, direction)
        if is_box:
            self._runs.text(" ", marks, bare, direction)

    def _wrapper(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag == "form":
            self._left("form", "form left out, its text kept")
        if elsewhere.is_figure(node):
            self._figure(node, marks, direction)
            return
        given = attributes_of(node, "p")
        own = direction | {name: given[name] for name in ("dir", "lang") if name in given}
        self._runs.apart()
        self.flow(elsewhere.label_and_value(node), marks, False, own)
        self._runs.apart()

    def _block(self, tag: str, node: Node, marks: Marks, direction: Direction) -> None:
        """A block and what is in it; the direction of wrappers goes on it, and holds inside."""
        self._runs.end()
        if tag == "figure":
            self._figure(node, marks, direction)
        elif tag == "hr":
            self._runs.out.append("<hr>")
        else:
            with self._inside(tag, {**direction, **attributes_of(node, tag)}):
                if tag in ("ul", "ol"):
                    self._items(node, marks)
                elif tag == "dl":
                    self._terms(node, marks)
                elif tag == "table":
                    self._rows(node, marks)
                elif tag in ("h4", "h5", "pre"):
                    begin = len(self._runs.out)
                    self._runs.between = "\n" if tag == "pre" else " "
                    self.flow(node.children, marks, True, {})
                    self._runs.end()
                    self._runs.between = ""
                    if tag == "pre":
                        self._drop_line_ends(begin)
                else:
                    self.flow(node.children, marks, tag != "blockquote", {})

    @contextmanager
    def _inside(self, tag: str, attributes: dict[str, str]) -> Iterator[None]:
        self._runs.out.append(tag_with(tag, attributes))
        yield
        self._runs.end()
        self._runs.out.append(f"</{tag}>")

    def _drop_line_ends(self, begin: int) -> None:
        """A parser drops one right behind `<pre>`, so a text that begins with one would lose it next time."""
        while begin < len(self._runs.out) and not self._runs.out[begin].lstrip("\n"):
            del self._runs.out[begin]
        if begin < len(self._runs.out):
            self._runs.out[begin] = self._runs.out[begin].lstrip("\n")

    def _items(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str) and child.isspace():
                self._runs.out.append(child)
            elif isinstance(child, Node) and child.tag == "li":
                with self._inside("li", attributes_of(child, "li")):
                    self.flow(child.children, marks, True, {})
            elif isinstance(child, Node) and child.tag in ("ul", "ol", "menu", "dir") and self._reopens("</li>"):
                self._element(child, marks, True, {})
                self._runs.out.append("</li>")
            else:
                with self._inside("li", {}):
                    self.flow([child], marks, True, {})

    def _reopens(self, closing: str) -> bool:
        """A list that stands right in a list belongs to the item above it: go on in that."""
        at = len(self._runs.out) - 1
        while at >= 0 and not self._runs.out[at].strip():
            at -= 1
        if at < 0 or self._runs.out[at] != closing:
            return False
        del self._runs.out[at:]
        return True

    def _terms(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str) and child.isspace():
                self._runs.out.append(child)
            elif isinstance(child, Node) and child.tag == "div":  # HTML lets a div hold a term and what is said of it
                self._terms(child, marks)
            else:
                tag = child.tag if isinstance(child, Node) and child.tag in ("dt", "dd") else ""
                with self._inside(tag or "dd", attributes_of(child, tag) if tag and isinstance(child, Node) else {}):
                    self.flow(child.children if tag and isinstance(child, Node) else [child], marks, True, {})

    def _rows(self, node: Node, marks: Marks) -> None:
        for child in node.children:
            if isinstance(child, str):
                self._runs.out.append(escape(child))  # white space: a parser moves text out of a table
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
        self._runs.end()
        captions = list(elsewhere.captions_of(node))
        self._captions |= {id(part) for part in captions}
        begin, pictures = len(self._runs.out), len(self.images)
        with self._inside("figure", {**direction, **attributes_of(node, "figure")}):
            body = len(self._runs.out)
            self.flow(node.children, marks, False, {})
            self._runs.end()
            is_left = any(part.strip() for part in self._runs.out[body:])
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
            self._runs.out[begin] = ""
            self._runs.out[-1] = ""

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
            self._runs.text(found.text, marks, bare, direction)
            return
        self._runs.part()
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
        outside = outside_links(marks)
        link = Mark("a", tag_with("a", {"href": where}), node)
        self._runs.apart()
        self._runs.text(title or re.sub(r"^https?://(www\.)?", "", where), (*outside, link), bare, direction)
        self._runs.apart()

    def _link(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        given = node.attributes.get("href", "")
        where = self._resolve(given) or absolute(given)
        if is_link(where) and says(node):
            opening = tag_with("a", {"href": where, **attributes_of(node, "span")})
            is_split = any(elsewhere.is_block(part.tag) for part in node.elements())
            marks = (*outside_links(marks), Mark("a", opening, node, is_split))
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
            self._runs.part()
            self._left(tag, f"{'form field' if tag in ('input', 'select', 'textarea') else tag} left out")

    def _left(self, kind: str, text: str) -> None:
        self.notes.append(Note(kind, text))
