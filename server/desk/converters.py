"""Files of other systems as lines to import, by kind.

It never touches a store.

Each converter is a pure function from a file's bytes to its rows, newest post first. It maps fields and invents
nothing, and notes each item that finds no place; what HTML may stay is decided where every import is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree

from ..newsroom.errors import InvalidError
from ..newsroom.fields import NOTE_CHARS
from ..newsroom.text import Note, from_lines, take
from .converted import STORY, Converted, Row
from .foreign import (
    BLOCK,
    Line,
    best_rendition,
    left_behind,
    line_of,
    listed,
    parse,
    renditions,
    rows_with,
    title,
    with_offset,
)
from .liveblog3 import liveblog3

_PICTURES = ("picture", "graphic")
_PLAYERS = ("video", "audio")
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_WORDPRESS = "{http://wordpress.org/export/1.2/}"
_CAPTION = re.compile(r"\[caption[^\]]*\]((?:<a\b[^>]*>)?\s*<img\b[^>]*>\s*(?:</a>)?)(.*?)\[/caption\]", re.S)
_EMBED = re.compile(r"\[embed[^\]]*\]\s*(\S+?)\s*\[/embed\]|^[ \t]*(https?://\S+)[ \t]*$", re.M)
# "/key" as the plugin keeps it in the text: <span class="liveblog-command type-key">key</span>.
_KEY = re.compile(r'<span class="liveblog-command type-key">[^<]*</span>|(?<!\S)/key(?!\S)')


def wordpress(file: bytes) -> Iterator[Row]:
    """A live blog of Automattic's plugin: its post in WordPress's export (WXR), or its entries from the REST API."""
    if file.lstrip()[:1] in (b"{", b"["):
        value = parse(file)
        entries, notes = rows_with("id", value.get("entries") if isinstance(value, dict) else value)
        if notes:
            yield Row("", None, tuple(notes))
        told = [_entry(one["id"], one.get("type"), one.get("content") or one.get("render"), one) for one in entries]
    else:
        story, told = _exported(file)
        yield story
    # An edit is an entry of its own that replaces an older one; one without text takes that away.
    told.sort(key=lambda entry: (entry["at"], entry["number"]))
    posts: dict[str, Line] = {}
    for entry in told:
        first = posts.get(entry["replaces"], entry)
        if entry["is_gone"]:
            posts.pop(entry["replaces"], None)
        else:
            entry |= {"id": first["id"], "first": first.get("first", first["at"]), "key": entry["key"] or first["key"]}
            posts[first["id"]] = entry
    for entry in sorted(posts.values(), key=lambda entry: (entry["first"], entry["number"]), reverse=True):
        line = line_of(
            id=entry["id"],
            content_html=_paragraphs(_KEY.sub("", entry["text"])),
            authors=[{"name": name} for name in entry["names"]],
            date_published=entry["first"],
            date_modified=entry["at"],
            is_key_event=entry["key"],
        )
        yield Row(entry["id"], line)


def _entry(id: Any, kind: Any, text: Any, told: Line) -> Line:
    """From the REST API, where an update has the id of what it replaces."""
    at = datetime.fromtimestamp(int(told.get("entry_time") or told.get("timestamp") or 0), UTC)
    authors = [one for one in told.get("authors") or [] if isinstance(one, dict)]
    return {
        "id": str(id),
        "number": int(told.get("timestamp") or 0),
        "replaces": str(id),
        "is_gone": kind == "delete",
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "text": str(text or ""),
        "names": [str(one["name"]) for one in authors if one.get("name")],
        "key": bool(told.get("key_event")) or bool(_KEY.search(str(text or ""))),
    }


def _exported(file: bytes) -> tuple[Row, list[Line]]:
    """The first post of a WXR file that has live blog entries (comments of the type `liveblog`)."""
    if b"<!DOCTYPE" in file[:4096] or b"<!ENTITY" in file:
        raise InvalidError("file", "has a document type; an export of WordPress has none")
    try:
        channel = ElementTree.fromstring(file)
    except ElementTree.ParseError as error:
        raise InvalidError("file", f"is neither JSON nor XML: {error}") from None
    for item in channel.iter("item"):
        comments = [one for one in item.iter(f"{_WORDPRESS}comment") if _said(one, "comment_type") == "liveblog"]
        if comments:
            description, notes = _intro(item.findtext(_CONTENT) or "")
            headline = title(item.findtext("title"))
            at = _utc(_said(item, "post_date_gmt"))
            story = line_of(headline=headline, description=description, date_published=at)
            return Row(STORY, {"story": story}, notes), [_comment(one) for one in comments]
    raise InvalidError("file", "has no post with live blog entries (comments of the type liveblog)")


def _intro(text: str) -> tuple[str, tuple[Note, ...]]:
    """The post's own text, as its story's description: what somebody would read aloud, without pictures."""
    try:
        taken = take(_paragraphs(text))
    except InvalidError as error:
        return "", (Note("intro", f"the post's own text left out: it {error.rule}"),)
    if len(taken.text) > NOTE_CHARS:
        told = f"it has {len(taken.text):,} characters, a description up to {NOTE_CHARS:,}"
        return "", (Note("intro", f"the post's own text left out: {told}"),)
    notes = [note for note in taken.notes if not note.kept]
    notes += [Note("img", f"img left out, a description is plain text: {one.url[:200]}") for one in taken.images]
    if "<a " in taken.html:
        notes.append(Note("a", "addresses of links left out, a description is plain text"))
    return taken.text, tuple(notes)


def _comment(comment: ElementTree.Element) -> Line:
    meta = {_said(one, "meta_key"): _said(one, "meta_value") for one in comment.iter(f"{_WORDPRESS}commentmeta")}
    text = _said(comment, "comment_content")
    id, replaces = _said(comment, "comment_id"), meta.get("liveblog_replaces", "")
    name = _said(comment, "comment_author")
    return {
        "id": id,
        "number": int(id) if id.isdigit() else 0,
        "replaces": replaces or id,
        "is_gone": bool(replaces) and not text.strip(),
        "at": _utc(_said(comment, "comment_date_gmt")),
        "text": text,
        "names": [name] if name and not meta.get("liveblog_hide_authors") else [],
        "key": meta.get("liveblog_key_entry", "") not in ("", "0", "false") or bool(_KEY.search(text)),
    }


def _said(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(_WORDPRESS + name) or "").strip()


def _paragraphs(text: str) -> str:
    """As WordPress shows it: a blank line parts paragraphs, a line end is one, an address alone is a player's."""
    text = _CAPTION.sub(r"<figure>\1<figcaption>\2</figcaption></figure>", text.replace("\r\n", "\n"))
    text = _EMBED.sub(lambda found: f'<p><a href="{(where := found[1] or found[2])}">{where}</a></p>', text)
    parts = [part.strip() for part in re.split(r"\n\s*\n", text)]
    shown = [part if BLOCK.match(part) else "<p>" + part.replace("\n", "<br>\n") + "</p>" for part in parts if part]
    return "\n".join(shown)


