"""The application, put together: store, desk, hub, relay, pages, API and streams. It never decides anything itself."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from ..desk.desk import Desk
from ..desk.tokens import Tokens
from ..hub.feed import Limits
from ..hub.hub import Hub
from ..newsroom.errors import NotFoundError, StoppressError
from ..settings import Settings
from ..store.relay import Relay
from ..store.store import Store
from ..tasks import end, keep
from ..transport.parts import parts_of
from ..transport.problems import RequestError, in_time
from ..transport.pump import Pump
from ..transport.sse import live_events
from ..transport.websocket import live_socket
from ..transport.worker import Lifeline
from . import api
from .all_stories import AllStories
from .assets import Assets
from .auth import Auth
from .board import Board
from .feeds import Feeds
from .guard import Guard
from .metrics import registry
from .operations import Operations
from .origins import Origins
from .pages import Pages
from .parts import Parts

log = logging.getLogger(__name__)
C = TypeVar("C", bound=HTTPConnection)
R = TypeVar("R")
PATIENCE_S = 1.0  # of a page, beyond the time of one call to the store
_SLASHED = re.compile(r"(/live/[A-Za-z0-9_/-]*[A-Za-z0-9_-])/+")


def create_app(settings: Settings, *, store: Store | None = None, lifeline: Lifeline | None = None) -> Starlette:
    """The whole server as an ASGI application. A `store` that is given stays open when the application stops;
    `lifeline` is that of a worker."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with compose(app, settings, store, lifeline):
            yield

    # Any: Starlette's own type has no word for None, an error of a socket that nobody is told.
    handlers: dict[Any, Any] = {
        StoppressError: sorry,
        HTTPException: sorry_http,
        ClientDisconnect: nobody,
        Exception: sorry_bug,
    }
    app = Starlette(routes=routes(), lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False  # its address would be made of the Host header; `sorry_http` does better
    # Outermost, around Starlette's own handler of bugs too: no answer leaves without the safety headers.
    app.middleware_stack = Guard(
        app.build_middleware_stack(),
        Origins(settings),
        lambda: parts_of(app, Parts).hub.counts.refuse("origin"),
    )
    return app


@contextlib.asynccontextmanager
async def compose(
    app: Starlette, settings: Settings, given: Store | None, lifeline: Lifeline | None = None
) -> AsyncIterator[None]:
    """Make the parts, keep the relay and the statistics running, and take them down."""
    store = given or await Store.open(settings)
    # Containers of one image may all be process 1 of the same host name.
    alone = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    worker = lifeline.duty.id if lifeline else alone
    hub = Hub(
        Limits(
            backlog=settings.backlog,
            snapshot_bytes=settings.snapshot_bytes,
            ring_events=settings.ring_events,
            ring_bytes=settings.ring_bytes,
        ),
        beat_s=settings.beat_s,
        send_timeout_s=settings.send_timeout_s,
        seen_readers=settings.seen_readers,
        max_readers=settings.max_readers,
    )
    relay = Relay(store, hub, settings, worker)
    assets = Assets()
    auth = Auth(Tokens(store), settings, hub.wrong_token)
    pages = Pages(settings, store, relay, assets)
    board = Board(hub, store, worker, lifeline)
    operations = Operations(
        hub, relay, board, auth, pages.templates, registry(board.workers_here, is_alone=not board.place)
    )
    app.state.parts = Parts(
        settings=settings,
        hub=hub,
        relay=relay,
        pump=Pump(hub),
        store=store,
        desk=Desk(store),
        auth=auth,
        assets=assets,
        pages=pages,
        feeds=Feeds(pages, store, settings.public_url),
        board=board,
        operations=operations,
        all_stories=AllStories(hub, relay, store, auth, beat_s=settings.beat_s),
    )
    tasks = [keep("the relay", relay.run), keep("the statistics", board.run)]
    try:
        yield
    finally:
        await end(tasks)
        await board.goodbye()
        if given is None:
            await store.aclose()


def part(method: Callable[[Parts], Callable[[C], Awaitable[R]]]) -> Callable[[C], Awaitable[R]]:
    """The endpoint that is a method of one of the parts, which exist only once the application has started."""

    async def endpoint(connection: C) -> R:
        return await method(parts_of(connection.app, Parts))(connection)

    return endpoint


def page(
    method: Callable[[Parts], Callable[[Request], Awaitable[Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    """As `part`, for what people wait for: a store that hangs is said to be away, before they give up."""

    async def endpoint(request: Request) -> Response:
        parts = parts_of(request.app, Parts)
        async with in_time(parts.settings.store_timeout_s + PATIENCE_S):
            return await method(parts)(request)

    return endpoint


def routes() -> list[BaseRoute]:
    story = "/live/{slug}"
    return [
        WebSocketRoute(story + "/ws", live_socket),  # first, because routes are tried in order and readers are many
        Route("/", page(lambda parts: parts.pages.index)),
        Route(story, page(lambda parts: parts.pages.story)),
        Route(story + "/posts/{id}", page(lambda parts: parts.pages.permalink)),
        Route(story + "/snapshot", page(lambda parts: parts.pages.snapshot)),
        Route(story + "/feed.json", page(lambda parts: parts.feeds.json)),
        Route(story + "/feed.atom", page(lambda parts: parts.feeds.atom)),
        Route(story + "/feed.rss", page(lambda parts: parts.feeds.rss)),
        WebSocketRoute("/live/ws", part(lambda parts: parts.all_stories.stream)),
        Route(story + "/events", live_events),
        Route("/assets/{path:path}", part(lambda parts: parts.assets.serve)),
        Route("/dashboard", part(lambda parts: parts.operations.dashboard)),
        Route("/login", part(lambda parts: parts.operations.login), methods=["GET", "POST"]),
        Route("/logout", part(lambda parts: parts.operations.logout), methods=["POST"]),
        Route("/stats", part(lambda parts: parts.operations.stats)),
        WebSocketRoute("/stats/ws", part(lambda parts: parts.operations.stats_stream)),
        Route("/metrics", part(lambda parts: parts.operations.metrics)),
        Route("/healthz", part(lambda parts: parts.operations.healthz)),
        Route("/readyz", part(lambda parts: parts.operations.readyz)),
        *api.routes(),
    ]


# Errors of every page; the API answers its own.


async def sorry(request: Request, error: Exception) -> Response | None:
    if request.scope["type"] != "http":
        return None
    assert isinstance(error, StoppressError)
    return parts_of(request.app, Parts).pages.sorry(request, error)


async def sorry_http(request: Request, error: Exception) -> Response | None:
    if request.scope["type"] != "http":
        return None
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and (slashed := _SLASHED.fullmatch(request.scope["path"])):
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(slashed.group(1) + query, 308, {"Cache-Control": "no-store"})
    known: StoppressError
    if error.status_code == 404:
        known = NotFoundError(f"there is nothing at {request.url.path[:200]}")
    else:
        headers = dict(error.headers or {})
        detail = f"{request.method[:20]} is not possible here; {headers.get('Allow', 'GET')} is"
        known = RequestError(error.status_code, detail if error.status_code == 405 else error.detail, headers=headers)
    return parts_of(request.app, Parts).pages.sorry(request, known)


async def sorry_bug(request: Request, error: Exception) -> Response:
    """Starlette logs the error and raises it again after this answer; uvicorn then closes."""
    bug = StoppressError("the server made a mistake and logged it")
    answer = parts_of(request.app, Parts).pages.sorry(request, bug)
    answer.headers["Connection"] = "close"
    return answer


async def nobody(request: Request, error: Exception) -> Response:
    """The sender left in the middle of a body: nothing went wrong here, and nobody hears the answer."""
    return Response(status_code=400)
