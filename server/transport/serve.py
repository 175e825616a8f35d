"""serve: one worker on uvicorn, from listening socket to drained stop.

It never starts a process, and never knows a path: `workers` and the application do.

Stopping (SIGTERM, SIGINT): `hub.is_draining` (readiness turns red, new readers get 503), still accepting for the notice
time, so that a load balancer looks elsewhere first → what is queued is accepted, and nobody listens any more → every
reader is told to come back later and closed with 1012, in waves → uvicorn stops with a bounded grace → what is still
stuck is cut off. A second signal stops at once. A worker hears this from its supervisor instead; told to retire, it
does the same, but its successor has the listening socket already, so nobody is refused. uvicorn's own order would close
every socket in the same instant, and wait without end for a line that is stuck.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import math
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from ..settings import Settings
from .admission import Admission, check_descriptors
from .drain import drain
from .gate import Gate
from .listening import BACKLOG, address, is_queued, listen
from .parts import StreamParts, parts_of
from .worker import Lifeline

log = logging.getLogger(__name__)
_GC = (10_000, 20, 50)  # a reader is a handful of objects and no cycles; Python's 700 would count each few hundred
_GUARD_BYTES = 64 * 1024  # messages from readers; the endpoints' own limits are lower and say why
_QUEUE_S = 1.0  # to accept what is queued, if more keeps coming
_ASKING_S = 1.0  # for who was accepted last to say what it wants
_NO_NEWS = {
    "ASGI callable returned without completing handshake.",  # of each WebSocket that is refused with an HTTP answer
    "Application startup failed. Exiting.",  # `serve` raises what tells why
}
_TURN_S = 0.02  # time for the loop to accept, and to read what came with it


async def serve(
    app: Starlette,
    settings: Settings,
    on_ready: Callable[[str], Any] | None = None,
    lifeline: Lifeline | None = None,
) -> None:
    """Serve until told to stop, by a signal or by being cancelled; ends after a clean stop.

    `on_ready(address)` is called (awaited, if it is a coroutine function) when requests are answered. `lifeline`: of a
    worker, whose supervisor says when to stop and has the socket to listen on once the application has started.
    The application's lifespan makes `StreamParts`. Raises ListenError, or what the application's start raised.
    """
    room = check_descriptors()
    thresholds = gc.get_threshold()
    listening = lifeline.listening if lifeline else listen(settings)
    started = _Lifespan(app, settings)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = uvicorn.Config(
        started,
        loop="auto",
        http=Gate.bound(_admission(app, settings)),
        ws="websockets-sansio",
        ws_max_size=_GUARD_BYTES,
        # The beat keeps lines warm; pings would cost a timer per reader, and do not end a line that is stuck.
        ws_ping_interval=None,
        ws_ping_timeout=None,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        log_level="warning",  # uvicorn logs each handshake at info, with its query
        lifespan="on",
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=math.ceil(settings.stop_timeout_s),
        forwarded_allow_ips="127.0.0.1,::1",
        backlog=BACKLOG,
    )
    server = _Server(config, app, settings, lambda: _call(on_ready, address(listening)), room, lifeline)
    try:
        await server.serve(sockets=[listening])
    except SystemExit:  # uvicorn: the lifespan failed
        if started.failure is None:
            raise
    finally:
        listening.close()
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    if started.failure is not None:
        raise started.failure
    if server.was_cancelled:
        raise asyncio.CancelledError


def _admission(app: Starlette, settings: Settings) -> Admission:
    """Counts into the application's hub: nobody connects before it has started."""

    def refused(reason: str) -> None:
        parts_of(app, StreamParts).hub.counts.refuse(reason)

    def unread() -> None:
        parts_of(app, StreamParts).hub.counts.unread += 1

    return Admission(settings, lambda: len(parts_of(app, StreamParts).pump.connections), refused, unread)


