"""What HTML may be in a post: the allow-list, which addresses may be linked, and the library that holds both (nh3).

Whatever writes HTML (`markdown.py`, `html.py`), this is the last to touch it. A tag is here because a reader needs
it: text in paragraphs, lists, tables, terms and figures, its marks, and the direction and language it is read in. No
picture (they come by field, with alternative text and size), no class, id, style, form, frame, svg or math.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported at the first body: a command line that renders nothing starts without it
    from nh3 import Cleaner

    from .tree import Node

LINK_CHARS = 2_048
BLOCKS = frozenset("p h4 h5 pre blockquote ul ol li dl dt dd table caption thead tbody tfoot tr th td".split())
BLOCKS |= {"figure", "figcaption", "hr"}
MARKS = frozenset("a strong em code del ins sub sup q cite mark span bdi ruby rt rp".split())
TAGS = BLOCKS | MARKS | {"br"}
# http(s) with a host, mailto, tel, or a path on this site. "//host", "/\host" and "/<tab>/host" leave the site in a
# browser, so a path is one slash and no backslash, and no address has white space or control characters.
SAFE_LINK = re.compile(
    r"(?:https?://[^\s/\\?#]|mailto:[^\s/\\]|tel:\+?[0-9]|/(?![/\\]))[^\s\\<>\"`\x00-\x20\x7f]*", re.I
)
REL = "nofollow noopener noreferrer"
_SPAN = re.compile(r"[1-9][0-9]?")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_VALUES = {
    "start": _NUMBER,
    "value": _NUMBER,
    "reversed": re.compile(""),
    "type": re.compile("[1aAiI]"),
    "colspan": _SPAN,
    "rowspan": _SPAN,
    "scope": re.compile("row|col|rowgroup|colgroup"),
    "align": re.compile("left|center|right"),
    "dir": re.compile("ltr|rtl|auto"),
    "lang": re.compile("[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"),
}
_CELL = {"colspan", "rowspan", "align"}
ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href"},
    "ol": {"start", "reversed", "type"},
    "li": {"value"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "blockquote": {"cite"},
    "q": {"cite"},
}


def is_link(address: str) -> bool:
    """May a post link there?"""
    return len(address) <= LINK_CHARS and bool(SAFE_LINK.fullmatch(address))


def absolute(address: str) -> str:
    """An `href` or `src` as a browser reads it: no white space at its ends, `//` and `www.` with a scheme."""
    address = re.sub(r"[\t\r\n]", "", address.strip())
    address = re.sub(r"[ <>\"`]", lambda sign: f"%{ord(sign.group()):02X}", address)
    if address.startswith("//"):
        return f"https:{address}"
    return f"https://{address}" if address.lower().startswith("www.") else address


def is_allowed(tag: str, name: str, value: str) -> bool:
    """May the attribute stand on the tag, with this value?"""
    if name not in ATTRIBUTES["*"] and name not in ATTRIBUTES.get(tag, ()):
        return False
    return is_link(value) if name in ("href", "cite") else bool(_VALUES[name].fullmatch(value))


def tag_with(tag: str, attributes: dict[str, str]) -> str:
    return "".join([f"<{tag}", *(f' {name}="{escape(value)}"' for name, value in attributes.items()), ">"])


def attributes_of(node: Node, tag: str) -> dict[str, str]:
    return {name: value for name, value in node.attributes.items() if name != "href" and is_allowed(tag, name, value)}


def sanitised(html: str) -> str:
    """`html` without anything that is not allowed; the text of unknown tags stays."""
    return _cleaner().clean(html).strip()


@cache
def _cleaner() -> Cleaner:
    from nh3 import Cleaner

    return Cleaner(
        tags=set(TAGS),
        # Their content is no text for people; everything else that is not allowed keeps its text.
        clean_content_tags={"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "template"},
        attributes=ATTRIBUTES,
        attribute_filter=lambda tag, name, value: value if name == "rel" or is_allowed(tag, name, value) else None,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=REL,
        strip_comments=True,
    )
