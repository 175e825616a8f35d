"""CommonMark in; safe HTML and plain text out.

One library renders (markdown-it-py, raw HTML off), another one sanitises (nh3, an allow-list), so a mistake in either
is not yet a hole. Nothing here leaves `p br a strong em code pre blockquote ul ol li h4 h5 hr del`: no picture (they
come by field, with alternative text and size), no class, id, style, svg or math. A heading never competes with the
page's own, where a post's headline is an h3: the highest is h4. Every function is pure, bounded in time (64 KiB of
the worst input we know take under 2 s) and meant for a thread: never call one on the hub's loop.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, NamedTuple

from .errors import InvalidError
from .model import check_text

if TYPE_CHECKING:  # both are imported at the first body: a command line that renders nothing starts without them
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from nh3 import Cleaner

NESTING = 50  # quotes, lists, emphasis and links inside each other
HTML_BYTES = 512 * 1024
LINK_CHARS = 2_048
TAGS = frozenset("p br a strong em code pre blockquote ul ol li h4 h5 hr del".split())
# http(s) with a host, mailto, or a path on this site. "//host", "/\host" and "/<tab>/host" leave the site in a
# browser, so a path is one slash and no backslash, and no address has white space or control characters.
SAFE_LINK = re.compile(r"(?:https?://[^\s/\\?#]|mailto:[^\s/\\]|/(?![/\\]))[^\s\\<>\"`\x00-\x20\x7f]*", re.I)
REL = "nofollow noopener noreferrer"


class Rendered(NamedTuple):
    html: str
    text: str


def render(body: str) -> Rendered:
    """`body` as safe HTML and as plain text; both are the same for the same body, always.

    Raises InvalidError for what `check_text` refuses, nesting over 50, HTML over 512 KiB (definitions multiply links).
    """
    check_text("body", body)
    from markdown_it.rules_core import StateCore

    blocks, inlines = _parsers()
    state = StateCore(body, blocks, {})
    blocks.core.process(state)
    _check_nesting(state.tokens)
    state.md = inlines
    inlines.core.process(state)
    _check_nesting(state.tokens)
    html = inlines.renderer.render(_tamed(state.tokens), inlines.options, state.env)
    html = _cleaner().clean(html).strip()
    if len(html.encode()) > HTML_BYTES:
        raise InvalidError("body", f"becomes more than {HTML_BYTES:,} bytes of HTML: split it into several posts")
    return Rendered(html, plain(html))


def clean(html: str) -> str:
    """HTML from elsewhere, reduced to what `render` may produce; `render`'s own HTML stays as it is, byte for byte.

    Raises InvalidError for more than 512 KiB, or tags more than 50 deep.
    """
    check_text("content_html", html)
    if len(html.encode()) > HTML_BYTES:
        raise InvalidError("content_html", f"is over {HTML_BYTES:,} bytes (512 KiB): split it into several posts")
    # html5ever takes time in the square of the depth: 28 s for half a megabyte of <ul><li> (measured).
    if _depth(html) > NESTING:
        raise InvalidError("content_html", f"has tags more than {NESTING} deep: close them, or nest less")
    html = _TAG_NAME.sub(_renamed, html)
    return _cleaner().clean(html).strip()


def plain(html: str) -> str:
    """The text of sanitised HTML: a blank line between paragraphs, list items as lines that start with "- "."""
    out: list[str] = []
    gap, lead, lists, in_pre = 0, "", 0, False
    for closing, tag, text in _PIECE.findall(html):
        if not tag:
            if not in_pre:
                text = _SPACE.sub(" ", text)
                if gap or lead or not out or out[-1].endswith("\n"):
                    text = text.lstrip(" ")
            if text:
                out.append("\n" * gap * bool(out) + lead + text)
                gap, lead = 0, ""
        elif tag == "br":
            out.append("\n")
        elif tag == "li":
            gap = max(gap, 1)
            lead = "" if closing else "- "
        elif tag in ("ul", "ol"):
            lists += -1 if closing else 1
            gap = max(gap, 2 if lists == bool(not closing) else 1)
        elif tag in _BLOCKS:
            in_pre = tag == "pre" and not closing
            if not lead:  # the first paragraph of a list item goes on behind its "- "
                gap = 2
    lines = re.sub(r"\n{3,}", "\n\n", "".join(out)).split("\n")
    # Line by line: a pattern such as `[ \t]+\n` takes time in the square of a run of spaces, and holds the GIL.
    return unescape("\n".join(line.rstrip(" \t") for line in lines)).strip()


_TOO_DEEP = f"nests quotes, lists or emphasis more than {NESTING} deep; use fewer levels"
_PIECE = re.compile(r"<(/?)([a-z0-9]+)[^>]*>|([^<]+)")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLOCKS = frozenset("p pre blockquote h4 h5 hr".split())
_NESTS = frozenset("blockquote list_item em strong s link".split())


@cache
def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """One for blocks, one for what stands inside them: markdown-it has one maxNesting for both, and they need two.

    Blocks beyond it lose their text without a word, so it lies above what _check_nesting refuses (a list level counts
    twice). Inside, nothing is lost, but 64 KiB of "[" take time in proportion to it: 4 s at 120, 0.5 s at 20.
    """
    from markdown_it import MarkdownIt

    blocks = MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * NESTING + 20})
    blocks.core.ruler.enableOnly(["normalize", "block"])
    inlines = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    inlines.core.ruler.enableOnly(["inline", "text_join"])
    for parser in (blocks, inlines):
        # Every destination is a link at first; _tamed judges it. (Otherwise a refused one shows as raw Markdown.)
        parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return blocks, inlines


@cache
def _cleaner() -> Cleaner:
    from nh3 import Cleaner

    return Cleaner(
        tags=set(TAGS),
        # Their content is no text for people; everything else that is not allowed keeps its text.
        clean_content_tags={"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "template"},
        attributes={"a": {"href"}, "ol": {"start"}},
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel=REL,
        strip_comments=True,
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value if len(value) <= LINK_CHARS and SAFE_LINK.fullmatch(value) else None
    if name == "start":
        return value if re.fullmatch(r"[0-9]{1,9}", value) else None
    return value  # rel, which nh3 sets itself


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


def _tamed(tokens: list[Token]) -> list[Token]:
    """The tokens with headings lowered, pictures as links, and links that may not leave the house as their text."""
    budget = HTML_BYTES
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4" if token.tag == "h1" else "h5"
        elif token.type == "fence":
            token.info = ""  # becomes a class
        if not token.children:
            continue
        kept: list[Token] = []
        open_links: list[bool] = []  # whether each is kept
        for child in token.children:
            if child.type == "link_open":
                href = str(child.attrs.get("href", ""))
                open_links.append(len(href) <= LINK_CHARS and bool(SAFE_LINK.fullmatch(href)))
                child.attrs = {"href": href}
                # "[a]: /long" once and "[a]" ten thousand times: refuse before the renderer joins gigabytes.
                budget -= len(href) if open_links[-1] else 0
                if budget < 0:
                    raise InvalidError("body", f"has more than {HTML_BYTES:,} bytes of link addresses: use fewer links")
                if open_links[-1]:
                    kept.append(child)
            elif child.type == "link_close":
                if open_links.pop():
                    kept.append(child)
            elif child.type == "image":
                budget -= len(child.attrs.get("src", ""))
                if budget < 0:
                    raise InvalidError("body", f"has more than {HTML_BYTES:,} bytes of link addresses: use fewer links")
                kept.extend(_picture(child, linked=any(open_links)))
            else:
                kept.append(child)
        token.children = kept
    return tokens


def _picture(image: Token, linked: bool) -> list[Token]:
    """A picture in the body as a link to it, or inside another link only its text: links do not nest."""
    from markdown_it.token import Token

    src = str(image.attrs.get("src", ""))
    label = Token("text", "", 0, content=_label(image) or "picture")
    if linked or len(src) > LINK_CHARS or not SAFE_LINK.fullmatch(src):
        return [label]
    return [Token("link_open", "a", 1, attrs={"href": src}), label, Token("link_close", "a", -1)]


def _label(image: Token) -> str:
    """A picture's alternative text, without its marks."""
    return "".join(child.content for child in image.children or ()).strip()


_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_SELF_CLOSING = frozenset("p li dt dd tr td th tbody thead tfoot option".split())  # end tag may be left out
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_TAG_NAME = re.compile(r"<(/?)(h[1-6]|b|i|s|strike|div)(?=[\s/>])", re.I)
_NEW_NAMES = {"h1": "h4", "h2": "h4", "h3": "h4", "h6": "h5", "b": "strong", "i": "em", "s": "del", "strike": "del"}


def _depth(html: str) -> int:
    """How deep tags nest at most, from above: an end tag closes only its own kind."""
    depth = deepest = 0
    opened: Counter[str] = Counter()
    for closing, name in _OPEN_OR_CLOSE.findall(html):
        name = name.lower()
        if name in _VOID or name in _SELF_CLOSING:
            continue
        if not closing:
            opened[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return deepest


def _renamed(match: re.Match[str]) -> str:
    """Old names for the same thing, and headings below the page's own; a div is a paragraph here."""
    name = match.group(2).lower()
    return f"<{match.group(1)}{_NEW_NAMES.get(name, 'p' if name == 'div' else name)}"
