"""A post list of Live Blog 3 (Superdesk) as lines to import. Most items of a post are HTML; some have only `meta`.

HTML is never cleaned here: the import does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape, unescape
from typing import Any, NamedTuple

from ..newsroom.text import Note
from .converted import Row
from .foreign import (
    BLOCK,
    Line,
    best_rendition,
    left_behind,
    line_of,
    listed,
    parse,
    rows_with,
    table,
    title,
    with_offset,
)


class _Piece(NamedTuple):
    html: str = ""
    images: tuple[Line, ...] = ()
    notes: tuple[Note, ...] = ()


def liveblog3(file: bytes) -> Iterator[Row]:
    """The posts of a blog, as Live Blog 3 (Superdesk) answers `/api/client_blogs/ID/posts`, or its themes' `posts`."""
    value = parse(file)
    value = value.get("posts", value) if isinstance(value, dict) else value
    here = value.get("_items", []) if isinstance(value, dict) else value
    posts, notes = rows_with("_id", here)
    meta = value.get("_meta") if isinstance(value, dict) else None
    total = meta.get("total") if isinstance(meta, dict) else None
    if isinstance(total, int) and total > len(here):
        notes.append(Note("page", f"the file has {len(here):,} of {total:,} posts: the others are on further pages"))
    states = {id(post): _state(post) for post in posts}
    notes += left_behind(state for state in states.values() if state != "open")
    if notes:
        yield Row("", None, tuple(notes))
    public = [post for post in posts if states[id(post)] == "open"]
    for post in sorted(public, key=lambda post: (_date(post), post.get("order") or 0), reverse=True):
        yield _post(post)


def _state(post: Line) -> str:
    return "deleted" if post.get("deleted") else str(post.get("post_status") or "open")


def _post(post: Line) -> Row:
    refs = [ref for group in listed(post.get("groups")) for ref in listed(group.get("refs"))]
    pieces = [_piece(ref["item"]) for ref in refs if isinstance(ref.get("item"), dict)]
    missing = [ref["residRef"] for ref in refs if ref.get("residRef") and not isinstance(ref.get("item"), dict)]
    notes = [note for piece in pieces for note in piece.notes]
    notes += [Note("item", f"{one} left out: it is not in the file") for one in missing]
    people = [one for one in (post.get("publisher"), post.get("original_creator")) if isinstance(one, dict)]
    names = [one.get("byline") or one.get("display_name") for one in people]
    line = line_of(
        id=post["_id"],
        headline=title(post.get("headline")),
        byline=post.get("byline") or next((name for name in names if name), ""),
        content_html="\n".join(piece.html for piece in pieces if piece.html),
        images=[image for piece in pieces for image in piece.images],
        date_published=_date(post),
        date_modified=_time(post.get("content_updated_date")),
        is_key_event=bool(post.get("lb_highlight")),
        keywords=post.get("tags"),
    )
    if not {"headline", "content_html", "images"} & line.keys():
        return Row(str(post["_id"]), None, (*notes, Note("post", "left out: nothing of it can be shown")))
    return Row(str(post["_id"]), line, tuple(notes))


def _piece(item: Line) -> _Piece:
    """One of the items of a post: its HTML, or what its `meta` says where it has none."""
    kind = str(item.get("item_type") or "item")
    meta = table(item.get("meta"))
    if kind == "poll":  # its `text` is a placeholder
        return _poll(item.get("poll_body"))
    html = str(item.get("text") or "").strip()
    if kind == "image" and not html:
        return _image(meta)
    if not html:
        about = escape(str(meta.get("description") or ""), quote=False) if kind == "embed" else ""
        html = str(meta.get("html") or "").strip() + (f"<p>{about}</p>" if about else "")
    if kind == "quote":
        html = _quote(html, meta)
    address = str(meta.get("original_url") or meta.get("url") or "")
    if address and address not in unescape(html):
        html += f'<p><a href="{escape(address)}">{escape(title(meta.get("title")) or address)}</a></p>'
    if not html:
        return _Piece(notes=(Note(kind, f"{kind} left out: it has no text"),))
    return _Piece(html if BLOCK.search(html) else f"<p>{html}</p>")


def _quote(html: str, meta: Line) -> str:
    said, credit = (escape(str(meta.get(name) or ""), quote=False) for name in ("quote", "credit"))
    if not html:
        html = "".join(f"<p>{one}</p>" for one in (said, credit) if one)
        return f"<blockquote>{html}</blockquote>" if html else ""
    return html if unescape(credit) in unescape(html) else f"{html}<p>{credit}</p>"


def _image(meta: Line) -> _Piece:
    media = table(meta.get("media"))
    caption, credit = (title(meta.get(name)) for name in ("caption", "credit"))
    best = best_rendition(media.get("renditions") or meta.get("renditions"))
    if not best:
        html = "".join(f"<p>{escape(one)}</p>" for one in (caption, credit) if one)
        kept = "its caption is kept" if html else "it has no caption either"
        return _Piece(html, notes=(Note("image", f"image left out: it has no address; {kept}"),))
    return _Piece(images=(line_of(**best, caption=caption, credit_text=credit),))


def _poll(body: Any) -> _Piece:
    body = table(body)
    question = escape(title(body.get("question")))
    answers = listed(body.get("answers"))
    options = "".join(f"<li>{escape(title(one.get('option')))}{_votes(one.get('votes'))}</li>" for one in answers)
    html = (f"<p>{question}</p>" if question else "") + (f"<ul>{options}</ul>" if options else "")
    told = "poll became a list of its options" if html else "poll left out: it has no question and no options"
    return _Piece(html, notes=(Note("poll", told),))


def _votes(count: Any) -> str:
    return f": {count:,} {'vote' if count == 1 else 'votes'}" if isinstance(count, int) and count else ""


def _date(post: Line) -> str:
    return _time(post.get("published_date") or post.get("firstcreated") or post.get("_created"))


def _time(at: Any) -> str:
    """Its server (Eve on MongoDB) keeps and tells every time in UTC, so one without a zone is meant so."""
    told = with_offset(at)
    return told + "Z" if "T" in told and not told.endswith("Z") and told[-6:-5] not in ("+", "-") else told
