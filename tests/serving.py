"""A whole server on a real socket over a real store, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette

from stoppress.desk.desk import Desk
from stoppress.desk.tokens import Tokens
from stoppress.settings import Settings
from stoppress.store.store import Store
from stoppress.transport.parts import parts_of
from stoppress.web.app import create_app
from stoppress.web.parts import Parts


class Server(uvicorn.Server):
    """Several may run in one process, so none takes its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Site:
    """`client` sends no token; `as_(role)` gives one that does."""

    app: Starlette
    url: str
    client: httpx.AsyncClient
    store: Store
    tokens: Tokens
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def as_(self, role: str = "admin", story: str = "*", name: str = "") -> httpx.AsyncClient:
        token, _ = await self.tokens.create(name or f"{role} of {story}", role=role, story=story)
        made = httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        self.clients.append(made)
        return made

    def socket_url(self, path: str) -> str:
        return self.url.replace("http:", "ws:") + path

    @property
    def parts(self) -> Parts:
        return parts_of(self.app, Parts)

    @property
    def desk(self) -> Desk:
        return self.parts.desk


@contextlib.asynccontextmanager
async def running(settings: Settings, store: Store) -> AsyncIterator[Site]:
    app = create_app(settings, store=store)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, ws="websockets-sansio", lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=3
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        assert not serving.done(), serving.exception()
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        site = Site(app, url, client, store, Tokens(store))
        try:
            yield site
        finally:
            for one in site.clients:
                await one.aclose()
            site.parts.hub.is_draining = True
            server.should_exit = True
            await serving
            listening.close()
