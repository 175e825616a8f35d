"""Parts: what the endpoints of readers work with, and the one function that reads an application's parts.

It never makes one: whoever puts an application together does, once, before the first request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.applications import Starlette

from ..hub.feed import Feed
from ..hub.hub import Hub
from ..hub.position import Position
from ..settings import Settings
from .pump import Pump


class Stories(Protocol):
    """What readers need of the relay: feeds of the hub, read from the store where that is needed."""

    heard: asyncio.Event

    def at_hand(self, slug: str) -> Feed | None:
        """The story's feed if it is in the hub and may be read as it stands."""

    async def reach(self, slug: str, position: Position | None) -> Feed:
        """The feed, as far as the position if the store is; NotFoundError, GoneError or StoreError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamParts:
    """What a worker's readers share.

    Attributes:
        settings: How this node runs.
        hub: The stories of this worker, in memory.
        relay: Brings stories into the hub, and what happens to them.
        pump: Steps the hub; all readers of this worker, and their connections.
    """

    settings: Settings
    hub: Hub
    relay: Stories
    pump: Pump


P = TypeVar("P", bound=StreamParts)


def parts_of(app: Starlette, kind: type[P]) -> P:
    """The parts of an application that has started, as its lifespan put them into `app.state.parts`."""
    parts = app.state.parts
    assert isinstance(parts, kind)
    return parts
