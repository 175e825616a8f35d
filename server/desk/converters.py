"""Files of other systems as lines to import: a Liveblog 3 post list, a WordPress live blog, an ninjs package.

Each converter is a pure function from a file's bytes to the objects of its lines, newest post first. It maps fields
and invents nothing; what HTML may stay, and what is told of the rest, is decided where every import is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree

import orjson

from ..newsroom.errors import InvalidError

Line = dict[str, Any]
_WORDPRESS = "{http://wordpress.org/export/1.2/}"
_BLOCK = re.compile(r"<(p|div|ul|ol|table|blockquote|figure|h[1-6]|pre|iframe)[\s>]", re.I)
_CAPTION = re.compile(r"\[caption[^\]]*\]((?:<a\b[^>]*>)?\s*<img\b[^>]*>\s*(?:</a>)?)(.*?)\[/caption\]", re.S)
_EMBED = re.compile(r"\[embed[^\]]*\]\s*(\S+?)\s*\[/embed\]|^[ \t]*(https?://\S+)[ \t]*$", re.M)
# "/key" as the plugin keeps it in the text: <span class="liveblog-command type-key">key</span>.
_KEY = re.compile(r'<span class="liveblog-command type-key">[^<]*</span>|(?<!\S)/key(?!\S)')
WIDE_PX = 2_000  # a picture's rendition is the widest up to this


def liveblog3(file: bytes) -> Iterator[Line]:
    """The posts of a blog, as Live Blog 3 (Superdesk) answers `/api/client_blogs/ID/posts`, or its themes' `posts`."""
    value = _json(file)
    value = value.get("posts", value) if isinstance(value, dict) else value
    posts = _rows(value.get("_items", []) if isinstance(value, dict) else value, "_id")
    public = [post for post in posts if not post.get("deleted") and post.get("post_status", "open") == "open"]
    for post in sorted(public, key=lambda post: (_date(post), post.get("order") or 0), reverse=True):
        refs = [ref for group in post.get("groups") or [] for ref in group.get("refs") or []]
        items = [ref["item"] for ref in refs if isinstance(ref.get("item"), dict)]
        people = [one for one in (post.get("publisher"), post.get("original_creator")) if isinstance(one, dict)]
        names = [one.get("byline") or one.get("display_name") for one in people]
        yield _line(
            id=post["_id"],
            headline=post.get("headline"),
            byline=post.get("byline") or next((name for name in names if name), ""),
            content_html="\n".join(_item(item) for item in items),
            date_published=_date(post),
            date_modified=post.get("content_updated_date"),
            is_key_event=bool(post.get("lb_highlight")),
            keywords=post.get("tags"),
        )


def _item(item: Line) -> str:
    """One of the pieces of a Live Blog 3 post: its HTML, or what its `meta` says where it has none."""
    html = str(item.get("text") or "")
    meta = item.get("meta") if isinstance(item.get("meta"), dict) else {}
    address = str(meta.get("original_url") or meta.get("url") or "")
    if address and address not in unescape(html):
        html += f'<p><a href="{escape(address)}">{escape(str(meta.get("title") or address))}</a></p>'
    if item.get("item_type") == "quote" and not html and meta.get("quote"):
        said = [escape(str(meta.get(name) or "")) for name in ("quote", "credit")]
        html = "<blockquote>" + "".join(f"<p>{one}</p>" for one in said if one) + "</blockquote>"
    return html if _BLOCK.search(html) else f"<p>{html}</p>"


def wordpress(file: bytes) -> Iterator[Line]:
    """A live blog of Automattic's plugin: its post in WordPress's export (WXR), or its entries from the REST API."""
    if file.lstrip()[:1] in (b"{", b"["):
        value = _json(file)
        entries = _rows(value.get("entries") if isinstance(value, dict) else value, "id")
        told = [_entry(one["id"], one.get("type"), one.get("content") or one.get("render"), one) for one in entries]
    else:
        post, told = _exported(file)
        yield {"story": post}
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
        yield _line(
            id=entry["id"],
            content_html=_paragraphs(_KEY.sub("", entry["text"])),
            authors=[{"name": name} for name in entry["names"]],
            date_published=entry["first"],
            date_modified=entry["at"],
            is_key_event=entry["key"],
        )


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


def _exported(file: bytes) -> tuple[Line, list[Line]]:
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
            at = _said(item, "post_date_gmt")
            story = {"headline": (item.findtext("title") or "").strip(), "date_published": _utc(at)}
            return {name: held for name, held in story.items() if held}, [_comment(one) for one in comments]
    raise InvalidError("file", "has no post with live blog entries (comments of the type liveblog)")


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
    shown = [part if _BLOCK.match(part) else "<p>" + part.replace("\n", "<br>\n") + "</p>" for part in parts if part]
    return "\n".join(shown)


