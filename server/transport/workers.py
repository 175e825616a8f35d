"""Workers: several processes that share a port, kept running by one that serves nobody.

The supervisor keeps the port: a bound socket that never listens lets no stranger bind beside it. It binds one more for
each place; the worker that takes the place listens on it once its application has
started. A queue of connections so belongs to a place, not to a process: whoever follows inherits it, after a reload
(SIGHUP) and after a crash, and no connection attempt is lost with a process. On Linux the kernel spreads connections
over the sockets (SO_REUSEPORT). Other systems give them all to one socket then, so there all places share one, and who
accepts first has the connection: less even, no less safe.

Workers share nothing but the store. One that dies is started again, at once the first time, then more slowly; all end
with this process, also when it is killed. Each has a process group of its own, so Ctrl-C reaches it once: through here.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from ..newsroom.errors import StoppressError
from ..settings import Settings
from .admission import check_descriptors
from .serve import bind

log = logging.getLogger(__name__)
BALANCES = sys.platform == "linux"
PAUSE_S = (0.5, 30.0)
STEADY_S = 30.0  # who ran this long did not die of its start
LATE_S = 10.0  # beyond what a stop may take, then it is killed
Serve = Callable[[Settings, Callable[[str], Any], socket.socket], None]


@dataclass(eq=False)
class Place:
    """`listening` is bound, and listens as soon as a worker says so."""

    number: int
    listening: socket.socket
    failures: int = 0
    due: float = 0.0


@dataclass(eq=False)
class Worker:
    """`told` gives the address when it is ready, or why it cannot start: (sentence, exit code); then it ends."""

    place: Place
    process: Any
    told: Connection
    is_successor: bool = False  # of one that still serves
    kill_at: float = 0.0  # 0 = it need not leave
    started: float = field(default_factory=time.monotonic)

    @property
    def is_leaving(self) -> bool:
        return self.kill_at > 0

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)


class Workers:
    """`serve(settings, on_ready, listening)` is what each one runs: a function of a module, for it travels by name."""

    def __init__(self, settings: Settings, serve: Serve, on_ready: Callable[[str], Any]) -> None:
        self._context = get_context("spawn")
        self._settings = settings
        self._serve = serve
        self._on_ready = on_ready
        self._reservation: socket.socket | None = None
        self._places: list[Place] = []
        self._workers: list[Worker] = []
        self._outdated: list[Worker] = []
        self._is_up = False
        self._stops = 0
        self._reloads = 0

    def run(self) -> None:
        """Until SIGINT or SIGTERM. Raises ListenError, or a StoppressError of the first worker to start."""
        with _signals({signal.SIGINT: self._stop, signal.SIGTERM: self._stop, signal.SIGHUP: self._reload}) as woken:
            try:
                check_descriptors()
                self._reserve()
                while not self._stops:
                    pauses = [*self._start_missing(), *self._end_late()]
                    self._replace_outdated()
                    self._wait(woken, min(pauses, default=None))
            finally:
                self._stop_all(woken)

    def _stop(self, *_: object) -> None:
        self._stops += 1

    def _reload(self, *_: object) -> None:
        self._reloads += 1

    def _reserve(self) -> None:
        first = bind(self._settings)  # without SO_REUSEPORT: a taken port is an error
        self._settings = replace(self._settings, port=first.getsockname()[1])
        shared = None if BALANCES else first
        if BALANCES:
            # From now on only who sets SO_REUSEPORT, and is this user, may bind beside it: the places.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._reservation = first
        self._places = [Place(n, shared or self._bind()) for n in range(self._settings.workers)]

    def _bind(self) -> socket.socket:
        return bind(self._settings, is_shared=True)

    def _start(self, place: Place, **more: Any) -> Worker:
        told, telling = self._context.Pipe(duplex=False)
        arguments = (self._serve, self._settings, telling, place.listening)
        process = self._context.Process(target=work, args=arguments, name=f"worker-{place.number}")
        process.start()
        telling.close()
        worker = Worker(place, process, told, **more)
        self._workers.append(worker)
        return worker

    def _start_missing(self) -> list[float]:
        """Fill the places that are free and due; seconds until the others are."""
        held = {worker.place for worker in self._workers if not worker.is_leaving}
        pauses = []
        for place in self._places:
            left = place.due - time.monotonic()
            if place not in held and left <= 0:
                self._start(place)
            elif place not in held:
                pauses.append(left)
        return pauses

    def _end_late(self) -> list[float]:
        """End who should have left long ago, or a reload would wait for it for ever; seconds the others have."""
        left = {worker: worker.kill_at - time.monotonic() for worker in self._workers if worker.is_leaving}
        for worker in [worker for worker, seconds in left.items() if seconds <= 0]:
            log.warning("worker %d does not leave; it is killed", worker.process.pid)
            worker.process.kill()
            worker.kill_at = math.inf
        return [seconds for seconds in left.values() if 0 < seconds < math.inf]

    def _replace_outdated(self) -> None:
        """One at a time, and the next one when the last one's readers have left."""
        if any(worker.is_successor or worker.is_leaving for worker in self._workers):
            return
        if self._reloads:
            self._reloads = 0
            self._outdated = list(self._workers)
        self._outdated = [worker for worker in self._outdated if worker in self._workers]
        if self._outdated:
            self._start(self._outdated[0].place, is_successor=True)

    def _wait(self, woken: socket.socket, pause: float | None) -> None:
        told = {worker.told: worker for worker in self._workers}
        for event in wait([*told, woken], pause):
            if event is woken:
                woken.recv(100)
            else:
                self._hear(told[event])  # type: ignore[index]

    def _hear(self, worker: Worker) -> None:
        try:
            told = worker.told.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if isinstance(told, str):
            self._welcome(worker, told)
        elif self._is_up:
            log.error("worker %d cannot start: %s", worker.process.pid, told[0])
        else:  # what stops the first one's start (no store, no port) stops them all
            error = StoppressError(told[0])
            error.exit_code = told[1]  # type: ignore[misc]
            raise error

    def _welcome(self, worker: Worker, address: str) -> None:
        if not self._is_up:
            self._is_up = True
            self._on_ready(address)
        worker.is_successor = False
        for other in self._workers:
            if other.place is worker.place and other is not worker and not other.is_leaving:
                other.kill_at = time.monotonic() + self._settings.stop_s + LATE_S
                other.signal(signal.SIGHUP)  # it leaves the place to its successor and sees its readers off

    def _bury(self, worker: Worker) -> None:
        worker.process.join()
        worker.told.close()
        self._workers.remove(worker)
        pid, code, place = worker.process.pid, worker.process.exitcode, worker.place
        worker.process.close()
        if self._stops or worker.is_leaving:
            return
        if worker.is_successor:
            log.error("worker %d ended with %d before it was ready; the reload ends, the others go on", pid, code)
            self._outdated = []
            return
        log.warning("worker %d ended with %d; starting another one", pid, code)
        now = time.monotonic()
        place.failures = 1 if now - worker.started > STEADY_S else place.failures + 1
        if place.failures > 1:
            least, most = PAUSE_S
            place.due = now + min(most, least * 2 ** (place.failures - 2))
            if BALANCES:  # nobody shall wait here in vain: a connection that is reset tries another place
                place.listening.close()
                place.listening = self._bind()

    def _stop_all(self, woken: socket.socket) -> None:
        for place in self._places:
            place.listening.close()  # or connections would queue up for nobody
        if self._reservation is not None:
            self._reservation.close()
        heard = self._stops
        for worker in self._workers:
            if not worker.is_leaving:  # to who leaves already this would be the second word: at once
                worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._settings.stop_s + LATE_S
        while self._workers and (left := deadline - time.monotonic()) > 0:
            for event in wait([*(worker.process.sentinel for worker in self._workers), woken], left):
                if event is woken:
                    woken.recv(100)
            for worker in [worker for worker in self._workers if worker.process.exitcode is not None]:
                self._workers.remove(worker)
            if self._stops > max(heard, 1):
                heard = self._stops
                for worker in self._workers:
                    worker.signal(signal.SIGTERM)
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()


@contextlib.contextmanager
def _signals(handlers: dict[int, Callable[..., None]]) -> Iterator[socket.socket]:
    """A socket that is readable when one of them came."""
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    with wake, woken:
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        fd = signal.set_wakeup_fd(wake.fileno())
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)


def work(serve: Serve, settings: Settings, telling: Connection, listening: socket.socket) -> None:
    """One worker: what runs in the process of its own."""
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(settings, telling.send, listening)
    except StoppressError as error:
        telling.send((error.detail, error.exit_code))
        sys.exit(error.exit_code)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # returns when it is gone, however it went
        os.kill(os.getpid(), signal.SIGTERM)
