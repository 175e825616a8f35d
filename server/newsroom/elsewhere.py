"""How HTML from elsewhere is read (nh3, whose parser is a browser's): every tag of it, and nothing dropped unseen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape

from .pictures import address_of, addresses_of, is_credit, one_line
from .safe import BLOCKS, MARKS, absolute, is_link
from .tags import DROPPED, FALLBACKS, FLOWS, HEADINGS, NOTHING, OUT, PLAYERS, RENAMED, STYLED, WRAPPERS, kind
from .tree import VOID, Node, parse

TOLD_CHARS = 200
_WORDS = ("alt", "title", "aria-label", "label", "value", "placeholder")
_ADDRESSES = ("href", "src", "data", "poster")
# An unknown scheme loses its address in the parser's sieve; of these we can say what was lost.
_SCHEMES = "http https mailto tel sms ftp data javascript vbscript file blob about cid webcal whatsapp tg geo skype"
_READ = "href src alt title width height class srcset poster data type name id videoid label placeholder"
_READ += " aria-label dir lang start reversed value colspan rowspan scope align cite open close separators"
_SELF_CLOSED = re.compile(r"<([a-z][^\s/>\"'<]*)((?:\s[^<>]*)?)/>", re.I)
# Of these a parser knows what they are. Any other tag it drops, some with all that is in them and without a word: what
# it takes for SVG or MathML in the wrong place (<text>, <list>, <in>), what it does not expect there, what browsers
# with scripts do not show. Under a foreign name it reads what is in them as it reads the rest.
_NATIVE = BLOCKS | MARKS | HEADINGS.keys() | RENAMED.keys() | WRAPPERS | PLAYERS | OUT | NOTHING | STYLED | DROPPED
_NATIVE = _NATIVE - FALLBACKS - {"frameset"} | {"br", "img", "image", "button"}
# What ends with its end tag, whatever was left open in it: to a parser only few tags do, and `object` is one.
_ENDING = (PLAYERS | OUT) - VOID - {"iframe", "textarea", "title", "select", "object", "applet"}
# What a parser adds, or writes for another.
_MADE = frozenset("img p br tbody tr colgroup table div object".split())
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.I)
# To HTML it is a comment, but who wraps a body in XML's CDATA means what is in it.
_SECTION = "<![CDATA["
# "if a <b and c</p>": words that run into the next tag, or the end. A parser takes them for names of attributes.
_NO_TAG = re.compile(r"<(?=[a-z][^\s<>\"'=]*\s+[a-z][^<>\"'=]*(?:<|\Z))", re.I)
_ROWS = r"caption|t(?:[rdh]|head|body|foot)"


def read(html: str, deepest: int) -> Node | None:
    """The tree that a browser without scripts would make of it; None if it is deeper than `deepest`."""
    names = _Names(html)
    root = parse(_parsed(names.given(_prepared(html, names)), names), deepest)
    if root is None:
        return None
    for node in root.elements():
        names.take_back(node)
        if node.tag == "picture":
            _offer(node)
    _drop_repeats(root)
    return root


class _Names:
    """The names by which a parser reads the tags of a text, and their own again."""

    def __init__(self, html: str) -> None:
        taken = set(re.findall("x([0-9]+)-", unescape(html).lower()))
        self._foreign = f"x{next(n for n in range(len(taken) + 1) if str(n) not in taken)}-"  # stands nowhere in it
        self.tag = f"{self._foreign}tag"  # the attribute of an `object`, that says what it is; end tags may have some
        self._ended = f"{self._foreign}ended"  # that of an end tag which was none
        self._written = re.compile(rf"<(/?)(?:object {self.tag}=([\w-]+) |{self._foreign})")

    def given(self, html: str) -> str:
        return _TAG.sub(self._name, html)

    def ended(self, name: str, attributes: str) -> str:
        return f"<{name}{attributes}></{name} {self._ended}>"

    def take_back(self, node: Node) -> None:
        node.tag = node.attributes.pop(self.tag, node.tag).lower().removeprefix(self._foreign)
        node.attributes = {name: self._own(value) for name, value in node.attributes.items()}
        node.children = [self._own(child) if isinstance(child, str) else child for child in node.children]

    def _name(self, found: re.Match[str]) -> str:
        closing, name = found.groups()
        if name.lower() in _ENDING:
            return f"<{closing}object {self.tag}={name} "
        return found.group() if name.lower() in _NATIVE else f"<{closing}{self._foreign}{name}"

    def _own(self, text: str) -> str:
        """Tags as they were written: in code, in the text of a picture."""
        if self._foreign not in text:
            return text
        return re.sub(rf"></[^<>]* {self._ended}>", "/>", self._written.sub(r"<\1\2", text))


def unseen(html: str) -> list[tuple[str, str, bool]]:
    """What `read` drops without a trace in the tree, or changes before: kind, sentence, whether nothing is lost."""
    lost: list[tuple[str, str, bool]] = []
    for name, attributes in re.findall(rf"<({'|'.join(sorted(DROPPED))})((?=[\s>/])[^<>]*)", html, re.I):
        source = re.search(r"\ssrc=[\"']?([^\s\"']+)", attributes)
        where = f": {source[1][:TOLD_CHARS]}" if source else ""
        lost.append((name.lower(), f"{name.lower()} left out{where}", False))
    if _SECTION in html:
        lost.append(("CDATA", "CDATA section read as HTML", True))
    _, opened, rest = html.rpartition("<!--")
    if opened and "-->" not in f"--{rest}" and (words := one_line(rest)[:TOLD_CHARS]):
        lost.append(("comment", f"comment without an end left out: {words}", False))
    if cut := re.search(r"<[a-z]", behind := _NO_TAG.sub(" ", html[html.rfind(">") + 1 :]), re.I):
        lost.append(("tag", f"tag without an end left out: {one_line(behind[cut.start() :])[:TOLD_CHARS]}", False))
    return lost


def _prepared(html: str, names: _Names) -> str:
    """`html` so that a parser loses nothing of it."""
    if _SECTION in html:
        html = html.replace(_SECTION, "").replace("]]>", "")
    html = _NO_TAG.sub("&lt;", html)
    html = _SELF_CLOSED.sub(lambda found: _ended(found, names), html)
    html = re.sub(r"<(/?)plaintext(?=[\s/>])", r"<\1xmp", html, flags=re.I)
    html = re.sub(r"(<frame\s[^<>]*)>", r"\1></frame>", html, flags=re.I)
    return _in_tables(html)


def _ended(found: re.Match[str], names: _Names) -> str:
    """`<iframe/>` as XML means it: a browser takes all that follows for its content, and shows none of that."""
    name, attributes = found.groups()
    is_value = attributes and not re.search(r"[\s\"']$|\s[^\s=]+$", attributes[-200:])  # <a href=https://a.example/>
    if name.lower() in VOID or name.lower() in FLOWS or is_value:
        return found.group()
    return names.ended(name, attributes)


def _in_tables(html: str) -> str:
    """A parser forgets rows and cells outside of a table, and glues their text: they get one, or become blocks."""
    if not re.search(r"<table[\s>]", html, re.I) and re.match(rf"\s*<(?:{_ROWS})[\s>]", html, re.I):
        behind = re.split(rf"</(?:{_ROWS})\s*>", html, flags=re.I)[1:]
        if not behind or not behind[-1].strip():
            return f"<table>{html}</table>"
    depth = 0

    def place(found: re.Match[str]) -> str:
        nonlocal depth
        closing, name = found.groups()
        if name.lower() == "table":
            depth = max(0, depth + (-1 if closing else 1))
            return found.group()
        return found.group() if depth else f"<{closing}div"

    return re.sub(rf"<(/?)(table|{_ROWS})(?=[\s>/])", place, html, flags=re.I)


def _parsed(html: str, names: _Names) -> str:
    """Only parsed: whatever tag stands in it is let through, so that there is an answer to each."""
    from nh3 import Cleaner

    return Cleaner(
        tags={name.lower() for _, name in _TAG.findall(html)} - DROPPED | _MADE,
        clean_content_tags=set(DROPPED),
        attributes={"*": {*_READ.split(), names.tag}},
        generic_attribute_prefixes={"data-"},
        url_schemes=set(_SCHEMES.split()),
        link_rel=None,
        strip_comments=True,
    ).clean(html)


def _offer(picture: Node) -> None:
    """A `picture` is its `img`; what its sources offer comes after that one's own addresses, or is all there is."""
    parts = list(picture.elements())
    image = next((part for part in parts if part.tag == "img"), None)
    if image is None:
        image = Node("img", {})
        picture.children.append(image)
    offers = [part.attributes.get(name, "") for part in (image, *parts) for name in ("srcset", "data-srcset")]
    image.attributes["srcset"] = ", ".join(offer for offer in offers if offer.strip())


