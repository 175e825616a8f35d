"""The order of an import: where posts without a `sort_time` go, so that the file's order is kept.

It never moves a post that has its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from ..newsroom.errors import InvalidError
from ..newsroom.times import kept_time, parse_time
from .lines import Entry, together, wrong


def place(entries: Sequence[Entry], now: int, taken: dict[int, str]) -> None:
    """Give each post without a `sort_time` one that keeps the file's order, whatever its dates say.

    Given ones stay (a tie moves down by 1 ms). A missing one takes the post's own date where that fits between its
    neighbours, else 1 ms below the line above. `taken`: sort_time in ms → id, of posts stored already.
    """
    # A line's key is its time plus its number. Times that leave each line at least 1 ms below the one above are
    # then exactly keys that never rise down the file, and "1 ms below the line above" is "the same key".
    times = [parse_time(entry.post.sort_time) if entry.post.sort_time else None for entry in entries]
    fixed = {n: ms for n, ms in enumerate(times) if ms is not None}
    bad: list[InvalidError] = []
    bounds = [-1, *fixed, len(entries)]
    for above, below in pairwise(bounds):
        if below - above < 2:
            continue
        high = fixed[above] + above if above >= 0 else None
        low = fixed[below] + below if below < len(entries) else None
        if high is not None and low is not None and low > high:
            bad.append(_no_room(entries, above, below))
            continue
        _fill(entries, times, above + 1, below, high, low, now)
    if bad:
        raise together(bad)
    used = dict(taken)
    for entry, ms in zip(entries, times, strict=True):
        assert ms is not None
        while used.setdefault(ms, entry.post.id) != entry.post.id:
            ms -= 1
        try:
            entry.post.sort_time = kept_time(ms, "sort_time")
        except InvalidError as error:
            bad.append(wrong(entry.line, error.field, f"{error.rule}; the place that is free for it does not"))
    if bad:
        raise together(bad)


def _fill(
    entries: Sequence[Entry],
    times: list[int | None],
    start: int,
    stop: int,
    high: int | None,
    low: int | None,
    now: int,
) -> None:
    """Times for the lines start..stop-1, which have none, with keys from `high` down to `low`."""
    dated = []
    for n in range(start, stop):
        date = entries[n].post.date_published or entries[n].post.date_modified
        key = min(parse_time(date), now) + n if date else None
        if key is not None and (high is None or key <= high) and (low is None or key >= low):
            dated.append((n, key))
    anchors = dict(_longest_falling(dated))
    key = high if high is not None else next(iter(anchors.values()), low if low is not None else now + start)
    for n in range(start, stop):
        key = anchors.get(n, key)
        times[n] = key - n


def _longest_falling(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of (line, key) whose keys never rise (patience sorting)."""
    tails: list[int] = []  # negated keys: bisect wants them rising
    at: list[int] = []
    before: list[int] = []
    for n, (_, key) in enumerate(points):
        k = bisect_right(tails, -key)
        before.append(at[k - 1] if k else -1)
        tails[k : k + 1] = [-key]
        at[k : k + 1] = [n]
    chosen, n = [], at[-1] if at else -1
    while n >= 0:
        chosen.append(points[n])
        n = before[n]
    return chosen[::-1]


def _no_room(entries: Sequence[Entry], above: int, below: int) -> InvalidError:
    high, low, line = entries[above], entries[below], entries[above + 1].line
    return wrong(
        line,
        "sort_time",
        f"is missing, and there is no room between {high.post.sort_time} (line {high.line}) and {low.post.sort_time} "
        f"(line {low.line}): lines go from newest to oldest, 1 ms apart at least; give it a sort_time",
    )
