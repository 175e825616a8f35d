"""Story, Post and what they are made of: field names of schema.org in snake_case, their limits, their checks.

Times are canonical strings (`times.format_time`); empty string or empty list means "none". Stored and exported
values are these structs; what readers may see of them is `public.py`. Shape errors come from msgspec, rules that need
more than a type stand in `check_…` below.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from unicodedata import category

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .errors import InvalidError
from .shape import shape_error
from .times import check_zone, normal_time
from .urls import split_url

SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){0,79}")
POST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
HEADLINE_CHARS = 300
LINE_CHARS = 1_000  # bylines, captions, credits, names, keywords
NOTE_CHARS = 4_000  # notes and corrections: a paragraph or two
URL_CHARS = 2_048
BODY_BYTES = 64 * 1024
IMAGES = 20
PEOPLE = 50
# C0 (but tab and line ends), DEL and C1 draw nothing, and NUL ends strings in other people's software.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LINE_BREAK = re.compile(r"[\r\n\u2028\u2029]")

Line = Annotated[str, Meta(max_length=LINE_CHARS)]
Note = Annotated[str, Meta(max_length=NOTE_CHARS)]
Headline = Annotated[str, Meta(max_length=HEADLINE_CHARS)]
Url = Annotated[str, Meta(max_length=URL_CHARS)]
Pixels = Annotated[int, Meta(ge=0, le=100_000)]
PostStatus = Literal["draft", "scheduled", "published", "withdrawn", "deleted"]
StoryStatus = Literal["upcoming", "live", "ended", "deleted"]
CorrectionKind = Literal["correction", "clarification", "retraction"]
Sort = Literal["newest", "oldest"]


class Person(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Line
    url: Url = ""
    image: Url = ""
    job_title: Line = ""


class Image(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`width` and `height` in pixels; 0 = unknown (pages then reserve a 3:2 box)."""

    url: Url
    alt: Line = ""
    caption: Note = ""
    credit_text: Line = ""
    width: Pixels = 0
    height: Pixels = 0


class Correction(Struct, kw_only=True, forbid_unknown_fields=True):
    text: Note
    kind: CorrectionKind = "correction"
    date_published: str = ""


People = Annotated[list[Person], Meta(max_length=PEOPLE)]
Images = Annotated[list[Image], Meta(max_length=IMAGES)]
Keywords = Annotated[list[Line], Meta(max_length=100)]


class Post(Struct, kw_only=True, forbid_unknown_fields=True):
    """A post as stored, for editors: every field, published or not. `version` counts its changes from 1."""

    id: str
    status: PostStatus = "published"
    version: int = 1
    headline: Headline = ""
    byline: Line = ""
    authors: People = []
    contributors: People = []
    credit_note: Note = ""
    dateline: Line = ""
    body: str = ""
    content_html: str = ""
    article_body: str = ""
    images: Images = []
    date_published: str = ""  # first time public; never changes; "" = unknown (imports)
    date_modified: str = ""  # last substantive change
    sort_time: str = ""  # order within the story, newest first; edits never touch it
    change_note: Note = ""
    withdrawal_note: Note = ""
    date_withdrawn: str = ""
    is_key_event: bool = False
    is_breaking: bool = False
    is_summary: bool = False
    keywords: Keywords = []
    corrections: list[Correction] = []