def _drop_repeats(root: Node) -> None:
    """Pages that load pictures and players late repeat them in `noscript`: one is enough."""
    outside: set[str] = set()

    def collect(node: Node) -> None:
        for child in node.children:
            if isinstance(child, Node) and child.tag not in FALLBACKS:
                outside.update(_shown(child))
                collect(child)

    def drop(node: Node, is_inside: bool) -> None:
        if is_inside:
            node.children = [one for one in node.children if isinstance(one, str) or outside.isdisjoint(_shown(one))]
        for child in node.children:
            if isinstance(child, Node):
                drop(child, is_inside or child.tag in FALLBACKS)

    collect(root)
    drop(root, False)


def _shown(node: Node) -> list[str]:
    if kind(node.tag) == "img":
        return addresses_of(node)
    return [address for address in address_of(node)[:1] if address] if node.tag in PLAYERS else []


def told(nodes: Iterable[Node | str], but: str = "") -> str:
    """What is in them, as a note says it: words, and addresses (`but` this one), on one line."""
    words: list[str] = []
    waiting = list(nodes)[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            words.append(node)
            continue
        if node.tag not in NOTHING and not (but and kind(node.tag) == "img"):
            given = node.attributes
            words += [f" {given[name]} " for name in _WORDS if name in given]
            addresses = [absolute(given[name]) for name in _ADDRESSES if name in given]
            words += [f" {address} " for address in addresses if is_link(address) and address != but]
        gap = "" if kind(node.tag) in MARKS else " "
        words.append(gap)
        waiting += [gap, *node.children[::-1]]
    text = one_line("".join(words))
    return text if len(text) <= TOLD_CHARS else f"{text[: TOLD_CHARS - 1]}…"


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
    """Is there anything in it that becomes text of it? (A player is a link of its own.)"""
    if node.tag in OUT or node.tag in NOTHING or node.tag in PLAYERS:
        return False
    return any(bool(child.strip()) if isinstance(child, str) else says(child) for child in node.children)


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
