"""A worker: the process that serves readers, on a line to the supervisor that started it and holds its socket.

It never binds a socket, and never starts itself again.

The line carries a beat of the worker's event loop, so a loop that is stuck does not beat, and the supervisor's words.
A thread listens to it, and when the line ends, because the supervisor did, the worker leaves too. SIGINT and SIGHUP are
the supervisor's business: a terminal, or a service manager, gives them to every process of the group. SIGTERM asks
the supervisor for a successor: who ends one worker by hand, or every process at once, loses no reader for it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..newsroom.errors import StoppressError
from ..settings import Settings
from . import channel as said
from .channel import Channel

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)
ENTRY = "from stoppress.transport.worker import main; main()"
HANDLED = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}


@dataclass(frozen=True)
class Duty:
    """What the supervisor gives a worker to do.

    Attributes:
        serve: What to run: a function of a module, for it travels by name.
        name: Its place among the workers of this node: w1, w2, …
        node: The supervisor, by a name like no other's.
        generation: The how-many-eth process in this place.
        beat_s: Seconds between two beats.
        patience_s: Once its supervisor is gone, it has so long to see its readers off.
    """

    serve: Callable[[Settings, Lifeline], None]
    settings: Settings
    name: str
    node: str
    generation: int
    beat_s: float
    patience_s: float

    @property
    def id(self) -> str:
        return f"{self.node}-{self.name}.{self.generation}"


class Lifeline:
    """The worker's end of the line.

    `listening` is a bound socket, to listen on once something is known. `node`: what the supervisor told last of the
    workers of this node. `samples`: what each of the others told last, by its id.
    """

    def __init__(self, channel: Channel, listening: socket.socket, duty: Duty) -> None:
        self.listening = listening
        self.duty = duty
        self.node: dict[str, Any] = {}
        self.samples: dict[str, bytes] = {}
        self._channel = channel
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: dict[bytes, Callable[[], None]] = {}

    def start(self) -> None:
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()

    def begin(
        self,
        *,
        stop: Callable[[], None],
        stop_now: Callable[[], None],
        retire: Callable[[], None],
        orphan: Callable[[], None],
    ) -> None:
        """From now on the running loop beats, and does what it is told."""
        import asyncio  # not for the supervisor, which has this module too

        self._orders = {said.STOP: stop, said.STOP_NOW: stop_now, said.RETIRE: retire, said.LEAVE: orphan}
        self._loop = asyncio.get_running_loop()
        self._beat()

    def ready(self, address: str) -> None:
        self._channel.send(said.READY, address.encode())

    def fail(self, sentence: str, exit_code: int) -> None:
        """It cannot start."""
        self._channel.send(said.FAILED, json.dumps([sentence, exit_code]).encode())

    def leave(self) -> None:
        """Somebody wants this process to end: may it have a successor?"""
        self._channel.send(said.LEAVE)

    def tell(self, sample: bytes) -> None:
        """This worker's numbers, for the others of this node."""
        self._channel.send(said.SAMPLE, sample, is_needed=False)

    def _beat(self) -> None:
        assert self._loop is not None
        self._channel.send(said.BEAT, is_needed=False)
        self._loop.call_later(self.duty.beat_s, self._beat)

    # In a thread, because a loop that is stuck hears nothing

    def _listen(self) -> None:
        try:
            while True:
                for letter, rest in self._channel.wait():
                    self.hear(letter, rest)
        except EOFError:
            self._do(said.LEAVE)
        time.sleep(self.duty.patience_s)
        os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, letter: bytes, rest: bytes) -> None:
        if letter == said.SAMPLE:
            worker, _, sample = rest.partition(b"\n")
            self.samples[worker.decode()] = sample
        elif letter == said.NODE:
            self.node = json.loads(rest)
            for gone in self.samples.keys() - self.node["workers"].keys():
                self.samples.pop(gone, None)
        elif letter == said.WHERE:
            frame = sys._current_frames().get(threading.main_thread().ident or 0)
            stack = "".join(traceback.format_stack(frame)[-8:]) if frame else ""
            log.warning("this worker's loop stands still, in:\n%s", stack.rstrip())
        else:
            self._do(letter)

    def _do(self, order: bytes) -> None:
        if self._loop is None:  # nobody is here yet who would miss it
            os._exit(0)
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._orders[order])


def main() -> None:
    """`ENTRY NAME CHANNEL LISTENING`, the last two by descriptors that the supervisor passed on."""
    channel = Channel(socket.socket(fileno=int(sys.argv[2])))
    listening = socket.socket(fileno=int(sys.argv[3]))
    try:
        while not (orders := channel.wait()):
            pass
    except EOFError:
        sys.exit(1)
    line = Lifeline(channel, listening, pickle.loads(orders[0][1]))
    for letter, rest in orders[1:]:
        line.hear(letter, rest)
    duty = line.duty
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: line.leave())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    line.start()
    try:
        duty.serve(duty.settings, line)
    except StoppressError as error:
        line.fail(error.detail, error.exit_code)
        sys.exit(error.exit_code)
    except Exception as error:
        log.debug("the worker failed", exc_info=error)
        line.fail(f"a mistake of ours: {' '.join(f'{type(error).__name__}: {error}'.split())[:500]}", 70)
        sys.exit(70)
