"""CommonMark with tables, strikethrough and bare links, as HTML: markdown-it-py with raw HTML off.

The result is not yet sanitised. A heading never competes with the page's own, where a post's headline is an h3: the
highest is h4. Pictures become links, and links that may not leave the house their text; what is lost is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from .errors import InvalidError
from .note import Note
from .safe import is_link

if TYPE_CHECKING:  # imported at the first body
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

NESTING = 50  # quotes, lists, emphasis and links inside each other
_TOO_DEEP = f"nests quotes, lists or emphasis more than {NESTING} deep; use fewer levels"
_NESTS = frozenset("blockquote list_item em strong s link".split())
_TAG = re.compile(
    r"</?(p|div|br|strong|b|em|i|u|a|span|img|iframe|video|table|tr|td|ul|ol|li|h[1-6]|blockquote|figure|script)"
    r"(?:\s[^<>]*)?/?>",
    re.I,
)
SHOWN_TAGS = 10  # are named; more are counted
NOT_HTML = "a body is Markdown; give HTML as content_html (--html)"
_BLANK = " \t\r\n\f\xa0"


def to_html(body: str, most: int) -> tuple[str, list[Note]]:
    """`body` as HTML, and what was lost. Raises InvalidError for nesting over 50, and addresses over `most` bytes."""
    from markdown_it.rules_core import StateCore

    blocks, inlines = _parsers()
    state = StateCore(body, blocks, {})
    blocks.core.process(state)
    _check_nesting(state.tokens)
    state.md = inlines
    inlines.core.process(state)
    _check_nesting(state.tokens)
    taming = _Taming(most)
    taming.notes += _surplus_cells(state.tokens, state.src)
    tokens = [token for token in state.tokens if taming.keeps(token)]
    html = inlines.renderer.render(_without_empty_paragraphs(tokens), inlines.options, state.env)
    return html, [*taming.shown_tags(), *taming.notes]


@cache
def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """One for blocks, one for what stands inside them: markdown-it has one maxNesting for both, and they need two.

    Blocks beyond it lose their text without a word, so it lies above what _check_nesting refuses (a list level counts
    twice). Inside, nothing is lost, but 64 KiB of "[" take time in proportion to it: 4 s at 120, 0.4 s at 12.
    """
    from markdown_it import MarkdownIt

    from .inline import EastAsianInline, address

    blocks = MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * NESTING + 20}).enable("table")
    blocks.core.ruler.enableOnly(["normalize", "block"])
    inlines = MarkdownIt()
    inlines.inline = EastAsianInline()
    inlines.inline.ruler.before("newline", "address", address)
    inlines.configure("commonmark", {"html": False, "maxNesting": 12})
    inlines.enable(["strikethrough", "address"])
    inlines.core.ruler.enableOnly(["inline", "text_join"])
    for parser in (blocks, inlines):
        # Every destination is a link at first; _Taming judges it. (Otherwise a refused one shows as raw Markdown.)
        parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return blocks, inlines


def _check_nesting(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        if token.type == "inline":
            inner = depth
            for child in token.children or ():
                if child.type.rpartition("_")[0] in _NESTS:
                    inner += child.nesting
                    if inner > NESTING:
                        raise InvalidError("body", _TOO_DEEP)
        elif token.type.rpartition("_")[0] in _NESTS:
            depth += token.nesting
            if depth > NESTING:
                raise InvalidError("body", _TOO_DEEP)


def _surplus_cells(tokens: list[Token], body: str) -> list[Note]:
    """Cells beyond a table's columns, which Markdown drops (GFM, section 4.10)."""
    from markdown_it.rules_block.table import escapedSplit

    notes: list[Note] = []
    columns, lines = 0, body.split("\n")
    for token in tokens:
        if token.type == "thead_open":
            columns = 0
        elif token.type == "th_open":
            columns += 1
        elif token.type == "tr_open" and token.map and columns:
            cells = [cell.strip() for cell in escapedSplit(lines[token.map[0]].strip(" \t>"))]
            cells = cells[not cells[0] :]
            lost = ", ".join(cell for cell in cells[columns:] if cell)
            if lost and len(notes) < 100:
                notes.append(Note("table", f"left out of a table's row, which has {columns} columns: {lost[:200]}"))
    return notes


