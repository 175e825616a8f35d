"""Fields: the kinds of text that a record is made of, each a type with its limit and its rules.

The rules ride on the type, and nobody chooses them by a field's name: `Record` refuses text without one. A rule takes
the field's path and the text, raises InvalidError, and returns the text as it is kept: only times become another.
"""

from __future__ import annotations

import re
from typing import Annotated
from unicodedata import category

from msgspec import Meta

from .errors import InvalidError
from .times import check_zone, normal_time
from .urls import split_url

SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,79}")
POST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
HEADLINE_CHARS = 300
LINE_CHARS = 1_000  # bylines, captions, credits, names, keywords
NOTE_CHARS = 4_000  # notes and corrections: a paragraph or two
URL_CHARS = 2_048
BODY_BYTES = 64 * 1024
# C0 (but tab and line ends), DEL and C1 draw nothing, and NUL ends strings in other people's software.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LINE_BREAK = re.compile(r"[\r\n\u2028\u2029]")


def is_blank(text: str) -> bool:
    """Does it show nothing? Beyond white space, Unicode has joiners, marks of direction and other invisible ones."""
    return all(char.isspace() or category(char) in ("Cf", "Zs", "Zl", "Zp") for char in text)


# Rules


def check_text(field: str, text: str) -> str:
    """Refuse what cannot be shown or kept; the least that every text is held to, and all that paragraphs are."""
    found = CONTROL.search(text)
    if found:
        raise InvalidError(field, f"has the control character U+{ord(found.group()):04X} at {found.start()}; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidError(field, "is not valid Unicode (a lone surrogate); send UTF-8") from None
    return text


def check_line(field: str, text: str) -> str:
    check_text(field, text)
    if LINE_BREAK.search(text):
        raise InvalidError(field, "must be one line; remove the line break")
    return text


def check_filled(field: str, text: str) -> str:
    """Stands behind another rule, for what may not be left out."""
    if is_blank(text):
        raise InvalidError(field, "must not be empty")
    return text


def check_body(field: str, text: str) -> str:
    check_text(field, text)
    size = len(text.encode())
    if size > BODY_BYTES:
        raise InvalidError(
            field, f"is {size:,} bytes; the limit is {BODY_BYTES:,} (64 KiB): split it into several posts"
        )
    return text


def check_slug(field: str, text: str) -> str:
    check_text(field, text)
    if not SLUG.fullmatch(text):
        raise InvalidError(field, "must be 1 to 80 of a-z and 0-9, single hyphens between them, such as election-night")
    return text


def check_post_id(field: str, text: str) -> str:
    check_text(field, text)
    if text and not POST_ID.fullmatch(text):
        raise InvalidError(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -")
    return text


def check_url(field: str, text: str) -> str:
    """An absolute http(s) address, a path on this site, or nothing."""
    check_text(field, text)
    is_one = re.fullmatch(r"(https?://[^\s/\\]|/(?![/\\])|/$)[^\s\\<>\"`]*", text, re.I)
    if text and (not is_one or split_url(text) is None):
        raise InvalidError(field, "must be an http:// or https:// address, or a path that starts with one /")
    return text


def check_moment(field: str, text: str) -> str:
    """Returns it in the one form that is kept."""
    return normal_time(text, field) if text else text


def check_zone_name(field: str, text: str) -> str:
    check_line(field, text)
    check_zone(text, field.partition("[")[0])
    return text


# Types

Paragraphs = Annotated[str, check_text]
Note = Annotated[str, Meta(max_length=NOTE_CHARS), check_text]
OneLine = Annotated[str, check_line]
Line = Annotated[str, Meta(max_length=LINE_CHARS), check_line]
Name = Annotated[Line, check_filled]
# A stored post may lack one: imports keep what an older system had.
StoredHeadline = Annotated[str, Meta(max_length=HEADLINE_CHARS), check_line]
Headline = Annotated[StoredHeadline, check_filled]
Body = Annotated[str, check_body]
Html = Paragraphs  # `text.take` bounds it, where it becomes a post's
Slug = Annotated[str, check_slug]
PostId = Annotated[str, check_post_id]
Address = Annotated[str, check_url]
Url = Annotated[str, Meta(max_length=URL_CHARS), check_url]
Moment = Annotated[str, check_moment]
Zone = Annotated[str, check_zone_name]
Language = Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"), check_line]
