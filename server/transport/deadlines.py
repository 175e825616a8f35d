"""Deadlines: one timer for everybody who has the same time to do something, instead of one each.

It never ends anybody itself: `late` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Who = TypeVar("Who")
_GRAIN_S = 0.5  # so late a deadline may be noticed


class Deadlines(Generic[Who]):
    """`late(who)` is called for whoever was started and not stopped within `seconds`; a second start changes nothing.

    The time is the same for all, so the order of starts is the order of ends, and a dict keeps it.
    """

    def __init__(self, seconds: float, late: Callable[[Who], None]) -> None:
        self.seconds = seconds
        self._late = late
        self._ends: dict[Who, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, who: Who) -> bool:
        return who in self._ends

    def start(self, who: Who) -> None:
        loop = asyncio.get_running_loop()
        self._ends.setdefault(who, loop.time() + self.seconds)
        if self._timer is None:
            self._timer = loop.call_later(min(_GRAIN_S, self.seconds), self._sweep, loop)

    def stop(self, who: Who) -> None:
        self._ends.pop(who, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = []
        for who, end in self._ends.items():
            if end > now:
                break
            late.append(who)
        for who in late:
            self._ends.pop(who, None)
            self._late(who)
        self._timer = loop.call_later(min(_GRAIN_S, self.seconds), self._sweep, loop) if self._ends else None
