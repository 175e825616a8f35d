"""What an editor may do, and what follows: each operation is one pure decision that returns a `Change`.

Nothing here reads or writes anything; `now` is milliseconds since 1970. The store's script carries a Change out if
the versions it was decided on still stand. An operation that would change nothing raises ConflictError with the way
out, or is answered as it stands by the Desk (edits that repeat what is stored).
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType, structs

from .errors import ConflictError, GoneError, InvalidError
from .events import (
    POST_DELETED,
    POST_PUBLISHED,
    POST_UPDATED,
    POST_WITHDRAWN,
    STORY_DELETED,
    STORY_ENDED,
    STORY_REOPENED,
    STORY_UPDATED,
    EventType,
)
from .fields import is_blank
from .model import Change, Correction, Post, PostDraft, PostPatch, Story, StoryDraft, StoryPatch, shows
from .times import format_time

_EDITABLE = tuple(name for name in PostPatch.__struct_fields__ if name not in ("content_html", "change_note", "minor"))


# Stories


def create_story(draft: StoryDraft, now: int) -> Change:
    at = format_time(now)
    story = Story(**structs.asdict(draft), date_published=at if draft.status == "live" else "")
    if story.status == "live" and not story.coverage_start_time:
        story.coverage_start_time = at
    return Change(type=STORY_UPDATED, at=at, story=story, story_was=None)


def edit_story(story: Story, patch: StoryPatch, now: int, pinned: Post | None = None) -> Change:
    """Also starts, ends and reopens, by `status`; pins and unpins, by `pinned_post_id` (`pinned` is that post)."""
    if pinned:
        _must_be(pinned, "published")
    at = format_time(now)
    given = {
        name: held
        for name in patch.__struct_fields__
        if name != "pinned_post_id" and (held := getattr(patch, name)) is not UNSET
    }
    new = structs.replace(story, **given)
    type_: EventType = STORY_UPDATED
    if new.status != story.status:
        if new.status == "upcoming":
            raise ConflictError(f"status: the story is {story.status}; it cannot become upcoming again")
        if new.status == "ended":
            type_ = STORY_ENDED
            if "coverage_end_time" not in given:
                new.coverage_end_time = at
        elif story.status == "ended":
            type_ = STORY_REOPENED
            if "coverage_end_time" not in given:
                new.coverage_end_time = ""
        elif "coverage_start_time" not in given:
            new.coverage_start_time = at
        new.date_published = new.date_published or at
    if (
        new.coverage_start_time
        and new.coverage_end_time
        and new.coverage_end_time < new.coverage_start_time
        and ("coverage_start_time" in given or "coverage_end_time" in given)
    ):
        raise InvalidError("coverage_end_time", "lies before coverage_start_time")
    pin = None if patch.pinned_post_id is UNSET else patch.pinned_post_id or ""
    return Change(type=type_, at=at, story=new, story_was=story, pin=pin, pinned=pinned)


def dated_by(story: Story, earliest: str) -> Story:
    """A story without posts, once posts were imported of which the first is of `earliest` ("" = nobody knows when).

    It was made here to take them in, and they happened when they say: so it was first live, and its coverage began,
    with the first of them. A start that an editor gave stays, and a story that is older than its posts stays as it is.
    """
    made = story.date_published
    if not made or made <= earliest:
        return story
    was_given = story.coverage_start_time != made
    start = story.coverage_start_time if was_given else earliest
    return structs.replace(story, date_published=earliest, coverage_start_time=start)


def delete_story(story: Story, now: int) -> Change:
    gone = Story(slug=story.slug, headline=story.headline, status="deleted", time_zone=story.time_zone)
    return Change(type=STORY_DELETED, at=format_time(now), story=gone, story_was=story, pin="")


# Posts


def publish(draft: PostDraft, *, id: str, html: str, text: str, now: int, created: str) -> Change:
    """`html`, `text`: the rendered body. `created`: fingerprint of the draft."""
    at = format_time(now)
    not_in_the_future("date_published", draft.date_published, at)
    fields = {name: getattr(draft, name) for name in _EDITABLE}
    post = Post(
        id=id,
        content_html=html,
        article_body=text,
        date_published=draft.date_published or at,
        date_modified=draft.date_published or at,
        sort_time=draft.sort_time or draft.date_published or at,
        **fields,
    )
    pin = id if draft.pin else None
    return Change(type=POST_PUBLISHED, at=at, post=post, pin=pin, published=1, listed=1, created=created)


def not_in_the_future(field: str, date: str, at: str) -> None:
    """`at`: now. What has happened has a date that is past; "" is none."""
    if date > at:
        raise InvalidError(field, "lies in the future; give the time it was, or leave it out")


def body_or_html(body: str | UnsetType, html: str | UnsetType) -> None:
    """A post is written in Markdown or in HTML."""
    if body and html:
        raise InvalidError("content_html", "stands beside a body; a post has one of them: give body or content_html")


def edit(post: Post, patch: PostPatch, *, html: str, text: str, now: int) -> Change | None:
    """None = the post says all that already. A minor edit leaves `date_modified` and the notes as they were."""
    _must_be(post, "published")
    given = {name: held for name in _EDITABLE if (held := getattr(patch, name)) is not UNSET}
    if patch.content_html is not UNSET:
        given["body"] = ""
    note = patch.change_note or ("" if not patch.minor else post.change_note)
    is_same = all(getattr(post, name) == held for name, held in given.items())
    # Of a body, the stored HTML is what it was rendered to then: the same body is the same post.
    if is_same and (patch.content_html is UNSET or html == post.content_html) and not patch.change_note:
        return None
    change = _next(post, now, html=html, text=text, minor=patch.minor, change_note=note, **given)
    if change.post and not shows(change.post):
        raise InvalidError("headline", "is missing, and so would be text and images: withdraw or delete the post")
    return change


def correct(post: Post, correction: Correction, now: int) -> Change:
    """Adds a correction that readers see; fixing the text itself is an edit.

    As with every change, the note of the one before goes: it told what that one changed.
    """
    _must_be(post, "published")
    if is_blank(correction.text):
        raise InvalidError("text", "must say what was wrong and what is right")
    corrections = [*post.corrections, structs.replace(correction, date_published=format_time(now))]
    return _next(post, now, html=post.content_html, text=post.article_body, change_note="", corrections=corrections)


def revert(post: Post, old: Post, now: int) -> Change | None:
    """The text of an earlier version as a new version; corrections are never taken back."""
    _must_be(post, "published")
    given = {name: getattr(old, name) for name in _EDITABLE}
    is_same = all(getattr(post, name) == held for name, held in given.items())
    if is_same and (post.body or post.content_html == old.content_html):
        return None
    return _next(
        post, now, html=old.content_html, text=old.article_body, change_note=f"Back to version {old.version}", **given
    )


def withdraw(post: Post, note: str, now: int) -> Change:
    """Readers keep seeing that it was there, and the note."""
    _must_be(post, "published")
    at = format_time(now)
    new = structs.replace(
        post,
        status="withdrawn",
        version=post.version + 1,
        change_note="",
        withdrawal_note="" if is_blank(note) else note,
        date_withdrawn=at,
        date_modified=max(at, post.date_modified),
    )
    return Change(type=POST_WITHDRAWN, at=at, post=new, expect_version=post.version, published=-1)


def restore(post: Post, last_public: Post, now: int) -> Change:
    """A withdrawn or deleted post comes back with the text it last had in public."""
    if post.status not in ("withdrawn", "deleted"):
        raise ConflictError(f"post {post.id} is {post.status}; only a withdrawn or deleted one can be restored")
    at = format_time(now)
    new = structs.replace(
        last_public,
        status="published",
        version=post.version + 1,
        change_note="",
        withdrawal_note="",
        date_withdrawn="",
        date_modified=max(at, last_public.date_modified),
    )
    listed = 0 if post.status == "withdrawn" else 1
    return Change(type=POST_PUBLISHED, at=at, post=new, expect_version=post.version, published=1, listed=listed)


def delete(post: Post, now: int, *, purge: bool) -> Change:
    """Gone for readers. Kept for `restore`, unless purged: then text and revisions are erased for good."""
    if post.status == "deleted" and not purge:
        raise GoneError(f"post {post.id} is deleted already; restore brings it back")
    at = format_time(now)
    tombstone = Post(id=post.id, status="deleted", version=post.version + 1, date_modified=at, sort_time=post.sort_time)
    return Change(
        type=POST_DELETED,
        at=at,
        post=tombstone,
        expect_version=post.version,
        published=-1 if post.status == "published" else 0,
        listed=-1 if post.status in ("published", "withdrawn") else 0,
        unpin_if=post.id,
        erase=purge,
    )


def _next(post: Post, now: int, *, html: str, text: str, minor: bool = False, **fields: object) -> Change:
    at = format_time(now)
    new = structs.replace(post, version=post.version + 1, content_html=html, article_body=text, **fields)
    if not minor:
        # A post whose given times lie ahead of this clock must not seem to move back.
        new.date_modified = max(at, post.date_modified)
    return Change(type=POST_UPDATED, at=at, post=new, expect_version=post.version, touch=not minor)


def _must_be(post: Post, status: str) -> None:
    if post.status == "deleted":
        raise GoneError(f"post {post.id} is deleted; restore it first")
    if post.status != status:
        raise ConflictError(f"post {post.id} is {post.status}; restore it first")
