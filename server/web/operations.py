"""For operators: the dashboard and its stream, one sample, metrics, and whether the process is up and ready.

It never makes a figure: `board` does.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
from jinja2 import Environment
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..clock import now_ms
from ..hub.hub import Hub
from ..newsroom.errors import NotAllowedError, StoppressError
from ..store.relay import Relay
from ..transport.problems import deny
from ..wire.native import CloseCode
from .auth import Auth, local_path
from .board import Board, Stats

NEVER = {"Cache-Control": "no-store"}
HTML = "text/html"
RECHECK_S = 2.0  # how soon a revoked token's sockets close
SEND_S = 10.0


class Operations:
    """Every path here but `/healthz` and `/readyz` asks who is there."""

    def __init__(
        self, hub: Hub, relay: Relay, board: Board, auth: Auth, templates: Environment, metrics: CollectorRegistry
    ) -> None:
        self._hub = hub
        self._relay = relay
        self._board = board
        self._auth = auth
        self._templates = templates
        self._metrics = metrics

    # Pages

    async def dashboard(self, request: Request) -> Response:
        try:
            grant = await self._auth.operator(request)
        except NotAllowedError as error:
            if error.status != 401 or "authorization" in request.headers:
                raise
            return RedirectResponse("/login?next=/dashboard", 303, NEVER)
        return self._page("dashboard.html", grant=grant.view(), can_log_out=bool(grant.id))

    async def login(self, request: Request) -> Response:
        if request.method != "POST":
            onward = local_path(request.query_params.get("next", ""))
            return self._page("login.html", action="/login", next=onward, error=None)
        answer = await self._auth.log_in(request)
        if answer is None:
            words = "This token is not known here, or it was revoked. Make a new one with: stoppress token create"
            return self._page("login.html", 403, action="/login", next="/dashboard", error=words)
        return answer

    async def logout(self, request: Request) -> Response:
        return self._auth.log_out()

    def _page(self, name: str, status: int = 200, **context: Any) -> Response:
        body = self._templates.get_template(name).render(now_ms=now_ms(), **context)
        return Response(body, status, NEVER, media_type=HTML)

    # Numbers

    async def stats(self, request: Request) -> Response:
        await self._auth.operator(request)
        return Response(orjson.dumps(self._board.latest), headers=NEVER, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        await self._auth.operator(request)
        # Starlette would add a charset to a type that has one.
        headers = {**NEVER, "Content-Type": CONTENT_TYPE_LATEST}
        return Response(generate_latest(self._metrics), headers=headers)

    async def stats_stream(self, socket: WebSocket) -> None:
        """A sample a second until the operator leaves, the token is revoked, or the worker stops."""
        if not await admit(socket, self._auth):
            return
        listening = asyncio.create_task(_drain(socket))
        try:
            await _send(socket, self._board.latest)
            checked = time.monotonic()
            while not listening.done():
                sample = asyncio.create_task(self._board.next())
                await asyncio.wait((sample, listening), timeout=5, return_when=asyncio.FIRST_COMPLETED)
                if self._hub.is_draining:
                    sample.cancel()
                    await socket.close(CloseCode.RESTART)
                    return
                if not sample.done():
                    sample.cancel()
                    continue
                await _send(socket, sample.result())
                if time.monotonic() - checked >= RECHECK_S:
                    checked = time.monotonic()
                    if await revoked(socket, self._auth):
                        await socket.close(CloseCode.NO_TOKEN, "the token was revoked")
                        return
            if listening.result():
                await socket.close(CloseCode.POLICY, "nothing is expected here")
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            return  # gone, or it took nothing for too long; nobody is left to tell
        finally:
            listening.cancel()

    # Health

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=NEVER)

    async def readyz(self, request: Request) -> Response:
        """503 with the reason; `?stale=ok` overlooks deafness, for what is held can still be served."""
        if self._hub.is_draining:
            reason = "draining: this worker is stopping"
        else:
            reason = self._relay.trouble(stale_ok=request.query_params.get("stale") == "ok")
        return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200, NEVER)


async def admit(socket: WebSocket, auth: Auth) -> bool:
    """Let an operator's socket in, or refuse its handshake."""
    try:
        await auth.operator(socket)
    except StoppressError as error:
        await deny(socket, error)
        return False
    await socket.accept()
    return True


async def revoked(socket: WebSocket, auth: Auth) -> bool:
    """Was the right to be here taken away? A store that cannot be asked takes nothing away."""
    try:
        return not await auth.stands(socket)
    except StoppressError:
        return False


async def _send(socket: WebSocket, message: Stats) -> None:
    async with asyncio.timeout(SEND_S):
        await socket.send_text(orjson.dumps(message).decode())


async def _drain(socket: WebSocket) -> bool:
    """Read what comes, for a socket that is not read never notices that its peer left. True = it spoke."""
    message = await socket.receive()
    return bool(message["type"] != "websocket.disconnect")
