"""Addresses: how many readers come from where, if the operator wants readers of one address counted.

It never refuses anybody: `door` does.
"""

from __future__ import annotations

from collections import Counter

from starlette.requests import HTTPConnection

from ..hub.reader import Reader
from ..newsroom.urls import network
from ..settings import Settings


def counted_as(connection: HTTPConnection, settings: Settings) -> str:
    """Whom readers are counted by: an address, or the /64 an IPv6 line usually has to itself; "" = they are not."""
    if not settings.address_readers:
        return ""
    return network(connection.client.host) if connection.client else ""


class Addresses:
    def __init__(self) -> None:
        self._addresses: dict[Reader, str] = {}
        self._readers: Counter[str] = Counter()

    def add(self, reader: Reader, address: str) -> None:
        """`address`: as `counted_as` says; "" is not counted."""
        if address:
            self._addresses[reader] = address
            self._readers[address] += 1

    def remove(self, reader: Reader) -> None:
        """A second time changes nothing."""
        if address := self._addresses.pop(reader, ""):
            self._readers[address] -= 1
            if not self._readers[address]:
                del self._readers[address]

    def readers(self, address: str) -> int:
        return self._readers[address]
