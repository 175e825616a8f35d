"""Inbound: the little a reader may say, and where patience ends (PROTOCOL section 3).

Pure. `{"type":"seen","seq":S}` is the only message there is; made per reader when the first one comes.
"""

from __future__ import annotations

import orjson

from .native import CloseCode

MESSAGE_BYTES = 4096
MESSAGES, WINDOW_MS = 10, 10_000
FRAMES = 100  # in the same time, pings and fragments too


class RudeError(Exception):
    """Close the connection with `code`."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Inbox:
    """What one reader said lately. `newest`: the last seq it reported."""

    __slots__ = ("_frames", "_frames_since", "_times", "newest")

    def __init__(self, newest: int = 0) -> None:
        self._times: list[int] = []
        self.newest = newest
        self._frames = self._frames_since = 0

    def count(self, frames: int, now_ms: int) -> None:
        """So many WebSocket frames came, of whatever kind; raises RudeError."""
        if now_ms - self._frames_since >= WINDOW_MS:
            self._frames_since, self._frames = now_ms, 0
        self._frames += frames
        if self._frames > FRAMES:
            raise RudeError(CloseCode.POLICY, "more than 100 frames in 10 s")

    def hear(self, message: str | bytes, now_ms: int) -> int | None:
        """The seq that was painted, None if it was reported before; raises RudeError."""
        if isinstance(message, bytes):
            raise RudeError(CloseCode.POLICY, "binary messages are not understood here")
        # A character is up to 4 bytes: only texts near the limit are worth encoding to be measured.
        if len(message) > MESSAGE_BYTES or (len(message) * 4 > MESSAGE_BYTES and len(message.encode()) > MESSAGE_BYTES):
            raise RudeError(CloseCode.TOO_BIG, "a message may have 4 KiB")
        self._times = [at for at in self._times if now_ms - at < WINDOW_MS]
        if len(self._times) == MESSAGES:
            raise RudeError(CloseCode.POLICY, "more than 10 messages in 10 s")
        self._times.append(now_ms)
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict) or told.get("type") != "seen" or type(told.get("seq")) is not int:
            raise RudeError(CloseCode.POLICY, "only {type: seen, seq: …} is understood here")
        if told["seq"] <= self.newest:
            return None
        self.newest = told["seq"]
        return self.newest

    def is_forgettable(self, now_ms: int) -> bool:
        """Was it silent for so long that nothing but `newest` is worth keeping?"""
        return now_ms - max([self._frames_since, *self._times]) >= WINDOW_MS