def ninjs(file: bytes) -> Iterator[Row]:
    """An ninjs 1.x or 2.x package: its texts, pictures and players are the posts. A single item is a package of one."""
    package = parse(file)
    if not isinstance(package, dict) or "uri" not in package:
        raise InvalidError("file", "is no ninjs: its object has no uri")
    inside = listed(package.get("associations"))
    items = [one for one in inside if _is_post(one)]
    if package.get("type") == "composite" and items:
        headline, description = _value(package, "headline"), _value(package, "description_text")
        language, at = package.get("language"), _first_date(package)
        story = line_of(headline=headline, description=description, language=language, date_published=at)
        others = tuple(_left_out(one) for one in inside if not _is_post(one))
        yield Row(STORY, {"story": story}, others)
    else:
        items = [package]
    states = [str(one.get("pubstatus") or "usable") for one in items]
    if notes := left_behind(state for state in states if state != "usable"):
        yield Row("", None, tuple(notes))
    usable = [one for one, state in zip(items, states, strict=True) if state == "usable"]
    for item in sorted(usable, key=lambda one: _instant(_first_date(one)), reverse=True):
        yield _post(item)


def _is_post(item: Line) -> bool:
    return item.get("type") in ("text", *_PICTURES, *_PLAYERS) or any(_bodies(item))


