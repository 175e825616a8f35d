"""Story, Post and what they are made of: field names of schema.org in snake_case.

Times are canonical strings (`times.format_time`); empty string or empty list means "none". Stored and exported
values are these records; what readers may see of them is `public.py`. What a text may be is said by its type
(`fields.py`), and `record.read` holds what comes in to it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from .events import EventType
from .fields import (
    Body,
    Headline,
    Html,
    Language,
    Line,
    Moment,
    Name,
    Note,
    OneLine,
    Paragraphs,
    PostId,
    Slug,
    StoredHeadline,
    Url,
    Zone,
    check_filled,
    is_blank,
)
from .record import Record

IMAGES = 20
PEOPLE = 50

Pixels = Annotated[int, Meta(ge=0, le=100_000)]
PostStatus = Literal["draft", "scheduled", "published", "withdrawn", "deleted"]
StoryStatus = Literal["upcoming", "live", "ended", "deleted"]
CorrectionKind = Literal["correction", "clarification", "retraction"]
Sort = Literal["newest", "oldest"]


class Person(Record, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Name
    url: Url = ""
    image: Url = ""
    job_title: Line = ""


class Image(Record, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`width` and `height` in pixels; 0 = unknown (pages then reserve a 3:2 box)."""

    url: Annotated[Url, check_filled]
    alt: Line = ""
    caption: Note = ""
    credit_text: Line = ""
    width: Pixels = 0
    height: Pixels = 0


