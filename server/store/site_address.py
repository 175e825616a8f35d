"""Whereabouts: the address of a server, left in the store for commands that tell people where a post is.

Each machine has its own, by host name: 127.0.0.1 leads elsewhere on another one. It lasts seconds; who serves renews
it.
"""

from __future__ import annotations

import contextlib
import socket

from ..newsroom.errors import StoreError
from .store import Store

KEEP_S = 4  # three renewals missed


async def announce(store: Store, address: str) -> None:
    """Readers of this store are served at `address`; without effect while the store is away."""
    with contextlib.suppress(StoreError):
        await store.once("set", _key(store), address, ex=KEEP_S)


async def known(store: Store) -> str:
    """Where a server of this machine serves this store's readers now; "" if none is known."""
    with contextlib.suppress(StoreError):
        held = (await store.once("get", _key(store)) or b"").decode(errors="replace")
        if held.startswith(("http://", "https://")) and held.isprintable():
            return held
    return ""


def _key(store: Store) -> str:
    return f"{store.settings.prefix}:server:{socket.gethostname()}"