class _Taming:
    """Tokens made fit for a post: headings lowered, pictures as links, links that may not leave the house as text."""

    def __init__(self, most: int) -> None:
        self.notes: list[Note] = []
        self._most = self._budget = most
        self._tags: dict[str, str] = {}  # HTML that shows as it stands: each name, as it stands first

    def keeps(self, token: Token) -> bool:
        """The token changed in place; False if it shows nothing and is to be left out."""
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4" if token.tag == "h1" else "h5"
        elif token.type in ("fence", "code_block"):
            token.info = ""  # becomes a class
            return bool(token.content.strip(_BLANK))
        elif token.type in ("th_open", "td_open"):
            align = str(token.attrs.pop("style", "")).removeprefix("text-align:")
            token.attrs = {"align": align} if align else {}
        if token.children:
            token.children = self._inline(token.children)
            if not any(_shows(child) for child in token.children):
                token.children = []
        return True

    def shown_tags(self) -> list[Note]:
        tags = [*self._tags.values()]
        if not tags:
            return []
        named = ", ".join(tags[:SHOWN_TAGS])
        more = f" and {len(tags) - SHOWN_TAGS} more" if len(tags) > SHOWN_TAGS else ""
        are = "is shown as it stands" if len(tags) == 1 else "are shown as they stand"
        return [Note("body", f"{named}{more} {are}: {NOT_HTML}")]

    def _inline(self, children: list[Token]) -> list[Token]:
        kept: list[Token] = []
        open_links: list[tuple[bool, int]] = []  # whether each is kept, and where its text begins
        for child in children:
            if child.type == "link_open":
                href = str(child.attrs.get("href", ""))
                child.attrs = {"href": href}
                if is_link(href):
                    self._spend(href)
                    kept.append(child)
                else:
                    self._note("link", f"link to {href[:80]} left out, its text kept")
                open_links.append((is_link(href), len(kept)))
            elif child.type == "link_close":
                is_kept, begin = open_links.pop()
                if is_kept:
                    if not any(_shows(one) for one in kept[begin:]):
                        kept.append(_text(str(kept[begin - 1].attrs["href"])))
                    kept.append(child)
            elif child.type == "image":
                self._spend(str(child.attrs.get("src", "")))
                kept.extend(self._picture(child, any(is_kept for is_kept, _ in open_links)))
            else:
                if child.type in ("s_open", "s_close"):
                    child.tag = "del"
                elif child.type == "text":
                    for found in _TAG.finditer(child.content):
                        self._tags.setdefault(found.group(1).lower(), found.group()[:40])
                if child.type == "text" and not open_links and "www." in child.content.lower():
                    kept.extend(self._linked(child.content))
                else:
                    kept.append(child)
        return kept

    def _linked(self, text: str) -> Iterator[Token]:
        """A text with its `www.` addresses as links."""
        from .inline import www

        at = 0
        for start, end in www(text):
            if not is_link(f"https://{text[start:end]}"):
                continue
            self._spend(text[start:end])
            yield _text(text[at:start])
            yield from _link(f"https://{text[start:end]}", text[start:end])
            at = end
        yield _text(text[at:])

    def _spend(self, address: str) -> None:
        """ "[a]: /long" once and "[a]" ten thousand times: refuse before the renderer joins gigabytes."""
        self._budget -= len(address)
        if self._budget < 0:
            raise InvalidError("body", f"has more than {self._most:,} bytes of link addresses: use fewer links")

    def _picture(self, image: Token, is_linked: bool) -> list[Token]:
        """A picture in the body as a link to it, or inside another link only its text: links do not nest."""
        src = str(image.attrs.get("src", ""))
        label = "".join(child.content for child in image.children or ()).strip() or "picture"
        if is_linked or not is_link(src):
            self._note("img", f"picture {src[:80]} left out, its text kept")
            return [_text(label)]
        self._note("img", f"picture {src[:80]} became a link; to show it, give it as an image (images, --image)")
        return _link(src, label)

    def _note(self, kind: str, text: str) -> None:
        if len(self.notes) < 100:
            self.notes.append(Note(kind, text))


def _shows(token: Token) -> bool:
    return (
        bool(token.content.strip(_BLANK))
        if token.type in ("text", "code_inline")
        else token.nesting == 0 and (token.type not in ("softbreak", "hardbreak"))
    )


def _text(content: str) -> Token:
    from markdown_it.token import Token

    return Token("text", "", 0, content=content)


def _link(href: str, label: str) -> list[Token]:
    from markdown_it.token import Token

    return [Token("link_open", "a", 1, attrs={"href": href}), _text(label), Token("link_close", "a", -1)]


def _without_empty_paragraphs(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    for token in tokens:
        if token.type == "paragraph_close" and kept[-1].type == "inline" and not kept[-1].children and not token.hidden:
            del kept[-2:]
        else:
            kept.append(token)
    return kept