class Correction(Record, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[Note, check_filled]
    kind: CorrectionKind = "correction"
    date_published: Moment = ""


People = Annotated[list[Person], Meta(max_length=PEOPLE)]
Images = Annotated[list[Image], Meta(max_length=IMAGES)]
Keywords = Annotated[list[Line], Meta(max_length=100)]


class Post(Record, kw_only=True, forbid_unknown_fields=True):
    """A post as stored, for editors: every field, published or not. `version` counts its changes from 1."""

    id: PostId
    status: PostStatus = "published"
    version: int = 1
    headline: StoredHeadline = ""
    byline: Line = ""
    authors: People = []
    contributors: People = []
    credit_note: Note = ""
    dateline: Line = ""
    body: Body = ""
    content_html: Html = ""
    article_body: Paragraphs = ""
    images: Images = []
    date_published: Moment = ""  # first time public; never changes; "" = unknown (imports)
    date_modified: Moment = ""  # last substantive change
    sort_time: Moment = ""  # order within the story, newest first; edits never touch it
    change_note: Note = ""
    withdrawal_note: Note = ""
    date_withdrawn: Moment = ""
    is_key_event: bool = False
    is_breaking: bool = False
    is_summary: bool = False
    keywords: Keywords = []
    corrections: list[Correction] = []


class PostDraft(Record, kw_only=True, forbid_unknown_fields=True):
    """What an editor gives to publish a post. `id` "" = one is made; times "" = now."""

    id: PostId = ""
    headline: Headline
    byline: Line = ""
    authors: People = []
    contributors: People = []
    credit_note: Note = ""
    dateline: Line = ""
    body: Body = ""
    content_html: Html = ""  # instead of a body
    images: Images = []
    date_published: Moment = ""
    sort_time: Moment = ""
    is_key_event: bool = False
    is_breaking: bool = False
    is_summary: bool = False
    keywords: Keywords = []
    pin: bool = False


class PostPatch(Record, kw_only=True, forbid_unknown_fields=True):
    """What an edit changes; a field left out stays. `minor`: a typo, neither the shown time nor the marks change."""

    headline: Headline | UnsetType = UNSET
    byline: Line | UnsetType = UNSET
    authors: People | UnsetType = UNSET
    contributors: People | UnsetType = UNSET
    credit_note: Note | UnsetType = UNSET
    dateline: Line | UnsetType = UNSET
    body: Body | UnsetType = UNSET
    content_html: Html | UnsetType = UNSET  # instead of a body; the post's becomes empty
    images: Images | UnsetType = UNSET
    is_key_event: bool | UnsetType = UNSET
    is_breaking: bool | UnsetType = UNSET
    is_summary: bool | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    change_note: Note = ""
    minor: bool = False


class Withdrawal(Record, kw_only=True, forbid_unknown_fields=True):
    """What readers are told of a post that was taken back."""

    note: Note = ""


class StoryDraft(Record, kw_only=True, forbid_unknown_fields=True):
    """What an editor gives to create a story."""

    slug: Slug
    headline: Headline
    description: Note = ""
    summary_points: Annotated[list[Note], Meta(max_length=50)] = []
    authors: People = []
    lead_image: Image | None = None
    status: Literal["upcoming", "live"] = "live"
    time_zone: Zone = "UTC"
    display_time_zones: Annotated[list[Zone], Meta(max_length=10)] = []
    default_sort: Sort = "newest"
    coverage_start_time: Moment = ""
    coverage_end_time: Moment = ""
    language: Language = "en"


class Story(StoryDraft, kw_only=True, forbid_unknown_fields=True):
    """The editorial part of a story. Counters and the pin live beside it (`Totals`): every change moves them."""

    status: StoryStatus = "live"  # type: ignore[assignment] # has more than a draft's; no code takes one as the other
    date_published: Moment = ""


class StoryPatch(Record, kw_only=True, forbid_unknown_fields=True):
    """What a story edit changes. `status` starts, ends or reopens; `pinned_post_id` pins, null unpins."""

    headline: Headline | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    summary_points: Annotated[list[Note], Meta(max_length=50)] | UnsetType = UNSET
    authors: People | UnsetType = UNSET
    lead_image: Image | UnsetType | None = UNSET
    status: Literal["upcoming", "live", "ended"] | UnsetType = UNSET
    time_zone: Zone | UnsetType = UNSET
    display_time_zones: Annotated[list[Zone], Meta(max_length=10)] | UnsetType = UNSET
    default_sort: Sort | UnsetType = UNSET
    coverage_start_time: Moment | UnsetType = UNSET
    coverage_end_time: Moment | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    pinned_post_id: OneLine | UnsetType | None = UNSET


class Totals(Record, kw_only=True):
    """What the store counts for a story, in the order it goes out.

    `version` rises with every change of the story or of a post in it. `post_count` counts published posts,
    `listed_count` adds withdrawn ones (a page shows them as notes): a snapshot that holds fewer has more to page to.
    """

    version: int = 0
    post_count: int = 0
    listed_count: int = 0
    date_modified: Moment = ""
    pinned_post_id: PostId | None = None


class Change(Record, kw_only=True):
    """One decision of the rules, ready for the store's script: what to write, what to expect, what to tell readers.

    `type` is the event's. `expect_version`: the post's stored version this was decided on (0 = no such id).
    `story_was`: the story it was decided on; None = the story is not touched. `pin`: None = leave, "" = unpin, else
    the id to pin, and `pinned` that post as it was decided on (the script checks that its version still stands, and
    tells it in the event). `unpin_if`: unpin when this id is pinned. `published` and `listed` move the two counters.
    `touch`: the story's `date_modified` moves to `at`, or to the date a new post was given. `erase`: forget every
    revision of the post. `created`: fingerprint of what the post was created with, kept for its id for ever.
    """

    type: EventType
    at: Moment
    post: Post | None = None
    expect_version: int = 0
    story: Story | None = None
    story_was: Story | None = None
    pin: PostId | None = None
    pinned: Post | None = None
    unpin_if: PostId = ""
    published: int = 0
    listed: int = 0
    touch: bool = True
    erase: bool = False
    created: OneLine = ""


def shows(post: Post) -> bool:
    """Is there anything of it for a reader to see: a headline, a word, a picture, or that it was withdrawn?"""
    words = not is_blank(post.headline) or not is_blank(post.article_body)
    return words or bool(post.images) or post.status == "withdrawn"
