"""Pictures and players as HTML writes them: address, size, what they show, who made them."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import InvalidError
from .fields import LINE_CHARS, NOTE_CHARS, check_url
from .model import Image
from .safe import absolute
from .tree import Node

_LATE = ("data-src", "data-lazy-src", "data-original")  # the address, where a script loads pictures late
_SPACE = re.compile(r"\s+")
_CREDIT_CLASS = re.compile(r"credit|copyright|source|photographer|byline", re.I)
# "The bridge at noon. Photo: Ana Ruiz / Agency": the last part says who made it.
_CREDIT = re.compile(
    r"(?:^|[\s(\[])((?:(?:photo(?:graph)?|picture|image|foto|credit|source)s?\s*(?:by\b|:|credit:)|©|\(c\)).{1,200})$",
    re.I,
)
PIXELS = 100_000


class NoPicture(NamedTuple):
    """`is_text`: an emoji, which is its text; else `text` says why the picture is left out."""

    text: str
    is_text: bool = False


def picture_of(node: Node) -> Image | NoPicture:
    """An `img`. Its caption stands elsewhere."""
    alt = one_line(node.attributes.get("alt", ""))
    if alt and re.search(r"\b(emoji|smiley|emoticon)", node.attributes.get("class", "")):
        return NoPicture(alt, is_text=True)
    width, height = (_pixels(node.attributes.get(side, "")) for side in ("width", "height"))
    if 0 < width < 4 and 0 < height < 4:
        return NoPicture("img left out: it only counts readers")
    given = [node.attributes.get(name, "") for name in (*_LATE, "src")]
    given.append(node.attributes.get("srcset", "").strip().partition(" ")[0].rstrip(","))
    url = ""
    for address in given:
        url = absolute(address)
        if url and not url.startswith("data:"):
            break
    try:
        is_usable = bool(check_url("url", url))
    except InvalidError:
        is_usable = False
    if not is_usable:
        about = f" ({alt[:60]})" if alt else ""
        return NoPicture(f"img{about} left out: its address {given[-2][:80]!r} cannot be used")
    if len(url) > 2_048:
        return NoPicture(f"img left out: its address is {len(url):,} characters long")
    return Image(url=url, alt=_cut(alt, LINE_CHARS), width=width, height=height)


def is_credit(node: Node) -> bool:
    return bool(_CREDIT_CLASS.search(node.attributes.get("class", "")))


def credit_of(captions: list[Node]) -> tuple[str, str]:
    """Caption and credit of a picture, from its `figcaption`."""
    credits_: list[str] = []
    words: list[str] = []

    def read(node: Node) -> None:
        for child in node.children:
            if isinstance(child, str):
                words.append(child)
            elif child.tag in ("cite", "small") or is_credit(child):
                credits_.append(one_line(child.text()))
                words.append(" ")
            else:
                is_word = child.tag in ("a", "b", "strong", "em", "i", "span", "sup", "sub")
                words.append("" if is_word else " ")
                read(child)
                words.append("" if is_word else " ")

    for caption in captions:
        if is_credit(caption):
            credits_.append(one_line(caption.text()))
        else:
            read(caption)
            words.append(" ")
    text = one_line("".join(words))
    if not credits_ and (found := _CREDIT.search(text)):
        credits_.append(found.group(1).strip())
        text = text[: found.start(1)].strip()
        if credits_[0].endswith((")", "]")) and text.endswith(("(", "[")):
            credits_[0], text = credits_[0][:-1], text[:-1].strip()
    return _cut(text, NOTE_CHARS), _cut(" ".join(credits_), LINE_CHARS)


def address_of(node: Node) -> tuple[str, str]:
    """Where a player plays from, and its title."""
    parts = [part.attributes for part in node.elements()]
    given = [one.get(name, "") for one in parts for name in ("src", "data", "data-src")]
    params = [one.get("value", "") for one in parts if one.get("name", "").lower() in ("movie", "src")]
    titles = [one.get(name, "") for one in parts for name in ("title", "aria-label")]
    where = next((address for one in [*given, *params] if (address := absolute(one))), "")
    return where, next((title for one in titles if (title := one_line(one))), "")


def one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _pixels(text: str) -> int:
    found = re.match(r"\s*([0-9]{1,6})(?:\.[0-9]+)?\s*(?:px)?\s*$", text)
    number = int(found.group(1)) if found else 0
    return number if number <= PIXELS else 0


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