class PostDraft(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an editor gives to publish a post. `id` "" = one is made; times "" = now."""

    id: str = ""
    headline: Headline
    byline: Line = ""
    authors: People = []
    contributors: People = []
    credit_note: Note = ""
    dateline: Line = ""
    body: str = ""
    content_html: str = ""  # instead of a body
    images: Images = []
    date_published: str = ""
    sort_time: str = ""
    is_key_event: bool = False
    is_breaking: bool = False
    is_summary: bool = False
    keywords: Keywords = []
    pin: bool = False


class PostPatch(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an edit changes; a field left out stays. `minor`: a typo, neither the shown time nor the marks change."""

    headline: Headline | UnsetType = UNSET
    byline: Line | UnsetType = UNSET
    authors: People | UnsetType = UNSET
    contributors: People | UnsetType = UNSET
    credit_note: Note | UnsetType = UNSET
    dateline: Line | UnsetType = UNSET
    body: str | UnsetType = UNSET
    content_html: str | UnsetType = UNSET  # instead of a body; the post's becomes empty
    images: Images | UnsetType = UNSET
    is_key_event: bool | UnsetType = UNSET
    is_breaking: bool | UnsetType = UNSET
    is_summary: bool | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    change_note: Note = ""
    minor: bool = False


class Withdrawal(Struct, kw_only=True, forbid_unknown_fields=True):
    """What readers are told of a post that was taken back."""

    note: Note = ""


class StoryDraft(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an editor gives to create a story."""

    slug: str
    headline: Headline
    description: Note = ""
    summary_points: Annotated[list[Note], Meta(max_length=50)] = []
    authors: People = []
    lead_image: Image | None = None
    status: Literal["upcoming", "live"] = "live"
    time_zone: str = "UTC"
    display_time_zones: Annotated[list[str], Meta(max_length=10)] = []
    default_sort: Sort = "newest"
    coverage_start_time: str = ""
    coverage_end_time: str = ""
    language: Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] = "en"


class Story(StoryDraft, kw_only=True, forbid_unknown_fields=True):
    """The editorial part of a story. Counters and the pin live beside it (`Totals`): every change moves them."""

    status: StoryStatus = "live"
    date_published: str = ""


class StoryPatch(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a story edit changes. `status` starts, ends or reopens; `pinned_post_id` pins, null unpins."""

    headline: Headline | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    summary_points: Annotated[list[Note], Meta(max_length=50)] | UnsetType = UNSET
    authors: People | UnsetType = UNSET
    lead_image: Image | UnsetType | None = UNSET
    status: Literal["upcoming", "live", "ended"] | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    display_time_zones: Annotated[list[str], Meta(max_length=10)] | UnsetType = UNSET
    default_sort: Sort | UnsetType = UNSET
    coverage_start_time: str | UnsetType = UNSET
    coverage_end_time: str | UnsetType = UNSET
    language: Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | UnsetType = UNSET
    pinned_post_id: str | UnsetType | None = UNSET


class Totals(Struct, kw_only=True):
    """What the store counts for a story, in the order it goes out.

    `version` rises with every change of the story or of a post in it. `post_count` counts published posts,
    `listed_count` adds withdrawn ones (a page shows them as notes): a snapshot that holds fewer has more to page to.
    """

    version: int = 0
    post_count: int = 0
    listed_count: int = 0
    date_modified: str = ""
    pinned_post_id: str | None = None


class Change(Struct, kw_only=True):
    """One decision of the rules, ready for the store's script: what to write, what to expect, what to tell readers.

    `type` is the event's. `expect_version`: the post's stored version this was decided on (0 = no such id).
    `story_was`: the story it was decided on; None = the story is not touched. `pin`: None = leave, "" = unpin, else
    the id to pin, and `pinned` that post as it was decided on (the script checks that its version still stands, and
    tells it in the event). `unpin_if`: unpin when this id is pinned. `published` and `listed` move the two counters.
    `touch`: the story's `date_modified` moves to `at`, or to the date a new post was given. `erase`: forget every
    revision of the post. `created`: fingerprint of what the post was created with, kept for its id for ever.
    """

    type: str
    at: str
    post: Post | None = None
    expect_version: int = 0
    story: Story | None = None
    story_was: Story | None = None
    pin: str | None = None
    pinned: Post | None = None
    unpin_if: str = ""
    published: int = 0
    listed: int = 0
    touch: bool = True
    erase: bool = False
    created: str = ""


T = TypeVar("T", bound=Struct)


def read(kind: type[T], value: Any) -> T:
    """`value` (parsed JSON) as a `kind`, checked; raises InvalidError that names the field and the rule."""
    try:
        made = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise shape_error(kind, str(error)) from None
    check(made)
    return made


def check(value: Struct) -> None:
    """The rules that a type cannot say; normalises times in place."""
    for field in value.__struct_fields__:
        held = getattr(value, field)
        if held is UNSET or held is None:
            continue
        if isinstance(held, str):
            if field.endswith("_time") or field.startswith("date_"):
                if held:
                    setattr(value, field, normal_time(held, field))
            else:
                check_text(field, held)
        elif isinstance(held, Struct):
            _nested(field, held)
        elif isinstance(held, list):
            for n, item in enumerate(held):
                if isinstance(item, Struct):
                    _nested(f"{field}[{n}]", item)
                elif isinstance(item, str):
                    check_text(f"{field}[{n}]", item)
    for field in ("time_zone", "display_time_zones"):
        held = getattr(value, field, UNSET)
        for zone in [held] if isinstance(held, str) else held or []:
            check_zone(zone, field)
    headline = getattr(value, "headline", UNSET)
    # A stored post may lack one: imports keep what an older system had.
    if isinstance(headline, str) and is_blank(headline) and not isinstance(value, Post):
        raise InvalidError("headline", "must not be empty")
    needed = _NEEDED.get(type(value), "")
    if needed and is_blank(getattr(value, needed)):
        raise InvalidError(needed, "must not be empty")


_NEEDED: dict[type[Struct], str] = {Person: "name", Image: "url", Correction: "text"}


def is_blank(text: str) -> bool:
    """Does it show nothing? Beyond white space, Unicode has joiners, marks of direction and other invisible ones."""
    return all(char.isspace() or category(char) in ("Cf", "Zs", "Zl", "Zp") for char in text)


def _nested(path: str, item: Struct) -> None:
    try:
        check(item)
    except InvalidError as error:
        raise InvalidError(f"{path}.{error.field}", error.rule) from None


_PARAGRAPHS = frozenset({"body", "content_html", "article_body", "description", "text", "caption"})


def check_text(field: str, text: str) -> None:
    """Refuse what cannot be shown or kept; `field` decides how long it may be and whether it may have line ends."""
    name = field.rpartition(".")[2].partition("[")[0]
    found = CONTROL.search(text)
    if found:
        raise InvalidError(field, f"has the control character U+{ord(found.group()):04X} at {found.start()}; remove it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidError(field, "is not valid Unicode (a lone surrogate); send UTF-8") from None
    if name == "body" and size > BODY_BYTES:
        raise InvalidError(
            field, f"is {size:,} bytes; the limit is {BODY_BYTES:,} (64 KiB): split it into several posts"
        )
    if name == "slug" and not SLUG.fullmatch(text):
        raise InvalidError(field, "must be 1 to 80 of a-z and 0-9, single hyphens between them, such as election-night")
    if name == "id" and text and not POST_ID.fullmatch(text):
        raise InvalidError(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -")
    if name in ("url", "image") and text:
        check_url(field, text)
    if name not in _PARAGRAPHS and not name.endswith(("note", "points")) and LINE_BREAK.search(text):
        raise InvalidError(field, "must be one line; remove the line break")


def check_url(field: str, url: str) -> None:
    """An absolute http(s) address, or a path on this site."""
    is_one = re.fullmatch(r"(https?://[^\s/\\]|/(?![/\\])|/$)[^\s\\<>\"`]*", url, re.I)
    if not is_one or split_url(url) is None:
        raise InvalidError(field, "must be an http:// or https:// address, or a path that starts with one /")
