"""A WebSocket client of a few lines, blocking, for looking at single frames. Loopback only."""

from __future__ import annotations

import json
import socket
from typing import Any


class SocketClient:
    """`buffer_bytes`: the receive buffer, for readers that are to be slow; `source`: the address to dial from."""

    def __init__(self, port: int, path: str, *, buffer_bytes: int = 0, source: str = "", timeout_s: float = 20) -> None:
        self.link = socket.socket()
        self.link.settimeout(timeout_s)
        if buffer_bytes:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)  # before connect: no scaling
        if source:
            self.link.bind((source, 0))
        self.link.connect(("127.0.0.1", port))
        self.port = self.link.getsockname()[1]
        self.link.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._held = bytearray()
        while b"\r\n\r\n" not in self._held:
            # Byte by byte towards the end would be purer; a slow reader takes a little of the first frame with it.
            self._more(256)
        head, _, rest = bytes(self._held).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head[:200].decode())
        self._held = bytearray(rest)

    def close(self) -> None:
        self.link.close()

    def _more(self, count: int) -> None:
        got = self.link.recv(count)
        if not got:
            raise ConnectionError("the server closed")
        self._held += got

    def take(self, count: int) -> list[bytes]:
        """Read once, at most `count` bytes; the payloads of the frames that are complete now."""
        self._more(count)
        payloads = []
        while (frame := self._frame()) is not None:
            payloads.append(frame[0])
        return payloads

    def next(self) -> tuple[dict[str, Any], bytes, int]:
        """The next frame: as JSON, as bytes, and its size on the wire."""
        while (frame := self._frame()) is None:
            self._more(65536)
        return json.loads(frame[0]), *frame

    def next_of(self, *types: str) -> tuple[dict[str, Any], bytes, int]:
        while (found := self.next())[0]["type"] not in types:
            pass
        return found

    def _frame(self) -> tuple[bytes, int] | None:
        held = self._held
        if len(held) < 2:
            return None
        if held[0] & 15 == 8:
            raise ConnectionError(f"the server closed: {int.from_bytes(held[2:4], 'big')}")
        size, head = held[1] & 127, 2
        if size > 125:
            head = 4 if size == 126 else 10
            if len(held) < head:
                return None
            size = int.from_bytes(held[2:head], "big")
        if len(held) < head + size:
            return None
        payload = bytes(held[head : head + size])
        del held[: head + size]
        return payload, head + size
