"""Pictures and players as HTML writes them: address, size, what they show, who made them."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import InvalidError
from .fields import LINE_CHARS, NOTE_CHARS, check_url
from .model import Image
from .plain import read_aloud
from .safe import MARKS, absolute, is_link
from .tree import Node

_LATE = ("data-src", "data-lazy-src", "data-original")  # the address, where a script loads pictures late
_SPACE = re.compile(r"\s+")
_CREDIT_CLASS = re.compile(r"credit|copyright|source|photographer|byline", re.I)
# "The bridge at noon. Photo: Ana Ruiz / Agency": the last part says who made it.
_CREDIT = re.compile(
    r"(?:^|[\s(\[])((?:(?:photo(?:graph)?|picture|image|foto|credit|source)s?\s*(?:by\b|:|credit:)|©|\(c\)).{1,200})$",
    re.I,
)
_WORDS = frozenset("b i s strike u abbr big tt kbd samp var dfn time data font".split())  # beside the marks of a post
PIXELS = 100_000
_TINY = re.compile(r"\s*[0-3](?:px)?\s*")
_HTTP = re.compile("(?:https?:)?//", re.I)
# Of a `srcset`: an address may have commas in it, and ends with one where no size follows.
_CANDIDATE = re.compile(r"([^\s,]\S*?)(?:,(?:\s|$)|\s[^,]*(?:,|$)|$)")
# Elements that name what they play by its number.
_BY_NUMBER = {
    "amp-dailymotion": ("data-videoid", "https://www.dailymotion.com/video/{}"),
    "amp-instagram": ("data-shortcode", "https://www.instagram.com/p/{}/"),
    "amp-twitter": ("data-tweetid", "https://twitter.com/i/status/{}"),
    "amp-vimeo": ("data-videoid", "https://vimeo.com/{}"),
    "amp-youtube": ("data-videoid", "https://www.youtube.com/watch?v={}"),
    "lite-vimeo": ("videoid", "https://vimeo.com/{}"),
    "lite-youtube": ("videoid", "https://www.youtube.com/watch?v={}"),
}


class NoPicture(NamedTuple):
    """`is_text`: an emoji, which is its text; else `text` says why the picture is left out. `is_kept`: no loss."""

    text: str
    is_text: bool = False
    is_kept: bool = False


def picture_of(node: Node) -> Image | NoPicture:
    """An `img`. Its caption stands elsewhere."""
    alt = one_line(node.attributes.get("alt", ""))
    if alt and re.search(r"\b(emoji|smiley|emoticon)", node.attributes.get("class", "")):
        return NoPicture(alt, is_text=True)
    if is_counter(node):
        return NoPicture("img left out: it only counts readers", is_kept=True)
    addresses = addresses_of(node)
    url = next((address for address in addresses if _is_usable(address)), "")
    if not url:
        about = f" ({alt[:60]})" if alt else ""
        shown = node.attributes.get("src", "") or "".join(addresses[:1])
        return NoPicture(f"img{about} left out: its address {shown[:80]!r} cannot be used")
    if len(url) > 2_048:
        return NoPicture(f"img left out: its address is {len(url):,} characters long")
    width, height = (_pixels(node.attributes.get(side, "")) for side in ("width", "height"))
    return Image(url=url, alt=_cut(alt, LINE_CHARS), width=width, height=height)


def addresses_of(node: Node) -> list[str]:
    """Where an `img` may be had, the best first: data: URLs only hold its place until a script comes."""
    given = [node.attributes.get(name, "") for name in (*_LATE, "src")]
    for name in ("srcset", "data-srcset"):
        given += _CANDIDATE.findall(node.attributes.get(name, ""))
    return [url for one in given if (url := absolute(one)) and not url.startswith("data:")]


def is_counter(node: Node) -> bool:
    """A picture or player too small to be seen: it is there to be fetched."""
    return all(_TINY.fullmatch(node.attributes.get(side, "")) for side in ("width", "height"))


def is_credit(node: Node) -> bool:
    return bool(_CREDIT_CLASS.search(node.attributes.get("class", "")))


def credit_of(captions: list[Node]) -> tuple[str, str]:
    """Caption and credit of a picture, from its `figcaption`, as they would be read aloud: 10⁶, not 106."""
    credits_: list[str] = []

    def without_credits(node: Node) -> Node:
        kept = Node(node.tag, node.attributes)
        for child in node.children:
            if isinstance(child, str):
                kept.children.append(child)
            elif child.tag in ("cite", "small") or is_credit(child):
                credits_.append(one_line(read_aloud(child)))
                kept.children.append(" ")
            else:
                is_word = child.tag in MARKS or child.tag in _WORDS
                kept.children += [without_credits(child)] if is_word else [" ", without_credits(child), " "]
        return kept

    whole = Node("", {})
    for caption in captions:
        if is_credit(caption):
            credits_.append(one_line(read_aloud(caption)))
        else:
            whole.children += [without_credits(caption), " "]
    text = one_line(read_aloud(whole))
    if not credits_ and (found := _CREDIT.search(text)):
        credits_.append(found.group(1).strip())
        text = text[: found.start(1)].strip()
        if credits_[0].endswith((")", "]")) and text.endswith(("(", "[")):
            credits_[0], text = credits_[0][:-1], text[:-1].strip()
    return _cut(text, NOTE_CHARS), _cut(" ".join(credits_), LINE_CHARS)


def address_of(node: Node) -> tuple[str, str]:
    """Where a player plays from ("": nowhere that can be linked), and its title.

    Its sources count, and what plugins were told; not what it shows where it cannot play. Scripts that wait for
    consent, and elements of somebody's own, hide the address in a data attribute.
    """
    own = node.attributes
    parts = [part.attributes for part in node.children if isinstance(part, Node) and part.tag in ("source", "param")]
    given = [one.get(name, "") for one in (own, *parts) for name in ("src", "data", "data-src", "href")]
    given += [one.get("value", "") for one in parts if one.get("name", "").lower() in ("movie", "src", "url")]
    name, address = _BY_NUMBER.get(node.tag, ("", ""))
    if re.fullmatch(r"[\w-]+", own.get(name, "")):
        given.append(address.format(own[name]))
    given += [value for name, value in own.items() if name.startswith("data-") and _HTTP.match(value)]
    where = next((address for one in given if is_link(address := absolute(one))), "")
    titles = [own.get(name, "") for name in ("title", "aria-label", "alt")]
    return where, next((title for one in titles if (title := one_line(one))), "")


def one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _is_usable(url: str) -> bool:
    try:
        return bool(check_url("url", url))
    except InvalidError:
        return False


def _pixels(text: str) -> int:
    found = re.match(r"\s*([0-9]{1,6})(?:\.[0-9]+)?\s*(?:px)?\s*$", text)
    number = int(found.group(1)) if found else 0
    return number if number <= PIXELS else 0


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