def ninjs(file: bytes) -> Iterator[Line]:
    """An ninjs 1.x or 2.x package: its texts are the posts. A single text is a package of one."""
    package = _json(file)
    if not isinstance(package, dict) or "uri" not in package:
        raise InvalidError("file", "is no ninjs: its object has no uri")
    inside = _associations(package)
    texts = [one for one in inside if _bodies(one) or one.get("type") == "text"]
    if package.get("type") == "composite" and texts:
        story = {"headline": _value(package, "headline"), "description": _value(package, "description_text")}
        story |= {"language": package.get("language"), "date_published": _first_date(package)}
        yield {"story": {name: held for name, held in story.items() if held}}
    else:
        texts = [package]
    texts = [one for one in texts if one.get("pubstatus", "usable") == "usable"]
    for text in sorted(texts, key=lambda one: _instant(_first_date(one)), reverse=True):
        pictures = [one for one in _associations(text) if one.get("type") == "picture" and _renditions(one)]
        bodies = dict(_bodies(text))
        html, plain = bodies.get("html", ""), bodies.get("text", "")
        headline = _value(text, "headline")
        for picture in pictures:  # what the text shows small and what is attached large is one picture
            for rendition in _renditions(picture):
                html = html.replace(escape(rendition["href"]), escape(_rendition(picture)["href"]))
        html = re.sub(rf"<h1[^>]*>\s*{re.escape(escape(headline, quote=False))}\s*</h1>", "", html, count=1)
        yield _line(
            id=text.get("uri"),
            headline=headline,
            byline=text.get("by") or text.get("byline"),
            dateline=text.get("located"),
            content_html=html,
            article_body="" if html else plain.removeprefix(f"{headline}\n").strip(),
            images=[_image(one) for one in pictures],
            date_published=_first_date(text),
            date_modified=text.get("versioncreated"),
            keywords=text.get("keywords"),
        )


def _image(picture: Line) -> Line:
    best = _rendition(picture)
    said = {"caption": _value(picture, "description_text"), "alt": _value(picture, "headline")}
    said["credit_text"] = picture.get("by") or picture.get("byline") or picture.get("copyrightholder")
    size = {side: best[side] for side in ("width", "height") if isinstance(best.get(side), int)}
    return {"url": best["href"], **{name: held for name, held in said.items() if held}, **size}


def _rendition(picture: Line) -> Line:
    known = sorted(_renditions(picture), key=lambda one: one.get("width") or 0)
    return next((one for one in reversed(known) if (one.get("width") or 0) <= WIDE_PX), known[0])


def _renditions(picture: Line) -> list[Line]:
    return [one for one in _listed(picture.get("renditions")) if isinstance(one.get("href"), str)]


def _associations(item: Line) -> list[Line]:
    return _listed(item.get("associations"))


def _listed(held: Any) -> list[Line]:
    """A list in 2.x, in 1.x an object by name."""
    held = list(held.values()) if isinstance(held, dict) else held
    return [one for one in held or [] if isinstance(one, dict)] if isinstance(held, list) else []


def _value(item: Line, name: str) -> str:
    """`headline`: of 1.x, or the first of 2.x's `headlines`; of descriptions the plain one."""
    several = _listed(item.get({"headline": "headlines", "description_text": "descriptions"}[name]))
    several.sort(key=lambda one: (one.get("contenttype", "text/plain") != "text/plain", one.get("role") != "main"))
    return str(several[0].get("value") or "") if several else str(item.get(name) or "")


def _bodies(item: Line) -> Iterator[tuple[str, str]]:
    for name, kind in (("body_html", "html"), ("body_xhtml", "html"), ("body_text", "text")):
        if item.get(name):
            yield kind, str(item[name])
    for body in reversed(_listed(item.get("bodies"))):  # so that the first of a kind counts
        kind = str(body.get("contenttype", "text/plain"))
        if body.get("value") and ("html" in kind or kind == "text/plain"):
            yield "html" if "html" in kind else "text", str(body["value"])


def _first_date(item: Line) -> str:
    return str(item.get("firstcreated") or item.get("contentcreated") or item.get("versioncreated") or "")


def _date(post: Line) -> str:
    return str(post.get("published_date") or post.get("firstcreated") or post.get("_created") or "")


def _instant(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0


def _utc(at: str) -> str:
    """`2014-10-29 21:00:00`, as WordPress writes; it has zeros for "none"."""
    return "" if not at or at.startswith("0000") else at.replace(" ", "T") + "Z"


def _line(**fields: Any) -> Line:
    return {name: held for name, held in fields.items() if held not in (None, "", [], False)}


def _json(file: bytes) -> Any:
    try:
        return orjson.loads(file.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidError("file", f"is not JSON: {error}") from None


def _rows(value: Any, needed: str) -> list[Line]:
    rows = [one for one in value if isinstance(one, dict) and needed in one] if isinstance(value, list) else []
    if not rows:
        raise InvalidError("file", f"holds no posts: it has no list of objects with {needed}")
    return rows


Converter = Callable[[bytes], Iterator[Line]]
CONVERTERS: dict[str, Converter] = {"liveblog3": liveblog3, "wordpress": wordpress, "ninjs": ninjs}


def lines_from(kind: str, file: bytes) -> list[bytes]:
    """The lines to import, for a file of that kind. Raises InvalidError for one that is not."""
    return [orjson.dumps(line) + b"\n" for line in CONVERTERS[kind](file)]
