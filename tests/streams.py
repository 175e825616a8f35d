"""The streams over every way a server may run them; the tests see lines and messages, never a server.

`world` runs the real endpoints over a real hub, whose feeds a test drives itself: by a real uvicorn on real sockets
(`serve`), with connections handed off and, as `stock`, without; and by Starlette's TestClient, which stands for any
other ASGI server. A further way is one more class here.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from stoppress.clock import now_ms
from stoppress.hub.feed import Feed
from stoppress.hub.hub import Hub
from stoppress.hub.position import Position
from stoppress.hub.state import StoryState
from stoppress.newsroom.errors import GoneError, NotFoundError
from stoppress.newsroom.times import format_time
from stoppress.settings import Settings
from stoppress.transport.handoff import HANDOFF
from stoppress.transport.parts import StreamParts, parts_of
from stoppress.transport.pump import Pump
from stoppress.transport.serve import serve
from stoppress.transport.sse import live_events
from stoppress.transport.websocket import live_socket

with warnings.catch_warnings():  # Starlette 1.10 would rather have httpx2, which does as well here
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient, WebSocketDenialResponse

WAIT_S = 10.0


class Loaded:
    """What a relay offers to transports, over stories that are in the hub already."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.asked: list[Position] = []
        self.heard = asyncio.Event()
        self.heard.set()

    def at_hand(self, slug: str) -> Feed | None:
        feed = self.hub.feeds.get(slug)
        return None if feed is None or feed.deleted else feed

    async def ensure(self, slug: str) -> Feed:
        if slug not in self.hub.feeds:
            raise NotFoundError(f"there is no story {slug}")
        if self.hub.feeds[slug].deleted:
            raise GoneError(f"the story {slug} was deleted")
        return self.hub.feeds[slug]

    async def reach(self, slug: str, position: Position | None) -> Feed:
        """The test's log holds nothing that the feed does not; its store is always one event ahead."""
        feed = await self.ensure(slug)
        if position is not None and not feed.answers(position):
            self.asked.append(position)
            if position.seq == feed.seq + 1:
                tell(feed)
        return feed


def new_state(epoch: str = "e", seq: int = 0) -> StoryState:
    totals = {"version": 0, "post_count": 0, "listed_count": 0, "date_modified": "", "pinned_post_id": None}
    return StoryState(epoch, seq, {"slug": "a", "headline": "H", "status": "live", **totals}, [], None, [])


def tell(feed: Feed, type_: str = "post.published", text: str = "") -> dict[str, Any]:
    """The next event of the story, now."""
    seq, count = feed.seq + 1, feed.state.story["listed_count"] + 1
    at = format_time(now_ms())
    totals = {"version": seq, "post_count": count, "listed_count": count, "date_modified": at, "pinned_post_id": None}
    head = {"type": type_, "epoch": feed.epoch, "seq": seq, "at": at}
    if type_ == "story.deleted":
        event = {**head, "story": {**feed.state.story, "status": "deleted"}}
    else:
        post = {"id": f"p{seq}", "status": "published", "version": 1, "headline": text or f"post {seq}"}
        event = {**head, "post": {**post, "sort_time": format_time(seq)}, "story": totals}
    feed.apply(event, json.dumps(event).encode())
    return event


async def stock_socket(websocket: WebSocket) -> None:
    """The endpoint on a server that offers no hand-off; ours then plays uvicorn's own protocol."""
    del websocket.scope["extensions"][HANDOFF]
    await live_socket(websocket)


async def stock_events(request: Request) -> Response:
    del request.scope["extensions"][HANDOFF]
    return await live_events(request)


def make_app(
    settings: Settings, hub: Hub, *, is_stock: bool = False, pump: Pump | None = None, relay: Loaded | None = None
) -> Starlette:
    socket, events = (stock_socket, stock_events) if is_stock else (live_socket, live_events)
    routes = [WebSocketRoute("/live/{slug}/ws", socket), Route("/live/{slug}/events", events)]
    app = Starlette(routes=routes)
    app.state.parts = StreamParts(settings=settings, hub=hub, relay=relay or Loaded(hub), pump=pump or Pump(hub))
    return app


