"""Parts: what the routes work with, made once by `app.compose`. It never does anything, and is never added to."""

from __future__ import annotations

from dataclasses import dataclass

from ..desk.desk import Desk
from ..store.store import Store
from ..transport.parts import StreamParts
from .all_stories import AllStories
from .assets import Assets
from .auth import Auth
from .board import Board
from .feeds import Feeds
from .operations import Operations
from .pages import Pages


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts(StreamParts):
    """A worker's application.

    Attributes:
        store: Where stories are kept.
        desk: Every editorial operation, for the API.
        auth: Who is asking.
        assets: The files that pages link to.
        pages: What readers load.
        feeds: A story as JSON Feed, Atom and RSS.
        board: The sample of all workers, once a second.
        operations: The dashboard, its stream, metrics and health.
        all_stories: The events of all stories in one stream.
    """

    store: Store
    desk: Desk
    auth: Auth
    assets: Assets
    pages: Pages
    feeds: Feeds
    board: Board
    operations: Operations
    all_stories: AllStories
