"""How HTML from elsewhere is parsed (nh3, whose parser is a browser's), and what each of its tags is to a post."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from .pictures import is_credit
from .safe import BLOCKS, MARKS
from .tree import Node, parse

if TYPE_CHECKING:
    from nh3 import Cleaner

HEADINGS = {"h1": "h4", "h2": "h4", "h3": "h4", "h4": "h4", "h5": "h5", "h6": "h5"}
RENAMED = {"b": "strong", "i": "em", "s": "del", "strike": "del", "var": "em", "dfn": "em", "kbd": "code"}
RENAMED |= {"bdo": "bdi", "samp": "code", "tt": "code", "menu": "ul", "dir": "ul", "listing": "pre"}
WRAPPERS = frozenset(
    "div section article aside header footer main nav address details summary center fieldset legend form hgroup "
    "dialog search p li dt dd tr td th caption figcaption".split()  # the last where no list or table is around them
)
PLAYERS = frozenset("iframe video audio embed object".split())
UNSAID = frozenset("source track param meta link base wbr col colgroup title template head".split())
OUT = frozenset("svg noscript select textarea input canvas map area noembed noframes xmp".split())
# Where these end cannot be seen in what a parser writes, so it drops them, and it is only told that they were there.
DROPPED = frozenset("script style plaintext".split())
_INLINE = frozenset("abbr acronym bdo big blink button data datalist font label marquee math meter nobr output".split())
_INLINE |= frozenset("picture progress ruby rb rtc small span time u img i".split())
_MATH = frozenset("mfrac mi mn mo mover mrow msqrt mstyle msub msubsup msup mtext munder munderover semantics".split())
_WIDE = BLOCKS | MARKS | HEADINGS.keys() | RENAMED.keys() | WRAPPERS | PLAYERS | UNSAID | OUT | _INLINE | _MATH | {"br"}
# An unknown scheme loses its address in the parser's sieve; of these we can say what was lost.
_SCHEMES = "http https mailto tel sms ftp data javascript vbscript file blob about cid webcal whatsapp tg geo skype"
_READ = "href src alt title width height class srcset data-src data-lazy-src data-original data type name id"
_READ += " aria-label dir lang start reversed value colspan rowspan scope align cite"


def read(html: str, deepest: int) -> Node | None:
    """The tree that a browser would make of it, without comments; None if it is deeper than `deepest`."""
    return parse(_parser().clean(_in_tables(html)), deepest)


def dropped(html: str) -> list[str]:
    """The tags that `read` leaves out with all that is in them, as often as they stand."""
    return [name.lower() for name in re.findall(r"<(script|style|plaintext)[\s>/]", html, re.I)]


def _in_tables(html: str) -> str:
    """A parser forgets rows and cells outside of a table, and glues their text: they get one, or become blocks."""
    if not re.search(r"<table[\s>]", html, re.I):
        return f"<table>{html}</table>" if re.search(r"<t[rdh][\s>]", html, re.I) else html
    depth = 0

    def place(found: re.Match[str]) -> str:
        nonlocal depth
        closing, name = found.groups()
        if name.lower() == "table":
            depth = max(0, depth + (-1 if closing else 1))
            return found.group()
        return found.group() if depth else f"<{closing}div"

    return re.sub(r"<(/?)(table|t[rdh])(?=[\s>/])", place, html, flags=re.I)


@cache
def _parser() -> Cleaner:
    """Only to parse: it lets through whatever `html.py` has an answer to."""
    from nh3 import Cleaner

    return Cleaner(
        tags=set(_WIDE),
        clean_content_tags=set(DROPPED),
        attributes={"*": set(_READ.split())},
        url_schemes=set(_SCHEMES.split()),
        link_rel=None,
        strip_comments=True,
    )


def formula(node: Node) -> list[Node | str]:
    """MathML's children in a post's own tags: `msup` and `msub` raise and lower, a fraction is `a/b`."""
    tag = node.tag
    parts: list[list[Node | str]] = [formula(child) if isinstance(child, Node) else [child] for child in node.children]
    parts = [part for part in parts if part != [] and not (isinstance(part[0], str) and part[0].isspace())]
    if tag == "mfrac" and len(parts) == 2:
        return [*_grouped(parts[0]), "/", *_grouped(parts[1])]
    marks = {"msup": ["sup"], "mover": ["sup"], "msub": ["sub"], "munder": ["sub"]}.get(tag, ["sub", "sup"])
    if tag in ("msup", "mover", "msub", "munder", "msubsup", "munderover") and len(parts) == len(marks) + 1:
        made = [Node(mark, {}) for mark in marks]
        for shifted, part in zip(made, parts[1:], strict=True):
            shifted.children = part
        return [*parts[0], *made]
    flat = [piece for part in parts for piece in part]
    return ["√", *_grouped(flat)] if tag == "msqrt" else flat


def _grouped(pieces: list[Node | str]) -> list[Node | str]:
    return pieces if len(pieces) == 1 else ["(", *pieces, ")"]


def label_and_value(node: Node) -> list[Node | str]:
    """The children of a wrapper. A div of nothing but spans is often a label and its value, parted by style alone.

    They get a space between them, unless the word may go on: `<span>W</span><span>ord</span>`.
    """
    children = [child for child in node.children if not (isinstance(child, str) and child.isspace())]
    if (
        node.tag != "div"
        or len(children) < 2
        or not all(isinstance(one, Node) and one.tag == "span" for one in children)
    ):
        return node.children
    parted: list[Node | str] = []
    for child in node.children:
        before = parted[-1].text()[-1:] if parted and isinstance(parted[-1], Node) else ""
        after = child.text()[:1] if isinstance(child, Node) else ""
        if (
            (before.islower() and after.isupper())
            or (before.isalpha() and after.isdigit())
            or (before.isdigit() and after.isalpha())
        ):
            parted.append(" ")
        parted.append(child)
    return parted


def says(node: Node) -> bool:
    """Is there anything in it that becomes text?"""
    if node.tag in PLAYERS:
        return True
    said = [bool(child.strip()) if isinstance(child, str) else says(child) for child in node.children]
    return any(said) and node.tag not in OUT and node.tag not in UNSAID


def is_block(tag: str) -> bool:
    return tag in BLOCKS or tag in WRAPPERS or tag in PLAYERS or tag in HEADINGS or tag in RENAMED


def is_figure(node: Node) -> bool:
    return node.tag == "figure" or "wp-caption" in node.attributes.get("class", "").split()


def captions_of(figure: Node) -> Iterator[Node]:
    """Its own, not those of figures in it."""
    for child in figure.children:
        if isinstance(child, Node) and not is_figure(child):
            is_caption = child.tag == "figcaption" or "wp-caption-text" in child.attributes.get("class", "").split()
            if is_caption or is_credit(child):
                yield child
            else:
                yield from captions_of(child)
