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

from . import elsewhere, tags
from .elsewhere import read, says, told
from .mathml import formula
from .model import Image
from .note import Note
from .pictures import NoPicture, address_of, credit_of, is_counter, picture_of
from .runs import Direction, Mark, Marks, Runs, outside_links
from .safe import BLOCKS, MARKS, absolute, attributes_of, is_link, tag_with
from .tree import Node

# Not the parts of a table, whose cells keep their columns, and not the items of an `ol`, which keep their numbers.
_SHELLS = frozenset("blockquote dd dl dt h4 h5 ol pre table ul".split())


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
    writer.notes += [Note(*one) for one in elsewhere.unseen(html)]
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
        tag = tags.kind(node.tag)
        if id(node) in self._captions:
            self._runs.apart()
        elif tag == "br":
            self._runs.line_break(marks, bare, direction)
        elif tag == "img":
            self._picture(node, marks, bare, direction)
            self.flow(node.children, marks, bare, direction)  # of an amp-img
        elif tag in tags.PLAYERS:
            self._player(node, marks, bare, direction)
        elif tag in tags.OUT:
            self._leave_out(node)
        elif tag in tags.NOTHING:
            self.flow(node.children, marks, bare, direction)
        elif tag == "a":
            self._link(node, marks, bare, direction)
        elif tag in MARKS and (tag != "span" or attributes_of(node, "span")):
            mark = Mark(tag, tag_with(tag, attributes_of(node, tag)), node)
            self.flow(node.children, (*marks, mark), bare, direction)
        elif tag in tags.WRAPPERS:
            self._wrapper(node, marks, bare, direction)
        elif tag in BLOCKS or tag in tags.HEADINGS:
            if self._runs.between:
                self._runs.apart()
                self.flow(node.children, marks, bare, direction)
                self._runs.apart()
            else:
                self._block(tags.HEADINGS.get(tag, tag), node, marks, direction)
        elif tag in tags.STYLED or tag in tags.FORMULA:
            self._inline(node, marks, bare, direction)
        else:
            self._unknown(node, marks, bare, direction)

    def _inline(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag in tags.BOXES:
            self._runs.part()
        self.flow(node.children, marks, bare, direction)
        if node.tag in tags.BOXES:
            self._runs.part()

    def _unknown(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        """A tag that a post has no answer to: its text, if it has any; else a link, if it leads somewhere."""
        tag = node.tag
        before = self._shown()
        if tag == "math":
            self.flow(formula(node), marks, bare, direction)
        else:
            self._runs.part()
            self.flow(node.children, marks, bare, direction)
            self._runs.part()
        itself = Node(tag, node.attributes)  # what stands in it has been said
        itself.children = [one for one in node.children if isinstance(one, Node) and one.tag in ("source", "param")]
        where, _ = address_of(itself)
        if self._shown() > before:
            self._left(tag, f"{tag} became its text" + (f", its address left out: {where[:200]}" if where else ""))
        elif where:
            self._player(itself, marks, bare, direction)
        else:
            self._leave_out(itself)

    def _shown(self) -> int:
        return self._runs.words + len(self.images)

    def _wrapper(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        if node.tag == "form":
            self._left("form", "form left out, its text kept")
        if elsewhere.is_figure(node):
            self._figure(node, marks, direction)
            return
        if address_of(node)[0] and not says(node) and all(one.tag in tags.WRAPPERS for one in node.elements()):
            self._player(node, marks, False, direction)  # a script would fill it
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
        begin, words, pictures = len(self._runs.out), self._runs.words, len(self.images)
        self._runs.out.append(tag_with(tag, attributes))
        yield
        self._runs.end()
        if tag in _SHELLS and len(self.images) > pictures and self._runs.words == words:
            del self._runs.out[begin:]  # pictures stood in it, and nothing else
        else:
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
                begin, before, pictures = len(self._runs.out), self._shown(), len(self.images)
                with self._inside("li", attributes_of(child, "li")):
                    self.flow(child.children, marks, True, {})
                if node.tag != "ol" and self._shown() - before == len(self.images) - pictures > 0:
                    del self._runs.out[begin:]  # a picture was all of it
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
            # A gallery's pictures have their own captions, and it has one for all.
            is_own = moved and not (self.images[pictures].caption or self.images[pictures].credit_text)
            if is_own and captions:
                self._caption(captions, pictures)
            for part in () if is_own else captions:
                if is_left and not moved:
                    with self._inside("figcaption", attributes_of(part, "figcaption")):
                        self.flow(part.children, marks, True, {})
                else:
                    self.flow(part.children, marks, False, {**direction, **attributes_of(part, "p")})
        if not is_left or moved or not captions:  # no figure: what it holds stands for itself
            self._runs.out[begin] = ""
            self._runs.out[-1] = ""

    def _caption(self, captions: list[Node], at: int) -> None:
        self.images[at].caption, self.images[at].credit_text = credit_of(captions)
        for part in captions:
            for link in part.elements():
                if link.tag == "a" and link.attributes.get("href"):
                    self._left("link", f"link to {link.attributes['href'][:80]} in a caption left out, its text kept")

    # What is not text

    def _picture(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        found = picture_of(node)
        if isinstance(found, NoPicture) and found.is_text:
            self._runs.text(found.text, marks, bare, direction)
        else:
            self._runs.part()
            self._move(found)

    def _move(self, found: Image | NoPicture) -> None:
        if isinstance(found, Image):
            self.images.append(found)
        else:
            self._left("img", found.text, found.is_kept)

    def _player(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        """A link to where it plays. What an object holds takes its place where it has no address."""
        tag = node.tag
        where, title = address_of(node)
        before = self._shown()
        self._runs.part()
        if is_counter(node):
            self._left(tag, f"{tag} left out: it only counts readers", is_kept=True)
        elif where:
            self._left(tag, f"{tag} became a link to {where[:80]}")
            link = Mark("a", tag_with("a", {"href": where}), node)
            text = title or re.sub(r"^https?://(www\.)?", "", where)
            self._runs.apart()
            self._runs.text(text, (*outside_links(marks), link), bare, direction)
            self._runs.apart()
        else:
            if tag in tags.FLOWING:
                self.flow(node.children, marks, bare, direction)
                self._runs.part()
            if self._shown() == before or node.attributes.get("data"):
                self._left(tag, f"{tag} left out: it has no address that can be linked")
        if where or tag not in tags.FLOWING:
            self._beside(node, where)

    def _beside(self, node: Node, where: str) -> None:
        """What a player shows until it plays, or where it cannot: its pictures are kept, its words told."""
        if node.attributes.get("poster"):
            self._move(picture_of(Node("img", {"src": node.attributes["poster"]})))
        for part in node.elements():
            if tags.kind(part.tag) == "img":
                self._move(picture_of(part))
        if words := told(node.children, but=where):
            self._left(node.tag, f"words in {node.tag} left out: {words}")

    def _link(self, node: Node, marks: Marks, bare: bool, direction: Direction) -> None:
        given = node.attributes.get("href", "")
        where = self._resolve(given) or absolute(given)
        if is_link(where) and says(node):
            opening = tag_with("a", {"href": where, **attributes_of(node, "span")})
            is_split = any(tags.is_block(part.tag) for part in node.elements())
            marks = (*outside_links(marks), Mark("a", opening, node, is_split))
        elif is_link(where):
            begin = len(self.images)
            self.flow(node.children, marks, bare, direction)
            if where.partition("?")[0] not in [image.url.partition("?")[0] for image in self.images[begin:]]:
                self._left("link", f"link to {where[:80]} left out: it has no text")
            return
        elif given and says(node):
            self._left("link", f"link to {given[:80]} left out, its text kept")
        elif not given and says(node) and not node.attributes.keys() & {"name", "id"}:
            self._left("link", "link without a known address left out, its text kept")
        self.flow(node.children, marks, bare, direction)

    def _leave_out(self, node: Node) -> None:
        words = told([node])
        if (node.tag == "input" and node.attributes.get("type") == "hidden") or (node.tag == "base" and not words):
            return
        self._runs.part()
        name = "form field" if node.tag in tags.FIELDS else node.tag
        self._left(node.tag, f"{name} left out" + (f": {words}" if words else ""))

    def _left(self, kind: str, text: str, is_kept: bool = False) -> None:
        self.notes.append(Note(kind, text, is_kept))
