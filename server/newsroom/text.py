"""CommonMark or HTML in; safe HTML and plain text out.

Whoever writes the HTML (`markdown.py` for a body, `html.py` for HTML from elsewhere), another library sanitises it
(`safe.py`), so a mistake in one is not yet a hole. What is left out or changed on the way is told in `notes`. Every
function is pure, bounded in time (64 KiB of the worst body we know take under 2 s) and meant for a thread: never call
one on the hub's loop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape, unescape
from typing import NamedTuple

from msgspec import structs

from . import markdown
from .errors import InvalidError
from .fields import check_body, check_text
from .markdown import NESTING
from .model import IMAGES, Image
from .note import Note
from .plain import plain
from .safe import REL, TAGS, is_link, sanitised
from .tree import VOID

__all__ = [
    "NESTING",
    "REL",
    "TAGS",
    "Content",
    "Note",
    "clean",
    "from_lines",
    "instead_of",
    "plain",
    "render",
    "take",
    "with_pictures",
]

HTML_BYTES = 512 * 1024
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
TAGS_DEEP = NESTING + 4  # a body's 50 levels may end in a table or in code


class Content(NamedTuple):
    """What a body or HTML becomes. `images`: those that stood in it, which `with_pictures` makes the post's."""

    html: str
    text: str
    images: list[Image] = []  # noqa: RUF012
    notes: list[Note] = []  # noqa: RUF012


def render(body: str) -> Content:
    """`body` as safe HTML and as plain text; both are the same for the same body, always.

    Raises InvalidError for what `check_body` refuses, nesting over 50, HTML over 512 KiB (definitions multiply links).
    """
    check_body("body", body)
    html, notes = markdown.to_html(body, HTML_BYTES)
    html = sanitised(html)
    if len(html.encode()) > HTML_BYTES:
        raise InvalidError("body", f"becomes more than {HTML_BYTES:,} bytes of HTML: split it into several posts")
    return Content(html, plain(html), notes=_counted(notes))


def clean(html: str) -> str:
    """HTML from elsewhere, reduced to what a post may have; what it returns stays as it is, byte for byte, and so does
    `render`'s own HTML."""
    return take(html).html


def take(html: str, resolve: Callable[[str], str | None] | None = None) -> Content:
    """HTML from elsewhere as a post has it, the pictures that stood in it, and what could not be kept.

    `resolve`: where a link's address is on this site, if it knows. Raises InvalidError for more than 512 KiB, or tags
    more than 54 deep.
    """
    check_text("content_html", html)
    if _size(html) > HTML_BYTES:
        raise InvalidError("content_html", f"is over {HTML_BYTES:,} bytes (512 KiB): split it into several posts")
    # html5ever takes time in the square of the depth: 28 s for half a megabyte of <ul><li> (measured).
    too_deep = InvalidError("content_html", f"has tags more than {NESTING} deep: close them, or nest less")
    if _depth(html) > TAGS_DEEP:
        raise too_deep
    from . import html as foreign  # and five files more, which a body does not need

    taken = foreign.take(html, 4 * TAGS_DEEP, resolve)
    if taken is None:
        raise too_deep
    made = sanitised(taken.html)
    if _size(made) > HTML_BYTES:
        raise InvalidError("content_html", f"becomes more than {HTML_BYTES:,} bytes: split it into several posts")
    return Content(made, plain(made), taken.images, _counted(taken.notes))


def from_lines(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs; where there is none, as in an agency's text, each line end."""
    parts = (
        re.split(r"\n[ \t]*\n", text.strip()) if re.search(r"\n[ \t]*\n", text.strip()) else text.strip().split("\n")
    )
    lines = [_linked(part.strip()).replace("\n", "<br>") for part in parts if part.strip()]
    return clean("".join(f"<p>{part}</p>" for part in lines))


def _linked(text: str) -> str:
    """As HTML, its addresses as links, as they are in a body."""
    from .inline import bare  # with its parser, which nothing else of a plain text needs

    made, at = [], 0
    for start, end, address in bare(text):
        if start >= at and is_link(address):
            made += [escape(text[at:start], quote=False), f'<a href="{escape(address)}">{escape(text[start:end])}</a>']
            at = end
    return "".join([*made, escape(text[at:], quote=False)])


def _size(html: str) -> int:
    """In bytes, a character reference counted as what it stands for: so what was taken once is not too long later."""
    return len(unescape(html).encode())


def with_pictures(given: Sequence[Image], found: Sequence[Image]) -> tuple[list[Image], list[Note]]:
    """The `given` pictures of a post, then those `found` in its HTML, each address once and 20 at most."""
    images, notes = list(given), list[Note]()
    at = {image.url: n for n, image in enumerate(images)}
    for image in found:
        if image.url in at:
            same = images[at[image.url]]
            lacking = {name: held for name, held in structs.asdict(image).items() if held and not getattr(same, name)}
            images[at[image.url]] = structs.replace(same, **lacking)
            if image.caption and same.caption not in ("", image.caption):
                notes.append(Note("figcaption", f"caption left out, the picture has another: {image.caption[:80]}"))
        elif len(images) >= IMAGES:
            notes.append(Note("img", f"img left out, a post has at most {IMAGES}: {image.url[:200]}"))
        else:
            at[image.url] = len(images)
            images.append(image)
            notes.append(Note("img", "img moved to images", kept=True))
    return images, _counted(notes)


def instead_of(old: Sequence[Image], found: Sequence[Image]) -> tuple[list[Image], list[Note]]:
    """The pictures `found` in new HTML, in its order, in place of `old` ones; one that stays keeps its words."""
    order = {image.url: n for n, image in reversed([*enumerate(found)])}
    images, notes = with_pictures([image for image in old if image.url in order], found)
    images.sort(key=lambda image: order[image.url])
    gone = [image.url for image in old if image.url not in order]
    if gone:
        notes.append(Note("img", f"images replaced by those in the HTML, left out: {', '.join(gone)[:300]}"))
    return images, notes


def _counted(notes: list[Note]) -> list[Note]:
    """Each once, with how often."""
    return [note if n == 1 else note._replace(text=f"{note.text} ({n} times)") for note, n in Counter(notes).items()]


_SELF_CLOSING = frozenset("p li dt dd tr td th tbody thead tfoot option".split())  # end tag may be left out
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")


def _depth(html: str) -> int:
    """How deep tags nest at most, from above: an end tag closes only its own kind."""
    depth = deepest = 0
    opened: Counter[str] = Counter()
    for closing, name in _OPEN_OR_CLOSE.findall(html):
        name = name.lower()
        if name in VOID or name in _SELF_CLOSING:
            continue
        if not closing:
            opened[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return deepest
