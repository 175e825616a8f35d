"""Channel: whole messages between a supervisor and one of its workers, over a socket pair; neither waits for the other.

It never looks into a message.

A message is its length (four bytes), a letter that says what it is, and the rest. An end that was closed, by a
process that died for one, is an EOFError at the other.
"""

from __future__ import annotations

import select
import socket
import struct

_LENGTH = struct.Struct("!I")
_PIECE = 65536

# From a worker
READY = b"r"  # its address, as text
FAILED = b"f"  # JSON [sentence, exit code]: why it cannot start
BEAT = b"b"  # its loop runs
LEAVE = b"l"  # it was told to end (SIGTERM), and would like a successor

# From the supervisor
START = b"S"  # pickled: what to do
STOP = b"q"
STOP_NOW = b"n"
RETIRE = b"h"  # a successor has the listening socket: see the readers off
WHERE = b"w"  # log what the main thread is doing
NODE = b"m"  # JSON: the living workers of this node, and what happened to others

SAMPLE = (
    b"s"  # either way: a worker's numbers; from the supervisor after the id of the worker they are of, and a line end
)


class Channel:
    """One end. `send` and `receive` may be called from two threads, each from one."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._unsent = b""
        self._heard = bytearray()

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send(self, letter: bytes, rest: bytes = b"", *, is_needed: bool = True) -> bool:
        """Send, or have it sent by a later call when the other end does not read; if it need not be, drop it then.

        False = dropped, or nobody is there any more.
        """
        if self._unsent and not is_needed and not self.flush():
            return False
        self._unsent += _LENGTH.pack(1 + len(rest)) + letter + rest
        self.flush()
        return True

    def flush(self) -> bool:
        """Is all sent that should be?"""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._end.send(self._unsent) :]
        except BlockingIOError:
            return False
        except OSError:
            self._unsent = b""  # its end is noticed by who receives
        return True

    def wait(self) -> list[tuple[bytes, bytes]]:
        """`receive`, once there is something."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        poll.poll()
        return self.receive()

    def receive(self) -> list[tuple[bytes, bytes]]:
        """What has come: (letter, rest) each. EOFError when no more will."""
        is_over = False
        try:
            while piece := self._end.recv(_PIECE):
                self._heard += piece
            is_over = True
        except BlockingIOError:
            pass
        except OSError:
            is_over = True
        found = []
        while len(self._heard) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._heard)
            end = _LENGTH.size + length
            if len(self._heard) < end:
                break
            found.append(
                (bytes(self._heard[_LENGTH.size : _LENGTH.size + 1]), bytes(self._heard[_LENGTH.size + 1 : end]))
            )
            del self._heard[:end]
        if is_over and not found:
            raise EOFError
        return found
