"""RFC 3339 in, RFC 3339 UTC with milliseconds out; inside, a time is whole milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from .errors import InvalidError

FIRST_YEAR, LAST_YEAR = 1900, 2200  # far from the ends of the calendar, where local time and neighbours leave it
# English by hand: strftime would follow the process locale, and browsers know neither.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_START = datetime(1970, 1, 1)
_MS = timedelta(milliseconds=1)
_FIRST_MS = (datetime(FIRST_YEAR, 1, 1) - _START) // _MS
_END_MS = (datetime(LAST_YEAR + 1, 1, 1) - _START) // _MS
_DAY_MS = 86_400_000
# `datetime.fromisoformat` alone takes much else of ISO 8601: weeks, no separators, hours without minutes.
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-9]{2}:)([0-9]{2})(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
# In some zone databases, but they mean another thing on every machine, or nothing.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


def parse_time(text: str, field: str = "time") -> int:
    """Milliseconds since the epoch; a time without a zone is refused, because nobody could say which one is meant.

    A leap second, 23:59:60 UTC, is taken as the second after it: computers' clocks have none.
    """
    found = _RFC3339.fullmatch(text)
    try:
        if not found:
            raise ValueError
        day, minute, second, fraction, zone = found.groups()
        leap = second == "60"
        second = "59" if leap else second
        moment = datetime.fromisoformat(f"{day}T{minute}{second}{(fraction or '')[:7]}{(zone or '').upper()}")
    except ValueError:
        raise InvalidError(field, f"is not an RFC 3339 time such as 2026-11-22T17:58:03Z: {text[:40]!r}") from None
    if moment.tzinfo is None:
        raise InvalidError(field, "needs a zone: end it with Z or an offset such as -05:00")
    try:
        ms = round(moment.timestamp() * 1000)
        if leap:
            if ms % _DAY_MS < _DAY_MS - 1000:
                raise InvalidError(field, "has a second 60 that is not the last of a day in UTC")
            ms += 1000
        format_time(ms)
    except (OverflowError, OSError, ValueError):
        raise InvalidError(field, "lies outside the years 1 to 9999 in UTC") from None
    return ms


def format_time(ms: int) -> str:
    """`2026-11-22T17:58:03.120Z`."""
    moment = _START + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds") + "Z"


def stored_ms(text: str) -> int:
    """What `format_time` made, back: a tenth of `parse_time`'s work, for what is known to have that form."""
    return (datetime.fromisoformat(text[:-1]) - _START) // _MS


def in_words(at: str) -> str:
    """`22 November 2026, 17:58 UTC`: a kept time for people, where no zone is at hand."""
    moment = datetime.fromisoformat(at[:-1])
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M} UTC"


def kept_time(ms: int, field: str = "time") -> str:
    """`format_time` of a moment that may be kept: stories do not lie centuries away, typing errors do."""
    if not _FIRST_MS <= ms < _END_MS:
        raise InvalidError(field, f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return format_time(ms)


def normal_time(text: str, field: str = "time") -> str:
    """The same moment, in the one form the store keeps."""
    return kept_time(parse_time(text, field), field)


def check_zone(name: str, field: str) -> None:
    """Refuse what is not an IANA time zone this machine knows."""
    try:
        ZoneInfo(name)
        known = name == "UTC" or name in _zones()
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise InvalidError(field, f"is not an IANA time zone such as Europe/London: {name[:40]!r}")


@cache
def _zones() -> frozenset[str]:
    """Takes some 0.1 s the first time: it reads the start of every file of the zone database."""
    return frozenset(available_timezones()) - _NO_ZONES
