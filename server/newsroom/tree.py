"""HTML as a tree: of a parser's own output (nh3, html5ever), where every tag is closed and every value quoted.

Not for HTML as it comes: what a browser would make of that, the parser decides first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

VOID = frozenset("area base br col embed hr img input link meta param source track wbr basefont bgsound keygen".split())
RAW = frozenset({"iframe", "xmp"})  # hold text, not tags, up to their first end tag
_PIECE = re.compile(r'<(/?)([a-z][^\s/>]*)((?:\s[^\s="<>]+="[^"]*")*)>|([^<]+|<)')
_ATTRIBUTE = re.compile(r'\s([^\s="<>]+)="([^"]*)"')


class Node:
    """An element. `children` are elements and text; the text is plain, without entities."""

    __slots__ = ("attributes", "children", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Node | str] = []

    def elements(self) -> Iterator[Node]:
        """This one and all in it, in the order they stand."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [child for child in reversed(node.children) if isinstance(child, Node)]

    def text(self) -> str:
        """All the text in it, as it stands."""
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


def parse(html: str, deepest: int = 1000) -> Node | None:
    """The tree below a nameless root; None if it is deeper than `deepest`."""
    root = Node("", {})
    opened = [root]
    at = 0
    while found := _PIECE.match(html, at):
        at = found.end()
        closing, tag, attributes, text = found.groups()
        if text is not None:
            opened[-1].children.append(unescape(text))
        elif not closing:
            node = Node(tag, {name: unescape(value) for name, value in _ATTRIBUTE.findall(attributes)})
            opened[-1].children.append(node)
            if tag in RAW:
                end = html.find(f"</{tag}>", at)
                end = len(html) if end < 0 else end
                node.children += [html[at:end]] if end > at else []
                at = end
            if tag not in VOID:
                opened.append(node)
                if len(opened) > deepest:
                    return None
        elif len(opened) > 1 and opened[-1].tag == tag:
            opened.pop()
    return root
