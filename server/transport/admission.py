"""Admission: how many may come, how fast, and how long they may take to say what they want. One per worker.

It never looks at stories, origins or tokens: `door`, `web.origins` and `web.auth` do.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from ..newsroom.errors import BusyError, StoppressError
from ..settings import Settings

SPARE = 100  # descriptors that readers leave for the store, editors and operators
LAST = 25  # below this even those are turned away, before accept itself fails
HEAD_BYTES = 16 * 1024
URL_BYTES = 8 * 1024
HEADERS = 100
EARLY_BYTES = 16 * 1024  # said by a reader before its handshake is answered


def raise_descriptor_limit() -> int:
    """As far as the system lets this process; the limit that holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class NoRoomError(StoppressError):
    """This process may not open enough files."""

    code, title, status, exit_code = "descriptors", "Too few descriptors", 503, 69


def check_descriptors(spare: int = SPARE) -> int:
    """How many readers there is room for; raises NoRoomError if there is none."""
    limit = raise_descriptor_limit()
    if limit <= spare:
        detail = (
            f"ulimit -n: must be more than {spare} (each reader takes one), not {limit}; LimitNOFILE in a systemd unit"
        )
        raise NoRoomError(detail)
    return limit - spare


def crowded() -> BusyError:
    """What to say to whom `Admission.takes_reader` does not take."""
    words = "This server takes no more readers for a moment; come back in a few seconds."
    return BusyError(words, retry_after_s=2)


class Admission:
    """`handed`: how many connections are open that uvicorn knows nothing of. `refused` is called with the reason of
    each refusal, `unread` for each answer that is cut off because its reader took nothing of it."""

    def __init__(
        self,
        settings: Settings,
        handed: Callable[[], int] = lambda: 0,
        refused: Callable[[str], None] = lambda _: None,
        unread: Callable[[], None] = lambda: None,
    ) -> None:
        self.head_timeout_s = settings.head_timeout_s
        self.send_timeout_s = settings.send_timeout_s
        self._handed = handed
        self.refused = refused
        self.unread = unread
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._rate = settings.accepts_per_s
        self._second = 0
        self._accepts = 0

    def turns_away(self, connections: int) -> bool:
        """Is there no room even for a question? `connections`: those that uvicorn knows."""
        if connections + self._handed() <= self._limit - LAST:
            return False
        self.refused("descriptors")
        return True

    def takes_reader(self) -> bool:
        """May one more become a reader now? Counts it, if so. Who is only asking takes no reader's place."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._accepts = second, 0
        if self._handed() >= self._limit - SPARE:
            self.refused("descriptors")
            return False
        if self._rate and self._accepts >= self._rate:
            self.refused("pace")
            return False
        self._accepts += 1
        return True
