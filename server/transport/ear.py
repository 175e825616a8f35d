"""Ear: what a reader says on its WebSocket, parsed by websockets' sans-I/O protocol.

It never judges what a message says: `wire.inbound` does.

Readers hardly speak, so an ear is made for the first byte and dropped where nothing is left half said. What is not
public API of websockets: `reader`, `parser`, `StreamReader.at_eof` (pinned in pyproject, tested in test_ear).
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.streams import StreamReader

from ..wire import rfc6455
from ..wire.native import CloseCode
from ..wire.rfc6455 import WINDOW_BITS
from .handshake import LOG


class _Stream(StreamReader):
    """`is_at_boundary`: the parser waits between two frames, which is where it asks whether this was the end."""

    is_at_boundary = False

    def at_eof(self) -> Generator[None, None, bool]:
        self.is_at_boundary = True
        is_over = yield from super().at_eof()
        self.is_at_boundary = False
        return is_over


class Ear:
    """`frames`: how many came, control frames too. `is_over`: no word will follow, hang up after `answer`."""

    __slots__ = ("_fragments", "_kind", "_protocol", "_stream", "frames")

    def __init__(self, max_bytes: int, *, is_deflated: bool) -> None:
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=max_bytes, logger=LOG)
        self._protocol.parser.close()  # it has begun already, on a stream that is not ours
        self._stream = self._protocol.reader = _Stream()
        self._protocol.parser = self._protocol.parse()
        next(self._protocol.parser)
        if is_deflated:
            self._protocol.extensions = [PerMessageDeflate(True, True, WINDOW_BITS, WINDOW_BITS)]
        self._fragments: list[bytes] = []
        self._kind = Opcode.TEXT
        self.frames = 0

    @property
    def is_over(self) -> bool:
        return self._protocol.eof_sent

    @property
    def failed(self) -> bool:
        """It broke the rules, and `answer` says which."""
        return self.is_over and self._protocol.close_rcvd is None

    @property
    def is_idle(self) -> bool:
        """Nothing is half said: a new ear would hear the rest just as well."""
        return self._stream.is_at_boundary and not self._fragments and not self.is_over

    def hear(self, data: bytes) -> list[str | bytes]:
        """The messages that `data` completes."""
        messages: list[str | bytes] = []
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            self.frames += 1
            if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._kind = event.opcode
            elif event.opcode is not Opcode.CONT:
                continue
            self._fragments.append(bytes(event.data))
            if event.fin:
                whole, self._fragments = b"".join(self._fragments), []
                try:
                    messages.append(whole.decode() if self._kind is Opcode.TEXT else whole)
                except UnicodeDecodeError:
                    self.fail(CloseCode.NOT_UTF8, "not UTF-8")
                    break
        return messages

    def fail(self, code: int, reason: str) -> None:
        """Hang up for this reason, unless the goodbyes are said already."""
        if not self.is_over:
            self._protocol.fail(code, reason)

    def drop(self) -> None:
        """Nothing is heard any more. The parser is a generator that holds the protocol that holds it."""
        self._protocol.parser.close()

    def answer(self) -> bytes:
        """Pongs and the close frame that the reader is owed."""
        answer = b"".join(self._protocol.data_to_send())
        if self._has_left_mid_message:
            # To the library a protocol error, but a close may stand between fragments (RFC 6455 sections 5.4, 5.5.1).
            close = self._protocol.close_rcvd
            if close is None or close.code == 1005:  # it gave no code (RFC 6455 section 7.1.5)
                return rfc6455.close(CloseCode.NORMAL)
            return rfc6455.close(close.code, close.reason)
        return answer

    @property
    def _has_left_mid_message(self) -> bool:
        return self._protocol.close_rcvd is not None and self._protocol.parser_exc is not None
