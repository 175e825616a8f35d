"""What leaves the newsroom: posts and stories as readers may see them, and as editors do.

Every public path (stream, snapshot, page, feed) shows what these functions return, so a text that was withdrawn or
deleted has one place to be stopped. Key order is fixed: equal values encode to equal bytes, on every worker.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .fields import is_blank
from .label import label
from .model import Post, Story, Totals

_FIRST = {"live": 0, "upcoming": 1, "ended": 2}
# PROTOCOL: the public post goes "without body, article_body and empty fields".
_PRIVATE = frozenset({"body", "article_body"})
_WITHDRAWN = (
    "id",
    "url",
    "status",
    "version",
    "date_published",
    "date_modified",
    "sort_time",
    "withdrawal_note",
    "date_withdrawn",
)


def story_url(slug: str) -> str:
    return f"/live/{slug}"


def post_url(slug: str, post_id: str) -> str:
    return f"/live/{slug}/posts/{post_id}"


def full_post(slug: str, post: Post) -> dict[str, Any]:
    """Every field, for editors: the API and the command line."""
    fields = msgspec.to_builtins(post)
    return {"id": post.id, "url": post_url(slug, post.id), **fields}


def public_post(slug: str, post: Post) -> dict[str, Any]:
    """A published post without private and empty fields; of a withdrawn one, only that it was there and the note.

    One without a headline brings its `label`, so that no client has to make one.
    """
    fields = full_post(slug, post)
    if post.status == "withdrawn":
        return {name: fields[name] for name in _WITHDRAWN if fields[name]}
    if is_blank(post.headline):
        fields |= {"headline": "", "label": label(fields)}
    return {name: held for name, held in fields.items() if held and name not in _PRIVATE}


def own_date(post: dict[str, Any]) -> str:
    """When a post was published, else when it was last changed; "" = unknown. Its `sort_time` is a place, no date."""
    return post.get("date_published") or post.get("date_modified") or ""


def is_listed(post: Post) -> bool:
    """Does the post take a place in the story: with its text, or as a note?"""
    return post.status in ("published", "withdrawn")


def story_view(story: Story, totals: Totals) -> dict[str, Any]:
    """A story for everybody; totals last, so that the store can append its own."""
    fields = msgspec.to_builtins(story)
    return {"slug": story.slug, "url": story_url(story.slug), **fields, **msgspec.to_builtins(totals)}


def in_order(stories: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Story views as a list shows them: live first, then by when each last changed, unknown last."""
    stories = sorted(stories, key=lambda story: story["slug"])
    stories.sort(key=lambda story: story["date_modified"], reverse=True)
    return sorted(stories, key=lambda story: _FIRST.get(story["status"], len(_FIRST)))


def key_event(post: dict[str, Any]) -> dict[str, Any]:
    """A public post's line in the list of key events; `date_modified` stands in where `date_published` is unknown."""
    line = {name: post.get(name, "") for name in ("id", "headline", "date_published", "sort_time", "url")}
    line["headline"] = label(post)
    if not line["date_published"] and own_date(post):
        line["date_modified"] = own_date(post)
    return line
