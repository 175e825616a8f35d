"""What the reader page says about times, people and zones: pure text, made the same way by `client_demo/assets`.

A page that was updated live must equal one that was just loaded, so every phrase is made by one rule written twice,
here and in `times.js` (`tests/browser/test_times.py` compares the two). Browsers and Python know different names for
a zone (ICU says "GMT-4" where tzdata says "EDT"), so a browser never asks its own: the page carries a small table of
offsets and names for the zones of its story (`zone_table`), cut from this machine's tzdata. Clocks have 24 hours:
one form for every zone and language, and no "12:30 p.m." that half the world reads as midnight.

For the web application: `install(env)` adds every filter and function the templates use. The environment must have
autoescape on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ..newsroom.model import Post
from ..newsroom.times import format_time, parse_time

# English by hand: strftime would follow the process locale, and browsers know neither.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
EMPTY_POST: dict[str, Any] = dict.fromkeys(Post.__struct_fields__, "")  # strict templates want every name
STATE_SKIP = frozenset({"content_html", "body", "article_body"})
LONG_PINNED_CHARS = 400
# Languages written from right to left, unless their tag names another script; and the scripts that are.
RTL_LANGUAGES = frozenset("ar arc ckb dv fa he iw ji ks nqo ps sd syr ug ur yi".split())
RTL_SCRIPTS = frozenset("adlm arab hebr mand nkoo rohg samr syrc thaa".split())
CORRECTION_NAMES = {"correction": "Correction", "clarification": "Clarification", "retraction": "Retraction"}

_FIRST_SECOND = int(datetime(2, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9998, 12, 31, tzinfo=UTC).timestamp())
# A page brings what it needs of a zone, but no more than this: one mistyped year must not make it megabytes.
ZONE_YEARS_BACK, ZONE_YEARS_AHEAD = 20, 10


class Local(NamedTuple):
    """A moment on the clocks of one zone: `2026-11-22`, `17:58`, `EST`, `22 November`, `22 November 2026`, `Sunday`."""

    day: str
    clock: str
    zone: str
    short: str
    date: str
    weekday: str


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")  # a zone that this machine does not know any more must not take the page down


def _label(moment: datetime) -> str:
    """`EDT`; where tzdata has no letters (`-03`), `UTC-3` or `UTC+5:45`."""
    name = moment.tzname() or "UTC"
    return _offset_label(_minutes(moment)) if name[0] in "+-" else name


def _minutes(moment: datetime) -> int:
    offset = moment.utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


def _offset_label(minutes: int) -> str:
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02d}' if rest else ''}"


def local(at: str, zone: str) -> Local:
    """`at` (RFC 3339) as people in `zone` read it."""
    # The first and last days of the calendar have no local time everywhere; nothing that is kept lies there.
    seconds = min(max(parse_time(at) // 1000, _FIRST_SECOND), _LAST_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC)
    # Whole minutes of offset, as in the table the browser has: before 1970 some zones had seconds.
    there = moment.astimezone(_zone(zone))
    shown = moment + timedelta(minutes=_minutes(there))
    short = f"{shown.day} {MONTHS[shown.month - 1]}"
    return Local(
        day=f"{shown.year:04d}-{shown.month:02d}-{shown.day:02d}",
        clock=f"{shown.hour:02d}:{shown.minute:02d}",
        zone=_label(there),
        short=short,
        date=f"{short} {shown.year}",
        weekday=WEEKDAYS[shown.weekday()],
    )


def story_zones(story: dict[str, Any]) -> list[str]:
    """The story's own zone, then those it also wants shown, each once."""
    return list(dict.fromkeys([story.get("time_zone") or "UTC", *(story.get("display_time_zones") or [])]))


def in_zones(at: str, story: dict[str, Any]) -> list[str]:
    """`17:58 EST`, then the same moment in the other zones, with the date where that is another day."""
    first, *others = (local(at, zone) for zone in story_zones(story))
    shown = [f"{first.clock} {first.zone}"]
    for other in others:
        text = f"{other.clock} {other.zone}" + (f", {other.short}" if other.day != first.day else "")
        if text not in shown:
            shown.append(text)
    return shown


def full_time(at: str, story: dict[str, Any]) -> str:
    """For tooltips: `Sunday 22 November 2026, 17:58 EST; 22:58 GMT`."""
    here = local(at, story_zones(story)[0])
    return f"{here.weekday} {here.date}, " + "; ".join(in_zones(at, story))


def near_time(at: str, day: str, zone: str) -> str:
    """`17:58 EST`; with the date in front when it is not on `day`."""
    here = local(at, zone)
    return ("" if here.day == day else f"{here.short}, ") + f"{here.clock} {here.zone}"


