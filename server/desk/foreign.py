"""What files of other systems have in common: JSON, times, pictures in several sizes.

It never says what a field means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from ..newsroom.errors import InvalidError
from ..newsroom.text import Note, take

Line = dict[str, Any]
BLOCK = re.compile(r"<(p|div|ul|ol|table|blockquote|figure|h[1-6]|pre|iframe)[\s>]", re.I)
_HTML = re.compile(
    r"</?(?:a|b|i|em|strong|sub|sup|span|br|del|ins|s|u|small|code|p|div|q|cite|mark|font)(?:\s[^<>]*)?/?>"
    r"|&(?:#[0-9]+|#x[0-9a-f]+|[a-z][a-z0-9]*);",
    re.I,
)
WIDE_PX = 2_000  # a picture's rendition is the widest up to this
_OFFSET = re.compile(r"(T[\d:.]+[+-]\d\d)(\d\d)$")


def line_of(**fields: Any) -> Line:
    return {name: held for name, held in fields.items() if held not in (None, "", [], False)}


def parse(file: bytes) -> Any:
    try:
        return orjson.loads(file.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidError("file", f"is not JSON: {error}") from None


def rows_with(needed: str, value: Any) -> tuple[list[Line], list[Note]]:
    """The objects that have the member, and a note of the others."""
    rows = [one for one in value if isinstance(one, dict) and needed in one] if isinstance(value, list) else []
    if not rows:
        raise InvalidError("file", f"holds no posts: it has no list of objects with {needed}")
    without = len(value) - len(rows)
    told = f"{without:,} of {len(value):,} entries left out: they have no {needed}"
    return rows, [Note("entry", told)] if without else []


def with_offset(at: Any) -> str:
    """RFC 3339 for what Superdesk writes: `+0000`. Anything else stays as it is, for the import to judge."""
    return _OFFSET.sub(r"\1:\2", str(at or ""), count=1)


def left_behind(states: Iterable[str]) -> list[Note]:
    """What was not public there is not here, which is no loss but worth a line."""
    counts = Counter(states)
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))
    return [Note("left behind", f"left behind: {told}", kept=True)] if counts else []


def table(held: Any) -> Line:
    """An object, {} for anything else."""
    return held if isinstance(held, dict) else {}


def listed(held: Any) -> list[Line]:
    """Objects: a list of them, an object of them by name, or of lists of them."""
    held = list(held.values()) if isinstance(held, dict) else held
    found: list[Line] = []
    for one in held if isinstance(held, list) else []:
        found += [one] if isinstance(one, dict) else listed(one) if isinstance(one, list) else []
    return found


def title(value: Any) -> str:
    """A headline that may hold HTML, as the line of text it is here: `10<sup>6</sup>` → 10⁶, `&amp;` → &."""
    text: str = str(value or "").strip()
    if not _HTML.search(text):
        return text
    try:
        return " ".join(take(text).text.split())
    except InvalidError:
        return text  # the import says what is wrong with it


def renditions(held: Any) -> list[Line]:
    return [one for one in listed(held) if isinstance(one.get("href"), str)]


def best_rendition(held: Any) -> Line:
    """`url`, and `width` and `height` where they are known; {} = there is none."""
    known = sorted(renditions(held), key=_width)
    best = next((one for one in reversed(known) if _width(one) <= WIDE_PX), known[0] if known else {})
    sizes = {side: best[side] for side in ("width", "height") if isinstance(best.get(side), int)}
    return {"url": best["href"], **sizes} if best else {}


def _width(rendition: Line) -> int:
    width = rendition.get("width")
    return width if isinstance(width, int) else 0