def _is_news(record: logging.LogRecord) -> bool:
    """Of uvicorn's (0.54) error lines; a request that is cut off by a stop is none, with its traceback."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError) and record.msg not in _NO_NEWS


async def _while(true: Callable[[], bool], at_most_s: float) -> None:
    for _ in range(round(at_most_s / _TURN_S)):
        if not true():
            return
        await asyncio.sleep(_TURN_S)


async def _call(callback: Callable[[str], Any] | None, argument: str) -> None:
    answer = callback(argument) if callback is not None else None
    if inspect.isawaitable(answer):
        await answer


class _Lifespan:
    """Keeps what the application's start raised, so that people get a sentence instead of a traceback.

    The start is complete when the store is heard: nobody should connect to a worker that knows nothing yet.
    """

    def __init__(self, app: Starlette, settings: Settings) -> None:
        self.app = app
        self.failure: Exception | None = None
        self._patience_s = settings.store_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def quietly(message: Message) -> None:
            if message["type"].endswith(".failed"):
                message = {"type": message["type"]}  # without the text uvicorn would print it whole
            elif message["type"] == "lifespan.startup.complete":
                await self._heard()
            await send(message)

        try:
            await self.app(scope, receive, quietly)
        except Exception as error:
            self.failure = error

    async def _heard(self) -> None:
        with contextlib.suppress(TimeoutError):  # /readyz says what is the matter
            async with asyncio.timeout(self._patience_s):
                await parts_of(self.app, StreamParts).relay.heard.wait()


class _Server(uvicorn.Server):
    """What is not public API of uvicorn: `startup`, `main_loop`, `shutdown`, `capture_signals`,
    `server_state.connections`."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: Starlette,
        settings: Settings,
        ready: Callable[[], Any],
        room: int,
        lifeline: Lifeline | None,
    ) -> None:
        super().__init__(config)
        self._room = room
        self._lifeline = lifeline
        self._app = app
        self._settings = settings
        self._ready = ready
        self.servers = []
        self._parts: StreamParts | None = None  # until the application has started
        self.was_cancelled = False
        self._has_successor = False
        self._is_orphan = False
        self._asked = asyncio.Event()  # to leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._parts = parts_of(self._app, StreamParts)
        hub = self._parts.hub
        hub.is_draining = self.should_exit
        hub.max_readers = min(hub.max_readers or self._room, self._room)
        await self._ready()
        # What is here now stays: a storm of joins must not make each collection walk through all modules again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC)

    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether it should stop: that was a third of what an idle server cost.
        try:
            while not await self.on_tick(0):  # 0: one of those that renew the Date of answers
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._asked.wait()
        except asyncio.CancelledError:  # stop cleanly first; `serve` raises it again
            self.was_cancelled = True
            self._stop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again when it is done, so that a clean stop looks like a crash.
        loop = asyncio.get_running_loop()
        held: list[signal.Signals] = []
        handlers = {signal.SIGINT: self._signal, signal.SIGTERM: self._signal}
        if self._lifeline is not None:
            handlers = {signal.SIGTERM: self._lifeline.leave}
            self._lifeline.begin(stop=self._stop, stop_now=self._stop_now, retire=self._retire, orphan=self._be_alone)
        elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            handlers[signal.SIGHUP] = self._signal  # nobody would follow
        for number, handler in handlers.items():
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread
                loop.add_signal_handler(number, handler)
                held.append(number)
        try:
            yield
        finally:
            for number in held:
                loop.remove_signal_handler(number)

    def _signal(self) -> None:
        """The first one asks for a clean stop, a second one for a quick one."""
        if self.should_exit:
            self._stop_now()
        self._stop()

    def _stop_now(self) -> None:
        self._stop()
        self.force_exit = True
        self._abort()

    def _be_alone(self) -> None:
        """The supervisor was killed; the port is for whoever follows it, so nobody is given notice."""
        self._is_orphan = True
        self._stop()

    def _stop(self) -> None:
        self.should_exit = True
        self._asked.set()
        if self._parts is not None:
            self._parts.hub.is_draining = True

    def _retire(self) -> None:
        """Leave the listening socket to whoever else has it; who was accepted already is still answered."""
        if not self.should_exit:
            self.should_exit = self._has_successor = True
            self._asked.set()
            self._stop_listening()

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        leaving = asyncio.create_task(self._see_off(sockets or []))
        while not leaving.done() and not self.force_exit:
            await asyncio.wait({leaving}, timeout=0.1)
        leaving.cancel()
        loop = asyncio.get_running_loop()
        # Readers have had their second: a line that still has bytes to go when it is closing is stuck.
        stuck = loop.call_later(0.5, lambda: self._abort(only_closing=True))
        ending = loop.call_later(self._settings.stop_timeout_s, self._abort)
        try:
            await super().shutdown(sockets)
        finally:
            stuck.cancel()
            ending.cancel()
            self._abort()

    async def _see_off(self, sockets: list[socket.socket]) -> None:
        assert self._parts is not None, "who was started is seen off"
        log.info("draining, %d readers", self._parts.hub.readers)
        if not self._has_successor:
            await asyncio.sleep(0 if self._is_orphan else self._settings.notice)
            await _while(lambda: any(is_queued(listening) for listening in sockets), _QUEUE_S)
            self._stop_listening()
        await asyncio.sleep(_TURN_S)
        # Nobody waits at a desk for a stop that gives notice, or for a reload.
        is_patient = self._has_successor or self._settings.notice > 0
        await _while(self._is_asked, _ASKING_S if is_patient else 5 * _TURN_S)
        await drain(self._parts.pump, self._settings.drain_s)

    def _is_asked(self) -> bool:
        """Is there anyone who was accepted and has no answer yet?"""
        gates = [connection for connection in self.server_state.connections if isinstance(connection, Gate)]
        return any(gate.is_undecided for gate in gates)

    def _abort(self, *, only_closing: bool = False) -> None:
        """`transport.close()` waits for a peer that takes nothing; this does not."""
        for connection in list(self.server_state.connections):
            if connection.transport.is_closing() or not only_closing:
                connection.transport.abort()