def names(people: Iterable[dict[str, Any]], said: str = "") -> list[str]:
    """The people's names that the verbatim line `said` does not already give."""
    return [person["name"] for person in people or [] if person["name"] not in (said or "")]


def joined(parts: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def count_posts(count: int) -> str:
    return "No posts yet" if count == 0 else "1 post" if count == 1 else f"{count:,} posts"


def direction(language: str | None) -> str:
    """`rtl` or `ltr`, by the story's language tag: `ar`, `fa-IR`, `az-Arab`, but not `ur-Latn`."""
    primary, *rest = (language or "en").lower().split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), "")
    return "rtl" if (script in RTL_SCRIPTS if script else primary in RTL_LANGUAGES) else "ltr"


def is_long(post: dict[str, Any]) -> bool:
    """Whether a pinned copy is folded until the reader opens it."""
    return len(post.get("content_html") or "") > LONG_PINNED_CHARS or bool(post.get("images"))


@lru_cache(maxsize=256)
def _spans(zone: str, first_year: int, last_year: int) -> tuple[tuple[int, int, str], ...]:
    """From when (ms; the first is the start of `first_year`) which offset in minutes and which name hold."""
    known = _zone(zone)

    def at(hours: int) -> tuple[int, str]:
        moment = datetime.fromtimestamp(hours * 3600, UTC).astimezone(known)
        return _minutes(moment), _label(moment)

    start = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp()) // 3600
    end = int(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp()) // 3600
    spans = [(start * 3_600_000, *at(start))]
    low = start
    while low < end:
        high = min(low + 7 * 24, end)  # no zone has changed twice within a week since clocks are kept by law
        if at(high) != at(low):
            left, right = low * 60, high * 60  # to the minute: half-hour zones change on the half hour
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (left, middle) if _at_minute(known, middle) != at(low) else (middle, right)
            spans.append((right * 60_000, *at(high)))
        low = high
    return tuple(spans)


def _at_minute(zone: ZoneInfo, minute: int) -> tuple[int, str]:
    moment = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
    return _minutes(moment), _label(moment)


def zone_table(story: dict[str, Any], times: Iterable[str], now_ms: int) -> dict[str, Any]:
    """`{zone: {"from": ms, "to": ms, "spans": [[ms, minutes, name], …]}}` for the story's zones, wide enough for
    `times` and for the next year, within ZONE_YEARS_BACK and ZONE_YEARS_AHEAD of now."""
    now = int(format_time(now_ms)[:4])
    years = [int(time[:4]) for time in times if time] + [now]
    first = max(min(years) - 1, now - ZONE_YEARS_BACK, 1970)
    last = min(max(years) + 1, now + ZONE_YEARS_AHEAD)
    # 1 January of the year after `last`, in ms: outside, a browser falls back to its own knowledge.
    until = int(datetime(last + 1, 1, 1, tzinfo=UTC).timestamp()) * 1000
    table = {}
    for zone in story_zones(story):
        spans = _spans(zone, first, last)
        table[zone] = {"from": spans[0][0], "to": until, "spans": [list(span) for span in spans]}
    return table


def page_state(
    story: dict[str, Any],
    posts: list[dict[str, Any]],
    pinned: dict[str, Any] | None,
    key_events: list[dict[str, Any]],
    epoch: str,
    seq: int,
    now_ms: int,
    older: bool,
    newer: bool,
) -> dict[str, Any]:
    """What the script starts from: the page's own data at its position, without the texts, which stand in the page."""
    held = sorted(posts, key=lambda post: post["sort_time"], reverse=True)
    times = [post.get(key, "") for post in held for key in ("sort_time", "date_published", "date_modified")]
    times += [entry["sort_time"] for entry in key_events if entry.get("sort_time")]
    times += [story.get("date_modified") or "", story.get("coverage_start_time") or ""]
    return {
        "epoch": epoch,
        "seq": seq,
        "story": story,
        "posts": [_without_text(post) for post in held],
        "pinned": _without_text(pinned) if pinned else None,
        "key_events": key_events,
        "older": older,
        "newer": newer,
        "zones": zone_table(story, times, now_ms),
    }


def filled(post: dict[str, Any]) -> dict[str, Any]:
    """A public post with the empty fields that it left out."""
    return {**EMPTY_POST, **post}


def _without_text(post: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in post.items() if key not in STATE_SKIP}


def install(env: Any) -> None:
    """Give a Jinja environment what the templates of `client_demo` use."""
    env.filters.update(
        local=local,
        in_zones=in_zones,
        filled=filled,
        full_time=full_time,
        near_time=near_time,
        names=names,
        joined=joined,
        count_posts=count_posts,
        direction=direction,
        is_long=is_long,
    )
    env.globals.update(page_state=page_state, story_zones=story_zones, correction_names=CORRECTION_NAMES)
