"""Workers: one process or several that share a port, kept running by one that serves nobody.

It never serves, and never imports what does.

The supervisor keeps the port, so a queue of connections belongs to a place, not to a process: whoever follows inherits
it, after a reload (SIGHUP) and after a crash, and no connection attempt is lost with a process. One worker listens on
the supervisor's own socket. For several, on Linux, a bound socket that never listens lets no stranger bind beside it,
and each place has one more, over which the kernel spreads connections (SO_REUSEPORT). Other systems give them all to
one socket then, so there all places share one, and who accepts first has the connection: less even, no less safe.

Workers share nothing but the store, and what this process passes on: which of them live, and each one's numbers to the
others. One that dies is started again, at once the first time, then more slowly. One that does not beat is killed and
replaced. Time is counted in ticks of this process: while it is stopped itself (Ctrl-Z, a suspended machine, a paused
one), nobody is late. All are in its process group, so a terminal stops and continues all of them; all end with it, also
when it is killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..clock import now_ms
from ..newsroom.errors import StoppressError
from ..settings import Settings
from . import channel as said
from .admission import check_descriptors
from .channel import Channel
from .listening import bind
from .worker import ENTRY, HANDLED, Duty, Lifeline

log = logging.getLogger(__name__)
BALANCES = sys.platform == "linux"
EXIT_S = 5.0  # to be gone, once the line to it has ended
EVENTS = 20  # told to workers


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How patient the supervisor is; ticks are its own. `hung` lies between 10 and 20 s after the last beat."""

    tick_s: float = 1.0
    start: int = 60  # ticks until the first beat: an application is imported, on a machine that starts much at once
    where: int = 12  # ticks without a beat, then it is asked what it is doing
    hung: int = 15
    late_s: float = 10.0  # beyond what a stop may take, then it is killed
    pause_s: tuple[float, float] = (0.5, 10.0)  # before one that died again is started again: doubles, up to
    steady_s: float = 30.0  # who ran this long did not die of its start


@dataclass(eq=False)
class Slot:
    """A worker's place. `listening` is bound, and listens as soon as a worker says so."""

    name: str
    listening: socket.socket
    generation: int = 0
    failures: int = 0
    due: float = 0.0


@dataclass(eq=False)
class Worker:
    """`silence`: ticks since its last beat. `left`: ticks until one that was told to leave is killed."""

    slot: Slot
    id: str
    process: subprocess.Popen[bytes]
    channel: Channel
    is_successor: bool = False  # of one that still serves
    is_ready: bool = False
    has_beaten: bool = False
    silence: int = 0
    left: float | None = None
    excuse: str = ""  # why it could not start
    sample: bytes = b""
    started: float = field(default_factory=time.monotonic)

    @property
    def is_leaving(self) -> bool:
        return self.left is not None

    @property
    def readers(self) -> int:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return int(json.loads(self.sample)["sample"]["readers"])
        return 0

    def __str__(self) -> str:
        return f"worker {self.slot.name} (process {self.process.pid})"


