"""What the reader page says about times, people and zones: pure text, made the same way by `client_demo/assets`.

It never asks a clock: the time is given.

A page that was updated live must equal one that was just loaded, so every phrase is made by one rule written twice,
here and in `times.js` (`tests/browser/test_times.py` compares the two). Browsers and Python know different names for
a zone (ICU says "GMT-4" where tzdata says "EDT"), so a browser never asks its own: the page carries a small table of
offsets and names for the zones of its story (`zone_table`), cut from this machine's tzdata. Clocks have 24 hours:
one form for every zone and language, and no "12:30 p.m." that half the world reads as midnight.

For the web application: `install(env)` adds every filter and function the templates use. The environment must have
autoescape on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ..newsroom.label import label
from ..newsroom.model import Post
from ..newsroom.public import own_date
from ..newsroom.times import MONTHS, format_time, parse_time

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Strict templates want every name.
EMPTY_POST: dict[str, Any] = dict.fromkeys([*Post.__struct_fields__, "label"], "")
STATE_SKIP = frozenset({"content_html", "body", "article_body"})
LONG_PINNED_CHARS = 400
# Languages written from right to left, unless their tag names another script; and the scripts that are.
RTL_LANGUAGES = frozenset("ar arc ckb dv fa he iw ji ks nqo ps sd syr ug ur yi".split())
RTL_SCRIPTS = frozenset("adlm arab hebr mand nkoo rohg samr syrc thaa".split())
CORRECTION_NAMES = {"correction": "Correction", "clarification": "Clarification", "retraction": "Retraction"}

_FIRST_SECOND = int(datetime(2, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9998, 12, 31, tzinfo=UTC).timestamp())
# A page brings the years that it shows of a zone, but no more: mistyped years must not make it megabytes.
ZONE_YEARS = 30


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
        text = f"{other.clock} {other.zone}"
        if other.day != first.day:
            text += f", {near_date(other, first.day, first.day[:4])}"
        if text not in shown:
            shown.append(text)
    return shown


def full_time(at: str, story: dict[str, Any]) -> str:
    """For tooltips: `Sunday 22 November 2026, 17:58 EST; 22:58 GMT`."""
    here = local(at, story_zones(story)[0])
    return f"{here.weekday} {here.date}, " + "; ".join(in_zones(at, story))


def this_year(now_ms: int, zone: str) -> str:
    """`2026`: what a date need not say."""
    return local(format_time(now_ms), zone).day[:4]


def near_date(here: Local, day: str, year: str) -> str:
    """The date as far as `day`, which a reader sees nearby, and this `year` do not say it: nothing, `22 November`, or,
    of another year, always `22 November 2025`: what is read years later, or shared, is not taken for news."""
    if here.day[:4] != year:
        return here.date
    return "" if here.day == day else here.short


def near_time(at: str, day: str, year: str, zone: str) -> str:
    """`17:58 EST`, behind its `near_date`."""
    here = local(at, zone)
    said = near_date(here, day, year)
    return (f"{said}, " if said else "") + f"{here.clock} {here.zone}"


def heading_days(posts: Sequence[dict[str, Any]], zone: str) -> dict[str, str]:
    """Under which day's heading each post stands, by id; "" = none.

    A post without a date stands where its neighbours do. One of which only the last change is known is as old as that
    at least, so it may stand under an earlier day. Where dates rise down the page all the same, the order is not that
    of days, and a heading would be wrong about what is below it: then there is none.
    """
    days: dict[str, str] = {}
    day = ""
    for post in sorted(posts, key=lambda post: post["sort_time"], reverse=True):
        own = local(own_date(post), zone).day if own_date(post) else ""
        if own > day > "":
            if post.get("date_published"):
                return dict.fromkeys((post["id"] for post in posts), "")
            own = day
        day = own or day
        days[post["id"]] = day
    first = next(filter(None, days.values()), "")
    return {id: day or first for id, day in days.items()}


def day_name(day: str) -> str:
    """`2026-11-22` → `Sunday 22 November 2026`."""
    there = date.fromisoformat(day)
    return f"{WEEKDAYS[there.weekday()]} {there.day} {MONTHS[there.month - 1]} {there.year}"


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


@lru_cache(maxsize=4096)
def _spans(zone: str, year: int) -> tuple[tuple[int, int, int, str], ...]:
    """From when to when (ms, of that year in UTC) which offset in minutes and which name hold."""
    known = _zone(zone)

    def at(minute: int) -> tuple[int, str]:
        moment = datetime.fromtimestamp(minute * 60, UTC).astimezone(known)
        return _minutes(moment), _label(moment)

    low, end = (int(datetime(n, 1, 1, tzinfo=UTC).timestamp()) // 60 for n in (year, year + 1))
    changes = [low]
    while low < end:
        high = min(low + 7 * 24 * 60, end)  # no zone has changed twice within a week since clocks are kept by law
        if at(high) != at(low):
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (left, middle) if at(middle) != at(low) else (middle, right)
            changes.append(right)
        low = high
    bounds = [*(minute for minute in changes if minute < end), end]
    return tuple((start * 60_000, stop * 60_000, *at(start)) for start, stop in pairwise(bounds))


def zone_table(story: dict[str, Any], times: Iterable[str], now_ms: int) -> dict[str, list[tuple[int, int, int, str]]]:
    """`{zone: [[from ms, to ms, minutes, name], …]}` for the story's zones: the years of `times` and those around now,
    at most ZONE_YEARS of them. For all others a browser falls back to its own knowledge."""
    now = int(format_time(now_ms)[:4])
    wanted = {int(time[:4]) for time in times if time} | {now - 1, now, now + 1}
    years = sorted(sorted(wanted, key=lambda year: abs(year - now))[:ZONE_YEARS])
    return {zone: [span for year in years for span in _spans(zone, year)] for zone in story_zones(story)}


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
    limits: dict[str, int],
) -> dict[str, Any]:
    """What the script starts from: the page's own data at its position, without the texts, which stand in the page,
    and the `limits` it must keep to."""
    held = sorted(posts, key=lambda post: post["sort_time"], reverse=True)
    times = [at for part in (story, *held, pinned or {}, *key_events) for at in _dates(part)]
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
        "limits": limits,
    }


def _dates(part: dict[str, Any]) -> Iterator[str]:
    """Every date that a page may show of a story, a post or a key event."""
    for name, held in part.items():
        if name.startswith("date_") or name in ("coverage_start_time", "coverage_end_time"):
            yield held or ""
    for correction in part.get("corrections", ()):
        yield correction["date_published"]


def filled(post: dict[str, Any]) -> dict[str, Any]:
    """A public post with the empty fields that it left out."""
    return {**EMPTY_POST, **post}


def _without_text(post: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in post.items() if key not in STATE_SKIP}


def install(env: Any) -> None:
    """Give a Jinja environment what the templates of `client_demo` use."""
    env.filters.update(
        day_name=day_name,
        heading_days=heading_days,
        label=label,
        local=local,
        in_zones=in_zones,
        filled=filled,
        full_time=full_time,
        near_date=near_date,
        near_time=near_time,
        own_date=own_date,
        this_year=this_year,
        names=names,
        joined=joined,
        count_posts=count_posts,
        direction=direction,
        is_long=is_long,
    )
    env.globals.update(page_state=page_state, story_zones=story_zones, correction_names=CORRECTION_NAMES)
