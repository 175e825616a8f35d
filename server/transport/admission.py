"""Admission: how many may come, how fast, and how long they may take to say what they want. One per worker."""

from __future__ import annotations

import resource
import time

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


class Admission:
    """`descriptor_limit` 0 = what the system says."""

    def __init__(self, settings: Settings, descriptor_limit: int = 0) -> None:
        self.head_timeout_s = settings.head_timeout_s
        self._limit = descriptor_limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._rate = settings.accepts_per_s
        self._second = 0
        self._accepts = 0
        self.is_closed = False

    def turns_away(self, descriptor: int) -> bool:
        """Descriptors are given lowest first, so the newest one tells how many are in use."""
        return descriptor >= self._limit - LAST

    def takes_reader(self, descriptor: int) -> bool:
        """May this connection become a reader now? Counts it, if so."""
        if descriptor >= self._limit - SPARE:
            return False
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._accepts = second, 0
        if self._rate and self._accepts >= self._rate:
            return False
        self._accepts += 1
        return True