class Workers:
    """`serve(settings, lifeline)` is what each one runs: a function of a module, for it travels by name."""

    def __init__(
        self,
        settings: Settings,
        serve: Callable[[Settings, Lifeline], None],
        on_ready: Callable[[str], Any],
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._serve = serve
        self._on_ready = on_ready
        self._pace = pace or Pace()
        self._node = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(2).hex()}"  # each container's is process 1
        self._selector = selectors.DefaultSelector()
        self._reservation: socket.socket | None = None
        self._slots: list[Slot] = []
        self._workers: list[Worker] = []
        self._outdated: list[Worker] = []
        self._events: list[dict[str, Any]] = []
        self._ticked = time.monotonic()
        self._is_up = False
        self._stops = 0
        self._reloads = 0
        self._has_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # nohup

    def run(self) -> None:
        """Until SIGINT or SIGTERM. Raises ListenError, or what the first worker to start could not do."""
        with _signals({signal.SIGINT: self._stop, signal.SIGTERM: self._stop, signal.SIGHUP: self._reload}) as woken:
            self._selector.register(woken, selectors.EVENT_READ)
            try:
                check_descriptors()
                self._reserve()
                while not self._stops:
                    due = self._start_missing()
                    self._replace_outdated()
                    self._wait(due)
            finally:
                self._stop_all()

    def _stop(self, *_: object) -> None:
        self._stops += 1

    def _reload(self, *_: object) -> None:
        if self._has_terminal and not _has_terminal():
            self._stops += 1  # it was closed: nobody can see this server any more, or press Ctrl-C
        else:
            self._reloads += 1

    def _reserve(self) -> None:
        first = bind(self._settings)  # without SO_REUSEPORT: a taken port is an error
        self._settings = replace(self._settings, port=first.getsockname()[1])
        shared = None if BALANCES and self._settings.workers > 1 else first
        if shared is None:
            # From now on only who sets SO_REUSEPORT, and is this user, may bind beside it: the slots.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._reservation = first
        self._slots = [Slot(f"w{n}", shared or self._bind()) for n in range(1, self._settings.workers + 1)]

    def _bind(self) -> socket.socket:
        return bind(self._settings, is_shared=True)

    # Starting and leaving

    def _start(self, slot: Slot, *, is_successor: bool = False) -> None:
        slot.generation += 1
        stop_s = self._settings.stop_s + self._pace.late_s
        duty = Duty(self._serve, self._settings, slot.name, self._node, slot.generation, self._pace.tick_s, stop_s)
        ours, theirs = socket.socketpair()
        # Its own directory counts for it only if it does for us. Blocked signals: it must not die of one unprepared.
        own = [] if sys.path and sys.path[0] in ("", os.getcwd()) else ["-P"]
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # what multiprocessing uses
        command = [sys.executable, *flags, *own, "-c", ENTRY, slot.name]
        descriptors = (theirs.fileno(), slot.listening.fileno())
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            process = subprocess.Popen(
                [*command, *map(str, descriptors)], stdin=subprocess.DEVNULL, pass_fds=descriptors
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        worker = Worker(slot, duty.id, process, Channel(ours), is_successor)
        log.debug("%s started", worker)
        worker.channel.send(said.START, pickle.dumps(duty))
        for other in self._workers:
            if other.sample:
                _pass_on(other, worker)
        self._workers.append(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self._tell_node()

    def _start_missing(self) -> float | None:
        """Fill the slots that are free and due; seconds until the next one is."""
        held = {worker.slot for worker in self._workers if not worker.is_leaving}
        pauses = []
        for slot in self._slots:
            left = slot.due - time.monotonic()
            if slot not in held and left <= 0:
                self._start(slot)
            elif slot not in held:
                pauses.append(left)
        return min(pauses, default=None)

    def _replace_outdated(self) -> None:
        """One at a time, and the next one when the last one's readers have left."""
        if any(worker.is_successor or worker.is_leaving for worker in self._workers):
            return
        if self._reloads:
            self._reloads = 0
            self._outdated = list(self._workers)
        self._outdated = [worker for worker in self._outdated if worker in self._workers]
        if self._outdated:
            self._start(self._outdated[0].slot, is_successor=True)

    def _dismiss(self, worker: Worker, order: bytes) -> None:
        worker.channel.send(order)
        if worker.left is None:
            worker.left = math.ceil((self._settings.stop_s + self._pace.late_s) / self._pace.tick_s)

    # Hearing

    def _wait(self, due: float | None = None) -> None:
        tick = self._ticked + self._pace.tick_s - time.monotonic()
        for key, _ in self._selector.select(max(0.0, tick if due is None else min(tick, due))):
            if key.data is None:
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(100)
            elif key.data in self._workers:
                self._hear(key.data)
        if time.monotonic() - self._ticked >= self._pace.tick_s:
            self._ticked = time.monotonic()  # one, however long ago the last one was: we may have been stopped
            for worker in tuple(self._workers):
                self._tick(worker)

    def _tick(self, worker: Worker) -> None:
        worker.channel.flush()
        worker.silence += 1
        if worker.left is not None:
            worker.left -= 1
        if worker.silence > (self._pace.hung if worker.has_beaten else self._pace.start):
            self._kill(worker, f"has not answered for {worker.silence * self._pace.tick_s:.0f} s")
        elif worker.left is not None and worker.left < 0:
            self._kill(worker, "does not leave")
        elif worker.has_beaten and worker.silence == self._pace.where:
            worker.channel.send(said.WHERE, is_needed=False)

    def _kill(self, worker: Worker, why: str) -> None:
        if worker.process.poll() is None:
            self._happened(f"{worker} {why}; it is killed")
            worker.process.kill()
        worker.silence, worker.left = 0, None if worker.left is None else math.inf

    def _hear(self, worker: Worker) -> None:
        try:
            messages = worker.channel.receive()
        except EOFError:
            self._bury(worker)
            return
        for letter, rest in messages:
            if letter == said.BEAT:
                worker.silence, worker.has_beaten = 0, True
            elif letter == said.SAMPLE:
                worker.sample = rest
                for other in self._workers:
                    if other is not worker:
                        _pass_on(worker, other)
            elif letter == said.READY:
                self._welcome(worker, rest.decode())
            elif letter == said.LEAVE and worker not in self._outdated:
                self._outdated.append(worker)
            elif letter == said.FAILED:
                sentence, code = json.loads(rest)
                self._refuse(worker, sentence, code)

    def _refuse(self, worker: Worker, sentence: str, code: int) -> None:
        """It cannot start. What stops the first one's start (no store, no port) stops them all, and is told once."""
        worker.excuse = sentence
        if not self._is_up and not self._stops:
            error = StoppressError(sentence)
            error.exit_code = code
            raise error

    def _welcome(self, worker: Worker, address: str) -> None:
        if not self._is_up:
            self._is_up = True
            self._on_ready(address)
        worker.is_successor, worker.is_ready = False, True
        for other in self._workers:
            if other.slot is worker.slot and other is not worker and not other.is_leaving:
                self._dismiss(other, said.RETIRE)
        self._tell_node()

    def _bury(self, worker: Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        self._workers.remove(worker)
        try:
            code = worker.process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            code = worker.process.wait()
        if not self._stops:
            self._replace(worker, code)
        self._tell_node()

    def _replace(self, worker: Worker, code: int) -> None:
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        how = f"cannot start: {worker.excuse}" if worker.excuse else how
        if worker.is_leaving:
            return
        if worker.is_successor:
            self._happened(f"{worker} {how}, before it was ready; the reload ends, the others go on")
            self._outdated = []
            return
        if not self._is_up:
            raise StoppressError(f"{worker} {how}, before it was ready; see the lines above")
        slot, now = worker.slot, time.monotonic()
        slot.failures = 1 if now - worker.started > self._pace.steady_s else slot.failures + 1
        readers = worker.readers
        self._happened(
            f"{worker} {how}{f' with {readers:,} readers' if readers else ''}; another one is started", readers
        )
        if slot.failures > 1:
            least, most = self._pace.pause_s
            slot.due = now + min(most, least * 2 ** (slot.failures - 2))
            if self._reservation:  # nobody shall wait here in vain: a connection that is reset tries another slot
                slot.listening.close()
                slot.listening = self._bind()

    # Telling

    def _happened(self, sentence: str, readers: int = 0) -> None:
        log.warning(sentence)
        told = sentence[0].upper() + sentence[1:]
        self._events.append({"at_ms": now_ms(), "text": told, "readers": readers})
        del self._events[:-EVENTS]

    def _tell_node(self) -> None:
        told = {
            "workers": {worker.id: worker.slot.name for worker in self._workers},
            "ready": [worker.slot.name for worker in self._workers if worker.is_ready],
            "events": self._events,
        }
        for worker in self._workers:
            worker.channel.send(said.NODE, json.dumps(told).encode())

    def _stop_all(self) -> None:
        for slot in self._slots:
            slot.listening.close()  # or connections would queue up for nobody
        if self._reservation is not None:
            self._reservation.close()
        heard = self._stops = max(self._stops, 1)
        for worker in self._workers:
            self._dismiss(worker, said.STOP)
        while self._workers:
            self._wait()
            if self._stops > heard:
                heard = self._stops
                for worker in self._workers:
                    self._dismiss(worker, said.STOP_NOW)


def _pass_on(worker: Worker, other: Worker) -> None:
    other.channel.send(said.SAMPLE, worker.id.encode() + b"\n" + worker.sample, is_needed=False)


def _has_terminal() -> bool:
    """Does this process have a controlling terminal?"""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


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
