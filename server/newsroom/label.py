"""A post's label: the one line that stands for it in a list, a feed, a title, and for those who do not see the page.

Most posts have a headline, and then it is that. Many newsrooms write posts without one; so that nobody invents a line
of their own, there is one rule: the headline, else the first sentence of the text, else what the first picture shows,
else the time. Pure. A label has a post's text in it, so a withdrawn post is not labelled by what it said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category, combining

from .fields import is_blank
from .times import in_words

CHARS = 80  # of a label made from a text; a headline is as long as it was written
LOOK_CHARS = 2_000  # of a text: what lies further back is cut off in any case
WITHDRAWN = "Withdrawn post"
UNKNOWN = "Time unknown"

_SPACE = re.compile(r"[ \t\r\n\f\u2028\u2029]+")  # not the spaces that hold a number and its unit together
_ITEM = re.compile(r"(?:[-*•]|[0-9]{1,3}[.)])[ \t]+")
# Marks that end a sentence: most before white space only, for "1.5", "example.org" and "?page=2" have none behind;
# those of scripts that are written without spaces wherever they stand.
_END = re.compile(
    "([.!?…؟۔।॥։።]+)[\"'”’»)\\]]*(?= )"
    "|[。！？｡]+(?![。！？｡”’」』）])"
    "|[。！？｡]+[”’」』）]+(?=[「『（ ]|$)"  # a quotation that the sentence goes on behind does not end it
)
_WORD = re.compile(r"[^\s\"'“‘«(\[]*$")
# A dot behind these is part of the word. Left out are those that end a sentence as often ("etc.").
_SHORT = frozenset(
    "dr mr mrs ms mx prof st sr jr gen gov sen rep rev hon lt col capt cmdr cpl sgt maj insp det supt pres amb "
    "mt ft ave blvd inc ltd corp co bros vs cf ca approx est dept jan feb mar apr jun jul aug sep sept oct nov dec "
    "hr fr dra sra srta mme mlle bzw evtl ggf inkl sog".split()
)
_NUMBERED = frozenset("no nos nr art abs fig p pp vol ch sec".split())  # the same, before a number


def label(post: Mapping[str, Any]) -> str:
    """The line for a post, full or public; never empty, never two lines."""
    headline = post.get("headline", "")
    if not is_blank(headline):
        return str(headline)
    if post.get("label"):
        return str(post["label"])  # a public post brings it: it comes without its plain text
    for text in _texts(post):
        if line := _sentence(_opening(text)):
            return line
    if post.get("status") == "withdrawn":
        return WITHDRAWN
    at = post.get("date_published") or post.get("date_modified")
    return in_words(at) if at else UNKNOWN


def _texts(post: Mapping[str, Any]) -> list[str]:
    """Where a label may come from, the best first."""
    pictures = [image.get(name, "") for image in post.get("images") or [] for name in ("alt", "caption")]
    return [post.get("article_body", ""), *pictures]


def _opening(text: str) -> str:
    """The first paragraph, or the first item of a list, as one line. Rules and lone marks say nothing."""
    for paragraph in re.split(r"\n[ \t]*\n", text[:LOOK_CHARS].strip()):
        if not any(category(char)[0] in "LN" or category(char) == "So" for char in paragraph):
            continue
        lines = paragraph.split("\n")
        count = next((n for n, line in enumerate(lines) if n and _ITEM.match(line)), len(lines))
        if marker := _ITEM.match(lines[0]):
            lines[0], count = lines[0][marker.end() :], 1
        return _SPACE.sub(" ", " ".join(lines[:count])).strip()
    return ""


def _sentence(text: str) -> str:
    """The first sentence of a line, at most CHARS of it. In doubt it goes on: two say more than half a name."""
    for found in _END.finditer(text):
        if not found.group(1) or _ends(text[: found.start()], found.group(1), text[found.end() + 1 :]):
            text = text[: found.end()]
            break
    return _cut(text)


def _ends(before: str, mark: str, after: str) -> bool:
    after = after.lstrip("\"'“‘«([¿¡")
    if after[:1].islower():
        return False
    if mark != ".":
        return True
    word = _WORD.search(before).group().casefold()  # type: ignore[union-attr]
    if len(word) == 1 and word.isalpha():
        return False  # J. Lee
    if "." in word and all(part.isalpha() and len(part) <= 2 for part in word.split(".")):
        return False  # U.S., p.m., z.B.
    if word.isdigit() and len(word) < 3:
        return False  # 24. März
    return word not in _SHORT and not (word in _NUMBERED and after[:1].isdigit())


def _cut(text: str) -> str:
    if len(text) <= CHARS:
        return text
    at = text.rfind(" ", 0, CHARS + 1)
    if at <= CHARS // 2:  # no spaces, or a word as long as an address
        at = CHARS
        while at > 1 and _is_inside(text, at):
            at -= 1
    return text[:at].rstrip(" ,;:،、，–—-") + "…"


def _is_inside(text: str, at: int) -> bool:
    """Would a cut before `text[at]` split what people see as one character? UAX 29, as far as news texts need it."""
    left, right = text[at - 1], text[at]
    if category(right) in ("Mn", "Me", "Mc") or right in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f":
        return True
    if "\U0001f3fb" <= right <= "\U0001f3ff" or "\U000e0020" <= right <= "\U000e007f":
        return True  # skin tones; the letters of a region's flag
    if left == "\u200d" or combining(left) == 9:
        return True  # joined pictures; conjuncts of Indic scripts
    if "\u1160" <= right <= "\u11ff" or "\ud7b0" <= right <= "\ud7ff" or "\u1100" <= left <= "\u115f":
        return True  # syllables of Korean letter by letter
    flags = re.search("[\U0001f1e6-\U0001f1ff]*$", text[:at])
    return "\U0001f1e6" <= right <= "\U0001f1ff" and len(flags.group()) % 2 == 1  # type: ignore[union-attr]
