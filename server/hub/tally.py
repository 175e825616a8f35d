"""Tally: what goes wrong many times at once, as one sentence a burst. Pure: totals and time are arguments.

Who counts need not know of bursts: once a second the totals are looked at, and one that moves is a burst until it has
stood still for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

QUIET_MS = 5_000  # without another one, then a burst is over
LONG_MS = 60_000  # one that goes on is told once a minute
NAMES = 1000  # remembered of a burst
SHOWN = 3  # of them, in its sentence

Key = tuple[str, str]  # what happened, and why
KEPT_AWAY = frozenset({"full", "story", "address", "pace", "descriptors", "store"})
REFUSALS = {
    "full": "503, this server has as many readers as it takes",
    "story": "503, the story has as many readers as this server takes",
    "address": "503, their address has as many readers here as it may",
    "pace": "503, more at once than STOPPRESS_ACCEPTS_PER_S allows",
    "descriptors": "503, the file descriptors are used up",
    "store": "503, the store did not answer",
    "stopping": "503, this worker is stopping",
    "400": "400, no request that HTTP knows",
    "405": "405, no method for a stream",
    "408": "408, it took too long to say what it wants",
    "413": "413, more body than is taken",
    "414": "414, its address is too long",
    "426": "426, no version of WebSocket that is spoken here",
    "431": "431, its head is too large",
    "origin": "403, STOPPRESS_ORIGINS does not list the origin of their page",
}


@dataclass(slots=True)
class Burst:
    """`names`: how often whom it was about, if that is known."""

    key: Key
    began_ms: int
    last_ms: int
    count: int = 0
    names: dict[str, int] = field(default_factory=dict)

    @property
    def is_expected(self) -> bool:
        """A stop, or what strangers send: nothing that an operator could mend."""
        what, why = self.key
        return what == "refusals" and (why == "stopping" or (why[:1] == "4"))


class Tally:
    """`sentence` tells a burst as people read it; `send_timeout_s`: what a reader that was cut off exceeded."""

    def __init__(self, send_timeout_s: float = 30) -> None:
        self._send_timeout_s = send_timeout_s
        self._totals: dict[Key, int] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._bursts: dict[Key, Burst] = {}

    def name(self, what: str, who: str) -> None:
        """Remember whom the next burst of this is about."""
        names = self._names.setdefault(what, {})
        if who in names or len(names) < NAMES:
            names[who] = names.get(who, 0) + 1

    def look(self, totals: Mapping[Key, int], now_ms: int) -> list[Burst]:
        """Bursts that are over, once each."""
        for key, total in totals.items():
            more = total - self._totals.get(key, 0)
            if more > 0:
                # It began at most one look ago.
                burst = self._bursts.setdefault(key, Burst(key, now_ms, now_ms))
                burst.count += more
                burst.last_ms = now_ms
                for who, times in self._names.pop(key[0], {}).items():
                    burst.names[who] = burst.names.get(who, 0) + times
            self._totals[key] = total
        over = [
            burst
            for burst in self._bursts.values()
            if now_ms - burst.last_ms >= QUIET_MS or now_ms - burst.began_ms >= LONG_MS
        ]
        for burst in over:
            del self._bursts[burst.key]
        return over

    @property
    def under_way(self) -> list[Burst]:
        return list(self._bursts.values())

    def sentence(self, key: Key, count: int, span_ms: int, names: Mapping[str, int] | None = None) -> str:
        what, why = key
        if what == "silence":
            return f"The store was not heard for {max(1, round(span_ms / 1000))} s"
        noun = _NOUNS[what] if count == 1 else f"{_NOUNS[what]}s"
        span = f" in {max(1, round(span_ms / 1000))} s" if count > 1 else ""
        if what == "wrong_tokens":
            return f"{count:,} {noun}{span}{_from(names or {})}"
        if what == "refusals":
            return f"{count:,} {noun} refused{span}: {REFUSALS.get(why, why)}"
        if what == "rude":
            return f"{count:,} {noun} closed{span}: said what nobody asked for"
        return f"{count:,} {noun} cut off{span}: took nothing for {self._send_timeout_s:g} s"


_NOUNS = {
    "cuts": "reader",
    "unread": "answer",
    "refusals": "connection",
    "rude": "reader",
    "wrong_tokens": "wrong token",
}


WORDED = frozenset({*_NOUNS, "silence"})  # what `sentence` has words for


def _from(names: Mapping[str, int]) -> str:
    if not names:
        return ""
    most = sorted(names, key=lambda name: (-names[name], name))
    shown = ", ".join(most[:SHOWN])
    left = len(names) - SHOWN
    return f" from {shown}" + (f" and {left:,} more address{'es' if left > 1 else ''}" if left > 0 else "")
