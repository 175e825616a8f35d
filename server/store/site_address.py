"""Site address: where a server serves this store's readers, left for commands that tell people where a post is.

Each machine has its own, by host name: 127.0.0.1 leads elsewhere on another one. It lasts seconds; who serves renews
it. Never fails: without the store nobody is told an address.
"""

from __future__ import annotations

import contextlib
import socket

from ..newsroom.errors import StoreError
from .calls import Calls
from .keys import Keys

KEEP_S = 4  # three renewals missed


class SiteAddress:
    """That of this machine."""

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls = calls
        self._key = keys.site_address(socket.gethostname())

    async def announce(self, address: str) -> None:
        """Readers are served at `address`; without effect while the store is away."""
        with contextlib.suppress(StoreError):
            await self._calls.once("SET", self._key, address, "EX", KEEP_S)

    async def find(self) -> str:
        """Where they are served now; "" if that is not known."""
        with contextlib.suppress(StoreError):
            address = (await self._calls.once("GET", self._key) or b"").decode(errors="replace")
            if address.startswith(("http://", "https://")) and address.isprintable():
                return str(address)
        return ""
