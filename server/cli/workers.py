"""The processes of one `stoppress serve`: this one alone, or several that share a port.

Workers share nothing but the store. One that dies is started again, more slowly each time; all end with this process,
also when it is killed. Each has a process group of its own, so Ctrl-C reaches it once: through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from ..newsroom.errors import StoppressError
from ..settings import Settings
from . import logs

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

log = logging.getLogger(__name__)
PAUSE_S = (0.5, 30.0)
STEADY_S = 30.0  # who ran this long did not die of its start
LATE_S = 5.0  # beyond what a stop may take, then it is killed


def run(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready(address)` when requests are answered."""
    logs.set_up(settings)
    if settings.workers == 1:
        run_loop(serve_here(settings, on_ready))
    else:
        Workers(settings, on_ready).run()


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` on uvloop, where that installs."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = None
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


async def serve_here(settings: Settings, on_ready: Callable[[str], Any] | None = None) -> None:
    from ..transport.serve import serve
    from ..web.app import create_app

    await serve(create_app(settings), settings, on_ready)


class Workers:
    """Starts the workers, starts them again, and stops them."""

    def __init__(self, settings: Settings, on_ready: Callable[[str], None]) -> None:
        self._context = get_context("spawn")
        self._on_ready = on_ready
        self._workers: list[SpawnProcess | None] = [None] * settings.workers
        self._started = [0.0] * settings.workers
        self._failures = [0] * settings.workers
        self._stopping = False
        self._settings = settings

    def run(self) -> None:
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        with wake, woken, reserved(self._settings) as settings:
            ready, told = self._context.Pipe(duplex=False)
            try:
                while not self._stopping:
                    pause = self._start_missing(settings, told)
                    alive = [worker.sentinel for worker in self._workers if worker]
                    for event in wait([*alive, ready, woken], pause):
                        if event is ready:
                            self._ready(ready.recv())
                        elif event is woken:
                            woken.recv(100)
                    self._bury()
            finally:
                self._stop_all(settings)
                signal.set_wakeup_fd(-1)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _ready(self, told: str | tuple[str, int]) -> None:
        if isinstance(told, tuple):
            # What stops one worker's start (no store, no port) stops them all.
            error = StoppressError(told[0])
            error.exit_code = told[1]  # type: ignore[misc]
            raise error
        self._on_ready(told)
        self._on_ready = lambda address: None

    def _start_missing(self, settings: Settings, told: Any) -> float | None:
        """Start who is missing and due; seconds until the next one is due."""
        pause: float | None = None
        for n, worker in enumerate(self._workers):
            if worker:
                continue
            least, most = PAUSE_S
            due = self._started[n] + (min(most, least * 2 ** self._failures[n]) if self._failures[n] else 0)
            left = due - time.monotonic()
            if left > 0:
                pause = min(left, pause or left)
                continue
            process = self._context.Process(target=work, args=(settings, told), name=f"worker-{n}")
            process.start()
            self._workers[n], self._started[n] = process, time.monotonic()
        return pause

    def _bury(self) -> None:
        for n, worker in enumerate(self._workers):
            if worker and worker.exitcode is not None:
                if not self._stopping:
                    log.warning("worker %d ended with %d; starting another one", worker.pid, worker.exitcode)
                steady = time.monotonic() - self._started[n] > STEADY_S
                self._failures[n] = 1 if steady else self._failures[n] + 1
                worker.close()
                self._workers[n] = None

    def _stop_all(self, settings: Settings) -> None:
        workers = [worker for worker in self._workers if worker]
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + settings.drain_s + settings.stop_timeout_s + LATE_S
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.exitcode is None:
                worker.kill()
                worker.join()


@contextlib.contextmanager
def reserved(settings: Settings) -> Any:
    """Settings with a port that is ours: port 0 would give every worker another one. Bound, never listened on."""
    if settings.port:
        yield settings
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((settings.host, 0))
        yield dataclasses.replace(settings, port=holder.getsockname()[1])


def work(settings: Settings, told: Any) -> None:
    """One worker: what runs in the process of its own."""
    os.setpgid(0, 0)
    logs.set_up(settings)
    try:
        run_loop(_work(settings, told))
    except StoppressError as error:
        told.send((error.detail, error.exit_code))
        sys.exit(error.exit_code)


async def _work(settings: Settings, told: Any) -> None:
    parent = parent_process()
    loop = asyncio.get_running_loop()
    if parent:
        # Readable when the parent is gone, however it went.
        loop.add_reader(parent.sentinel, _orphaned, loop, parent.sentinel)
    await serve_here(settings, told.send)


def _orphaned(loop: asyncio.AbstractEventLoop, sentinel: int) -> None:
    loop.remove_reader(sentinel)
    os.kill(os.getpid(), signal.SIGTERM)
