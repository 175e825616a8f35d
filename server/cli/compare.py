"""Compare: what differs between two versions of a post, in few words or line by line.

It never reads a store, and never prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from typing import Any

from ..newsroom.label import label

Version = dict[str, Any]
Op = tuple[str, int, int, int, int]

TEXTS = {"headline": "headline", "byline": "byline", "dateline": "dateline", "credit_note": "credit note"}
LISTS = {"authors": "authors", "contributors": "contributors", "keywords": "keywords", "images": "images"}
FLAGS = {"is_key_event": "key event", "is_breaking": "breaking", "is_summary": "summary"}
NAMES = {**TEXTS, "body": "body", "content_html": "body", **LISTS, **FLAGS}
# Scripts without spaces are compared sign by sign.
_WORD = re.compile(r"\s+|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|.", re.S)
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")
AROUND = 3  # words before and after a change
HUNKS = 4
HUNK_CHARS = 120
TOKENS = 4_000  # comparing takes the square of it


def fields(was: Version, now: Version) -> list[str]:
    """The names of the fields that differ, as people call them."""
    found = [name for field, name in NAMES.items() if was.get(field) != now.get(field)]
    return list(dict.fromkeys(found))


def story(revisions: Sequence[Version]) -> Iterator[tuple[Version, list[str]]]:
    """Each version, oldest first, and what became of the post with it: `published`, `headline: …`, `withdrawn: …`."""
    was: Version | None = None
    public: Version | None = None
    for now in revisions:
        yield now, list(_became(was, public, now))
        was = now
        public = now if now["status"] == "published" else public


def _became(was: Version | None, public: Version | None, now: Version) -> Iterator[str]:
    if now["status"] == "deleted":
        yield "deleted" if was else "deleted, and all before it erased"
        return
    if was is None:
        yield f"{'published' if now['version'] == 1 else 'stored as it was'}: {label(now)}"
    elif now["status"] == "withdrawn":
        yield f"withdrawn: {now['withdrawal_note']}" if now["withdrawal_note"] else "withdrawn"
        return
    elif was["status"] != "published":
        yield "restored"
    if public:
        for one in now["corrections"][len(public["corrections"]) :]:
            yield f"{one['kind']}: {one['text']}"
        yield from _edits(public, now)
    if now["change_note"] and (was is None or _is_own_note(was, now)):
        yield f"note: {now['change_note']}"


def _is_own_note(was: Version, now: Version) -> bool:
    """A minor edit leaves the note as it was; and once corrections and withdrawals did."""
    if now["change_note"] != was["change_note"]:
        return True
    edited = now["status"] == was["status"] and now["corrections"] == was["corrections"]
    return edited and bool(now["date_modified"] != was["date_modified"])


def _edits(was: Version, now: Version) -> Iterator[str]:
    for field, name in TEXTS.items():
        if was[field] != now[field]:
            yield f"{name}: {words(was[field], now[field])}"
    text = _text(was, now)
    if was[text] != now[text]:
        yield f"body: {words(was[text], now[text])}"
    elif text == "article_body" and was["content_html"] != now["content_html"]:
        yield "body: the same words, marked up otherwise"
    for field, name in LISTS.items():
        if was[field] != now[field]:
            yield f"{name}: {_count(was[field])} → {_count(now[field])}"
    for field, name in FLAGS.items():
        if was[field] != now[field]:
            yield name if now[field] else f"no longer {name}"


def _text(was: Version, now: Version) -> str:
    """The field whose words are compared: Markdown only with Markdown, else the plain text that both have."""
    return "body" if was["body"] and now["body"] else "article_body"


def _count(held: list[Any]) -> str:
    """The names or words of a short list, else how many there are."""
    shown = [one if isinstance(one, str) else one.get("name") or one.get("url") for one in held]
    return ", ".join(shown) if shown and len(", ".join(shown)) <= HUNK_CHARS else str(len(held)) if held else "none"


def words(was: str, now: str) -> str:
    """`The [-north-]{+south+} bridge is …`: what was taken out and put in, with some words around it."""
    old, new = _WORD.findall(was), _WORD.findall(now)
    begin = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    middle = old[begin : len(old) - end], new[begin : len(new) - end]
    if max(map(len, middle)) > TOKENS:
        return f"written anew ({len(was):,} → {len(now):,} characters)"
    ops: list[Op] = [
        (what, a + begin, b + begin, c + begin, d + begin)
        for what, a, b, c, d in SequenceMatcher(None, *middle, autojunk=False).get_opcodes()
        if what != "equal"
    ]
    hunks = list(_joined(ops))
    shown = [_hunk(old, new, hunk) for hunk in hunks[:HUNKS]]
    left = "" if hunks[0][0][1] <= 2 * AROUND else "… "
    last = hunks[: len(shown)][-1][-1]
    right = "" if len(old) - last[2] <= 2 * AROUND and len(hunks) <= HUNKS else " …"
    more = f" and {len(hunks) - HUNKS} more places" if len(hunks) > HUNKS else ""
    return left + " … ".join(shown) + right + more


def _joined(ops: list[Op]) -> Iterator[list[Op]]:
    """Changes near each other, together."""
    hunk: list[Op] = []
    for op in ops:
        if hunk and op[1] - hunk[-1][2] > 4 * AROUND:
            yield hunk
            hunk = []
        hunk.append(op)
    if hunk:
        yield hunk


def _hunk(old: list[str], new: list[str], ops: list[Op]) -> str:
    around = 2 * AROUND  # words and the spaces between them
    first, last = ops[0][1], ops[-1][2]
    text = "".join(old[max(0, first - around) if first > around else 0 : first])
    at = first
    for _, a, b, c, d in ops:
        text += "".join(old[at:a])
        if out := "".join(old[a:b]):
            text += f"[-{_short(out)}-]"
        if put := "".join(new[c:d]):
            text += f"{{+{_short(put)}+}}"
        at = b
    end = len(old) if len(old) - last <= around else last + around
    return (text + "".join(old[last:end])).strip()


def _short(text: str) -> str:
    text = re.sub(r"\s*\n\s*", " ¶ ", text)
    return text if len(text) <= HUNK_CHARS else f"{text[: HUNK_CHARS - 40]} … {text[-30:]}"


def since(revisions: Sequence[Version], version: int) -> list[str]:
    """What others changed after a version, as a unified diff of headline and body, a sentence a line."""
    was = next((one for one in revisions if one["version"] == version), None)
    if not revisions or was is None or was is revisions[-1]:
        return []
    now = revisions[-1]
    by = ", ".join(dict.fromkeys(one["changed_by"] or "somebody" for one in revisions if one["version"] > version))
    text = _text(was, now)
    heads = f"version {version}", f"version {now['version']}, by {by}"
    found = [line.rstrip("\n") for line in unified_diff(_lines(was, text), _lines(now, text), *heads, lineterm="", n=1)]
    others = [name for name in fields(was, now) if name not in ("headline", "body")]
    if now["status"] != was["status"]:
        others.insert(0, f"it is {now['status']}")
    return found + ([f"Changed besides: {', '.join(others)}"] if others else [])


def _lines(post: Version, text: str) -> list[str]:
    return [post["headline"], "", *(part for line in post[text].split("\n") for part in _SENTENCE.split(line))]