def _post(item: Line) -> Row:
    """A text with what is attached to it; or a picture or player alone, attached to a post of its headline."""
    alone = item.get("type") in (*_PICTURES, *_PLAYERS)
    bodies = {} if alone else dict(_bodies(item))
    html, plain = bodies.get("html", ""), bodies.get("text", "")
    headline = _value(item, "headline")
    images: list[Line] = []
    notes: list[Note] = []
    players = ""
    for one in [item] if alone else listed(item.get("associations")):
        best = best_rendition(one.get("renditions"))
        if best and one.get("type") in _PICTURES:
            images.append(_image(one, best))
            for rendition in renditions(one.get("renditions")):  # shown small and attached large is one picture
                html = html.replace(escape(rendition["href"]), escape(best["url"]))
        elif best and one.get("type") in _PLAYERS:
            if best["url"] not in unescape(html):
                players += _link(one, best["url"])
            notes.append(Note(str(one["type"]), f"{one['type']} became a link: {best['url'][:200]}"))
        else:
            notes.append(_left_out(one))
    html = re.sub(rf"<h1[^>]*>\s*{re.escape(escape(headline, quote=False))}\s*</h1>", "", html, count=1)
    plain = plain.removeprefix(f"{headline}\n").strip()
    if players:
        html = (html or from_lines(plain)) + players
    line = line_of(
        id=item.get("uri"),
        headline=headline,
        byline=item.get("by") or item.get("byline"),
        dateline=item.get("located"),
        content_html=html,
        article_body="" if html else plain,
        images=images,
        date_published=_first_date(item),
        date_modified=with_offset(item.get("versioncreated")),
        keywords=item.get("keywords"),
    )
    name = str(item.get("uri") or headline or "an item without uri")
    if not {"headline", "content_html", "article_body", "images"} & line.keys():
        return Row(name, None, (*notes, Note("item", "left out: nothing of it can be shown")))
    return Row(name, line, tuple(notes))


def _left_out(item: Line) -> Note:
    kind = str(item.get("type") or "item")
    name = item.get("uri") or _value(item, "headline") or item.get("name") or "without a name"
    why = "it has no rendition with an address" if kind in (*_PICTURES, *_PLAYERS) else "it is no part of a post"
    return Note(kind, f"{kind} {str(name)[:200]} left out: {why}")


def _link(player: Line, address: str) -> str:
    said = _value(player, "description_text")
    text = escape(_value(player, "headline") or address, quote=False)
    return f'<p><a href="{escape(address)}">{text}</a></p>' + (f"<p>{escape(said, quote=False)}</p>" if said else "")


def _image(picture: Line, best: Line) -> Line:
    credit = picture.get("by") or picture.get("byline") or picture.get("copyrightholder")
    caption, alt = _value(picture, "description_text"), _value(picture, "headline")
    return line_of(**best, caption=caption, alt=alt, credit_text=credit)


def _value(item: Line, name: str) -> str:
    """`headline`: of 1.x, or the first of 2.x's `headlines`; of descriptions the plain one."""
    several = listed(item.get({"headline": "headlines", "description_text": "descriptions"}[name]))
    several.sort(key=lambda one: (one.get("contenttype", "text/plain") != "text/plain", one.get("role") != "main"))
    if several:
        return title(several[0].get("value"))
    return title(item.get(name) or (item.get("description_html") if name == "description_text" else ""))


def _bodies(item: Line) -> Iterator[tuple[str, str]]:
    for name, kind in (("body_html", "html"), ("body_xhtml", "html"), ("body_text", "text")):
        if item.get(name):
            yield kind, str(item[name])
    for body in reversed(listed(item.get("bodies"))):  # so that the first of a kind counts
        kind = str(body.get("contenttype", "text/plain"))
        if body.get("value") and ("html" in kind or kind == "text/plain"):
            yield "html" if "html" in kind else "text", str(body["value"])


def _first_date(item: Line) -> str:
    return with_offset(item.get("firstcreated") or item.get("contentcreated") or item.get("versioncreated"))


def _instant(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0


def _utc(at: str) -> str:
    """`2014-10-29 21:00:00`, as WordPress writes; it has zeros for "none"."""
    return "" if not at or at.startswith("0000") else at.replace(" ", "T") + "Z"


Converter = Callable[[bytes], Iterator[Row]]
CONVERTERS: dict[str, Converter] = {"liveblog3": liveblog3, "wordpress": wordpress, "ninjs": ninjs}


def lines_from(kind: str, file: bytes) -> Converted:
    """The lines to import, for a file of that kind. Raises InvalidError for one that is not."""
    converted = Converted.of(CONVERTERS[kind](file))
    if not converted.lines:
        why = "; ".join(f"{item}: {note.text}".removeprefix(": ") for item, _, note in converted.notes[:3])
        raise InvalidError("file", f"holds nothing to import: {why}")
    return converted
