"""The application, put together: store, desk, hub, relay, pages, API and streams; nothing is decided here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import socket
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from ..desk.desk import Desk
from ..desk.tokens import Tokens
from ..hub.feed import Limits
from ..hub.hub import Hub
from ..newsroom.errors import NotFoundError, StoppressError, StoreError
from ..settings import Settings
from ..store.relay import Relay
from ..store.store import Store
from ..tasks import end, keep
from ..transport.sse import live_events
from ..transport.websocket import live_socket
from ..transport.worker import Lifeline
from . import api
from .all_stories import AllStories
from .assets import Assets
from .auth import Auth
from .feeds import Feeds
from .guard import Guard
from .metrics import registry
from .operations import Operations
from .pages import Pages
from .problems import RequestError
from .stats import Board

log = logging.getLogger(__name__)
PATIENCE_S = 1.0  # of a page, beyond the time of one call to the store
_SLASHED = re.compile(r"(/live/[A-Za-z0-9_/-]*[A-Za-z0-9_-])/+")


def create_app(settings: Settings, *, store: Store | None = None, lifeline: Lifeline | None = None) -> Starlette:
    """The whole server as an ASGI application. A `store` that is given stays open when the application stops;
    `lifeline` is that of a worker."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with compose(app, settings, store, lifeline):
            yield

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers={
            StoppressError: sorry,
            HTTPException: sorry_http,
            ClientDisconnect: nobody,
            Exception: sorry_bug,
        },
    )
    app.router.redirect_slashes = False  # its address would be made of the Host header; `sorry_http` does better
    # Outermost, around Starlette's own handler of bugs too: no answer leaves without the safety headers.
    app.middleware_stack = Guard(app.build_middleware_stack(), settings, lambda: app.state.hub.counts.refuse("origin"))
    return app


@contextlib.asynccontextmanager
async def compose(
    app: Starlette, settings: Settings, given: Store | None, lifeline: Lifeline | None = None
) -> AsyncIterator[None]:
    """Make the parts, hand them to the routes by `app.state`, keep the relay and the stats running."""
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
    parts: dict[str, Any] = {
        "settings": settings,
        "store": store,
        "desk": Desk(store),
        "hub": hub,
        "relay": relay,
        "auth": auth,
        "assets": assets,
        "pages": pages,
        "feeds": Feeds(pages, store, settings.public_url),
        "board": board,
        "operations": operations,
        "all_stories": AllStories(hub, relay, store, auth, beat_s=settings.beat_s),
    }
    for name, part in parts.items():
        setattr(app.state, name, part)
    tasks = [keep("the relay", relay.run), keep("the statistics", board.run)]
    try:
        yield
    finally:
        await end(tasks)
        await board.goodbye()
        if given is None:
            await store.aclose()


def page(name: str, method: str) -> Any:
    """As `part`, for what people wait for: a store that hangs is said to be away, before they give up."""
    inner = part(name, method)

    async def endpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(request.app.state.settings.store_timeout_s + PATIENCE_S):
                return await inner(request)
        except TimeoutError:
            raise StoreError("the store did not answer in time; try it again in a few seconds") from None

    endpoint.__name__ = inner.__name__
    return endpoint


def part(name: str, method: str) -> Any:
    """The endpoint `method` of the part `name`, which exists only once the application has started."""

    async def endpoint(connection: Any) -> Any:
        return await getattr(getattr(connection.app.state, name), method)(connection)

    endpoint.__name__ = f"{name}_{method}"
    return endpoint


async def asset(request: Request) -> Response:
    found = await request.app.state.assets.serve(request)
    if found is None:
        raise NotFoundError("There is no such file.")
    return found


def routes() -> list[BaseRoute]:
    story = "/live/{slug}"
    return [
        WebSocketRoute(story + "/ws", live_socket),  # first, because routes are tried in order and readers are many
        Route("/", page("pages", "index")),
        Route(story, page("pages", "story")),
        Route(story + "/posts/{id}", page("pages", "permalink")),
        Route(story + "/snapshot", page("pages", "snapshot")),
        Route(story + "/feed.json", page("feeds", "json")),
        Route(story + "/feed.atom", page("feeds", "atom")),
        Route(story + "/feed.rss", page("feeds", "rss")),
        WebSocketRoute("/live/ws", part("all_stories", "stream")),
        Route(story + "/events", live_events),
        Route("/assets/{path:path}", asset),
        Route("/dashboard", part("operations", "dashboard")),
        Route("/login", part("operations", "login"), methods=["GET", "POST"]),
        Route("/logout", part("operations", "logout"), methods=["POST"]),
        Route("/stats", part("operations", "stats")),
        WebSocketRoute("/stats/ws", part("operations", "stats_stream")),
        Route("/metrics", part("operations", "metrics")),
        Route("/healthz", part("operations", "healthz")),
        Route("/readyz", part("operations", "readyz")),
        *api.routes(),
    ]


# Errors of every page; the API answers its own.


async def sorry(request: Request, error: Exception) -> Response | None:
    if request.scope["type"] != "http":
        return None
    assert isinstance(error, StoppressError)
    return request.app.state.pages.sorry(request, error)


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
    return request.app.state.pages.sorry(request, known)


async def sorry_bug(request: Request, error: Exception) -> Response:
    """Starlette logs the error and raises it again after this answer; uvicorn then closes."""
    bug = StoppressError("the server made a mistake and logged it")
    answer: Response = request.app.state.pages.sorry(request, bug)
    answer.headers["Connection"] = "close"
    return answer


async def nobody(request: Request, error: Exception) -> Response:
    """The sender left in the middle of a body: nothing went wrong here, and nobody hears the answer."""
    return Response(status_code=400)
