"""RFC 3339 in, RFC 3339 UTC with milliseconds out; inside, a time is whole milliseconds since 1970."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .errors import InvalidError

_START = datetime(1970, 1, 1)


def parse_time(text: str, field: str = "time") -> int:
    """Milliseconds since the epoch; a time without a zone is refused, because nobody could say which one is meant."""
    try:
        moment = datetime.fromisoformat(text)
        if "T" not in text.upper() and " " not in text:
            raise ValueError
    except ValueError:
        raise InvalidError(field, f"is not an RFC 3339 time such as 2026-11-22T17:58:03Z: {text[:40]!r}") from None
    if moment.tzinfo is None:
        raise InvalidError(field, "needs a zone: end it with Z or an offset such as -05:00")
    try:
        ms = round(moment.timestamp() * 1000)
        format_time(ms)
    except (OverflowError, OSError, ValueError):
        raise InvalidError(field, "lies outside the years 1 to 9999 in UTC") from None
    return ms


def format_time(ms: int) -> str:
    """`2026-11-22T17:58:03.120Z`."""
    moment = _START + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds") + "Z"


def normal_time(text: str, field: str = "time") -> str:
    """The same moment, in the one form the store keeps."""
    return format_time(parse_time(text, field))


def check_zone(name: str, field: str) -> None:
    """Refuse what is not an IANA time zone this machine knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidError(field, f"is not an IANA time zone such as Europe/London: {name[:40]!r}") from None
