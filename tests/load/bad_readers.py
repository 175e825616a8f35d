"""Readers that do harm, if they can: stalled ones read nothing after the handshake, slow ones a little each second.

A thread of their own drives them. Slow ones fold what they get as any client must, so that one can ask whether they
have arrived at the right state.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

from stoppress.hub.state import StoryState

from .machine import peers_of, rss_kb, tcp_memory_kb
from .servers import Ours
from .socket_client import SocketClient

ADDRESS = "127.0.0.77"  # theirs alone, so that their sockets are told apart in the kernel's table
BUFFER_BYTES = 4096
BYTES_PER_S = 1024
ESTABLISHED = "01"
LOOK_TURNS = 3


def fold(state: StoryState | None, payload: bytes, keep: int) -> StoryState | None:
    message: dict[str, Any] = json.loads(payload)
    if message["type"] == "snapshot":
        names = ("epoch", "seq", "story", "posts", "pinned", "key_events")
        return StoryState(*(message[name] for name in names), keep)
    for event in message["events"] if message["type"] == "resumed" else [message]:
        if state and "epoch" in event:
            state.apply(event)
    return state


def versions(posts: list[dict[str, Any]]) -> dict[str, int]:
    return {post["id"]: post["version"] for post in posts}


class BadReaders:
    """`gone_s`: stalled reader → seconds until the server let it go; `right_at`: slow reader → when it was right."""

    def __init__(self, target: Ours, stalled: int, slow: int) -> None:
        self._target = target
        self.stalled = [self._dial() for _ in range(stalled)]
        self.slow = [self._dial() for _ in range(slow)]
        self._from = time.monotonic()
        self.states: dict[SocketClient, StoryState | None] = dict.fromkeys(self.slow)
        self.gone_s: dict[int, float] = {}
        self.right_at: dict[SocketClient, float] = {}
        self.cut: set[SocketClient] = set()
        self.peak_rss_kb = self.peak_tcp_kb = 0
        self._final: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _dial(self) -> SocketClient:
        return SocketClient(self._target.port, self._target.path, buffer_bytes=BUFFER_BYTES, source=ADDRESS)

    def finish(self, final: dict[str, Any], patience_s: float) -> float:
        """No more posts will come, and `final` is the snapshot; waits for the slow ones. Seconds they took."""
        began = time.monotonic()
        self._final = final
        while time.monotonic() < began + patience_s and len(self.right_at) + len(self.cut) < len(self.slow):
            time.sleep(0.2)
        while time.monotonic() < self._from + 60 and len(self.gone_s) < len(self.stalled):
            time.sleep(0.2)
        last = max(self.right_at.values(), default=began)
        return max(0.0, last - began)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for reader in (*self.stalled, *self.slow):
            reader.close()

    def _run(self) -> None:
        turn, turns = time.monotonic(), 0
        ports = {reader.port for reader in self.stalled}
        while not self._stop.is_set():
            self.peak_rss_kb = max(self.peak_rss_kb, rss_kb([self._target.process.pid]))
            self.peak_tcp_kb = max(self.peak_tcp_kb, tcp_memory_kb())
            # Not each second: to list the sockets takes time from those who are measured.
            if ports - self.gone_s.keys() and turns % LOOK_TURNS == 0:
                there = peers_of(self._target.port, ADDRESS)
                for port in ports - self.gone_s.keys():
                    if there.get(port) != ESTABLISHED:
                        self.gone_s[port] = time.monotonic() - self._from
            for reader in self.slow:
                if reader not in self.cut:
                    self._read(reader)
            turn, turns = turn + 1.0, turns + 1
            self._stop.wait(max(0.0, turn - time.monotonic()))

    def _read(self, reader: SocketClient) -> None:
        reader.link.settimeout(0)
        try:
            for payload in reader.take(BYTES_PER_S):
                self.states[reader] = fold(self.states[reader], payload, keep=100)
        except BlockingIOError:
            pass
        except OSError:
            self.cut.add(reader)
        state, final = self.states[reader], self._final
        if final and state and reader not in self.right_at:
            shown = versions(state.snapshot(50, 1 << 20)["posts"])
            if state.seq == final["seq"] and shown == versions(final["posts"]):
                self.right_at[reader] = time.monotonic()


@contextlib.contextmanager
def bad_readers(target: Ours, stalled: int, slow: int):  # type: ignore[no-untyped-def]
    made = BadReaders(target, stalled, slow)
    try:
        yield made
    finally:
        made.close()