class World:
    """A running server. `line` opens a WebSocket; `do` calls a function where the hub lives."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.parts = parts_of(app, StreamParts)
        self.hub = self.parts.hub
        self.pump = self.parts.pump
        self.feed: Feed = self.hub.add("a", new_state())

    async def tell(self, *args: Any) -> dict[str, Any]:
        return await self.do(tell, self.feed, *args)

    async def do(self, call: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError

    def line(self, path: str = "/live/a/ws", **options: Any) -> contextlib.AbstractAsyncContextManager[Line]:
        raise NotImplementedError


class Line:
    """One WebSocket connection, seen from the reader's side."""

    subprotocol: str | None

    async def receive(self, *, spared: bool = False) -> dict[str, Any]:
        """The next message, but for beats and reader counts unless `spared`; raises Closed."""
        while True:
            message = await self.message()
            if spared or message["type"] not in ("beat", "readers"):
                return message

    async def message(self) -> dict[str, Any]:
        raise NotImplementedError

    async def send(self, message: str | bytes) -> None:
        raise NotImplementedError

    async def opened(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`hello`, and what follows it."""
        return await self.receive(), await self.receive()

    async def closed(self) -> int:
        """The close code, whatever is still said before it."""
        while True:
            try:
                await self.receive()
            except Closed as closed:
                return closed.code


class Closed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Denied(Exception):
    """Refused before the handshake was done."""

    def __init__(self, status: int, headers: Any, body: str) -> None:
        super().__init__(status, body)
        self.status = status
        self.headers = headers
        self.body = body


# uvicorn, websockets-sansio


class UvicornWorld(World):
    def __init__(self, app: Starlette, url: str) -> None:
        super().__init__(app)
        self.url = url

    async def do(self, call: Callable[..., Any], *args: Any) -> Any:
        answer = call(*args)
        return await answer if inspect.isawaitable(answer) else answer

    @contextlib.asynccontextmanager
    async def line(self, path: str = "/live/a/ws", **options: Any) -> AsyncIterator[Line]:
        try:
            socket = await connect(self.url.replace("http", "ws") + path, proxy=None, **options)
        except websockets.InvalidStatus as error:
            answer = error.response
            raise Denied(answer.status_code, answer.headers, (answer.body or b"").decode()) from None
        async with socket:
            yield UvicornLine(socket)


class UvicornLine(Line):
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.subprotocol = socket.subprotocol

    async def message(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(WAIT_S):
                message = await self.socket.recv()
        except websockets.ConnectionClosed as error:
            raise Closed(error.rcvd.code if error.rcvd else 1006) from None
        assert isinstance(message, str), "a text frame"
        return json.loads(message)

    async def send(self, message: str | bytes) -> None:
        await self.socket.send(message)


# Any other ASGI server


class PortableWorld(World):
    def __init__(self, app: Starlette, client: TestClient) -> None:
        super().__init__(app)
        self.client = client

    async def do(self, call: Callable[..., Any], *args: Any) -> Any:
        assert self.client.portal is not None
        return await asyncio.to_thread(self.client.portal.call, call, *args)

    @contextlib.asynccontextmanager
    async def line(self, path: str = "/live/a/ws", **options: Any) -> AsyncIterator[Line]:
        headers = {"origin": options.pop("origin")} if "origin" in options else {}
        session = self.client.websocket_connect(path, headers=headers, **options)
        try:
            await asyncio.to_thread(session.__enter__)
        except WebSocketDenialResponse as error:
            raise Denied(error.status_code, error.headers, error.text) from None
        try:
            yield PortableLine(session)
        finally:
            await asyncio.to_thread(session.__exit__, None, None, None)


class PortableLine(Line):
    def __init__(self, session: Any) -> None:
        self.session = session
        self.subprotocol = session.accepted_subprotocol

    async def message(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(WAIT_S):
                return json.loads(await asyncio.to_thread(self.session.receive_text))
        except WebSocketDisconnect as error:
            raise Closed(error.code) from None

    async def send(self, message: str | bytes) -> None:
        send = self.session.send_text if isinstance(message, str) else self.session.send_bytes
        await asyncio.to_thread(send, message)


@contextlib.asynccontextmanager
async def uvicorn_world(app: Starlette, settings: Settings) -> AsyncIterator[UvicornWorld]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, settings, ready.set_result))
    try:
        await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield UvicornWorld(app, ready.result())
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.timeout(WAIT_S):
                await serving


@contextlib.asynccontextmanager
async def portable_world(app: Starlette, settings: Settings) -> AsyncIterator[PortableWorld]:
    client = TestClient(app)
    await asyncio.to_thread(client.__enter__)
    try:
        yield PortableWorld(app, client)
    finally:
        await asyncio.to_thread(client.__exit__, None, None, None)


WAYS = {"handed": uvicorn_world, "stock": uvicorn_world, "portable": portable_world}
