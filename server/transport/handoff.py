"""The hand-off: how the application takes a connection over from the gate, for a WebSocket or an endless answer.

It never decides who is taken: the application does.

It is an extension of ASGI, `scope["extensions"][HANDOFF]`, so routing, limits and headers stay the application's. On a
WebSocket: `hand_off(reader, subprotocol) -> bool`, in place of an accept. On a request: `hand_off(stream) -> bool`; if
True, the `http.response.start` that is sent next makes `stream` the protocol of the connection, before `send` returns.
False: the peer is gone, or the connection must go on as it is; an ordinary answer is right.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from .admission import EARLY_BYTES
from .handshake import Verdict

HANDOFF = "stoppress.handoff"
ADMISSION = "stoppress.admission"  # of a request: `admits() -> bool`, to be called for who is to become a reader


class Socket(Protocol):
    """What takes a WebSocket over; `head` is the handshake's answer."""

    def begin(self, transport: asyncio.Transport, head: bytes, *, is_deflated: bool) -> None: ...
    def data_received(self, data: bytes) -> None: ...


class Stream(Protocol):
    """What takes an answer over; `head` is its head, which says that the connection closes with it. Not chunked: the
    end of the connection is its end."""

    def begin(self, transport: asyncio.Transport, head: bytes, *, is_chunked: bool) -> None: ...


class Head:
    """In the place of the transport for uvicorn's next answer: its head goes to `begin`."""

    def __init__(self, transport: asyncio.Transport, begin: Callable[[bytes], None]) -> None:
        self.close = transport.close  # what uvicorn does if it does not like the head
        self.is_closing = transport.is_closing
        self.write = begin


class Host(Protocol):
    """What an upgrade needs of the gate that holds its connection."""

    app: ASGIApp
    loop: asyncio.AbstractEventLoop
    logger: logging.Logger
    transport: asyncio.Transport

    def let_go(self) -> None: ...
    def refuse(self, status: int) -> None: ...
    def stock_protocol(self, app: Callable[[Scope, Receive, Send], Any]) -> asyncio.Protocol: ...


class Upgrade:
    """A WebSocket the application has not decided on yet.

    It takes the connection over by `hand_off`; or it sends, and then uvicorn's own protocol plays on, with the
    application that already runs: an accept, a refusal, or an ordinary WebSocket.
    """

    def __init__(self, gate: Host, scope: Scope, verdict: Verdict, early: bytes) -> None:
        self._gate: Host | None = gate
        self._app = gate.app
        self._scope: Scope | None = scope
        self._verdict = verdict
        self._early = early
        self._told = False
        self._stock: asyncio.Future[tuple[Receive, Send] | None] = gate.loop.create_future()
        self._played: asyncio.Future[None] = gate.loop.create_future()
        self._protocol: asyncio.Protocol | None = None
        scope["extensions"] = {"websocket.http.response": {}, HANDOFF: self.hand_off}

    def says_early(self, data: bytes) -> bool:
        """Keep what comes before the handshake is answered; False = too much."""
        self._early += data
        return len(self._early) <= EARLY_BYTES

    def lost(self) -> None:
        self._gate = None
        if not self._stock.done():
            self._stock.set_result(None)

    def hand_off(self, reader: Socket, subprotocol: str | None = None) -> bool:
        """Accept, and make `reader` the connection's protocol; False = the peer is gone."""
        gate = self._gate
        if gate is None or self._protocol is not None or gate.transport.is_closing():
            return False
        transport, early = gate.transport, self._early
        gate.let_go()
        self.lost()
        reader.begin(transport, self._verdict.head(subprotocol), is_deflated=self._verdict.is_deflated)
        if early:
            reader.data_received(early)
        return True

    async def run(self) -> None:
        scope, self._scope = self._scope, None
        assert scope is not None
        try:
            await self._app(scope, self._receive, self._send)
        except ClientDisconnected:
            pass
        except BaseException as error:
            if self._protocol is not None:
                if not self._played.done():  # it is when uvicorn gave up on its own task
                    self._played.set_exception(error)
                return
            if self._gate is not None:
                self._gate.logger.error("Exception in ASGI application\n", exc_info=error)
                self._gate.refuse(500)
            if not isinstance(error, Exception):
                raise
        if self._protocol is not None:
            if not self._played.done():
                self._played.set_result(None)
        elif self._gate is not None:
            self._gate.refuse(500)

    async def _play(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """What uvicorn's protocol takes for its application: lends its voice to the one that runs."""
        await receive()  # the connect, which was told
        self._stock.set_result((receive, send))
        await self._played

    async def _receive(self) -> Message:
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        stock = await self._stock
        return await stock[0]() if stock is not None else {"type": "websocket.disconnect", "code": 1006}

    async def _send(self, message: Message) -> None:
        if self._protocol is None and self._gate is not None:
            gate, self._gate = self._gate, None
            self._protocol = gate.stock_protocol(self._play)
        stock = await self._stock
        if stock is None or self._protocol is None:
            raise ClientDisconnected
        await stock[1](message)
        if message["type"] == "websocket.accept" and self._early:
            early, self._early = self._early, b""
            self._protocol.data_received(early)
