"""Drain: every reader is told to come back later, in waves, and seen off, so that a worker can stop.

It never closes a listening socket: `serve` does, before.
"""

from __future__ import annotations

import asyncio
import random

from ..hub.notices import bye
from .pump import Pump

WAVE = 50  # readers told to leave at once
LEAVING_PER_S = 1000  # so many the other workers take without delay to those they have
BYE_S = 1.0  # a reader that does not take its bye in this time is cut off


async def drain(pump: Pump, within_s: float, *, leaving_per_s: int = LEAVING_PER_S, wave: int = WAVE) -> None:
    """Takes at most `within_s` + 2 s. From the first moment no new reader is taken.

    Few readers are told in a moment; more than the time allows are asked to stay away for longer, each wave for a time
    of its own, so that they do not all come back at once.
    """
    hub, loop = pump.hub, asyncio.get_running_loop()
    hub.is_draining = True
    readers = [(feed, reader) for feed in hub.feeds.values() for reader in feed.readers]
    random.shuffle(readers)
    window_s = min(within_s, len(readers) / leaving_per_s)
    spread_ms = max(2000, len(readers) * 1000 // leaving_per_s - round(window_s * 1000))
    began = loop.time()
    for start in range(0, len(readers), wave):
        some = readers[start : start + wave]
        at = window_s * (start + random.random() * len(some)) / len(readers)
        await asyncio.sleep(began + at - loop.time())
        # One frame for a wave, which comes back as one: to its next worker a reader in company costs half as much as
        # one that comes alone (a wake-up, cold caches), and so few at once keep nobody waiting.
        goodbye = bye(random.randint(250, 250 + spread_ms))
        for feed, reader in some:
            if reader in feed.readers:
                reader.note(goodbye)
    await pump.empty(BYE_S)
    for feed in hub.feeds.values():
        for reader in tuple(feed.readers):
            reader.cut()
    await pump.empty(BYE_S)
