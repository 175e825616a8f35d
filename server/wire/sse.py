"""The SSE dialect: the native messages as `text/event-stream` (PROTOCOL section 4; WHATWG HTML section 9.2).

Pure. A message that moves the reader's position carries it as `id: EPOCH:SEQ`, so that a browser resumes by itself.
Every block has data: some clients (httpx-sse 0.4) take one that only says `retry:` for an event without a type.
"""

from __future__ import annotations

from ..hub.frame import Frame
from ..newsroom.events import BYE
from . import native

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: who compresses on the way holds messages back until there is enough to compress (RFC 9111, 5.2.2.6).
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold messages back
}


def opening(retry_ms: int) -> bytes:
    """What a stream begins with: a comment, which opens the stream for whoever waits for its first byte, and the first
    line of the block that `hello` then completes: how long to wait before connecting again."""
    return b": stoppress\n\n" + _retry(retry_ms)


def encode(frame: Frame) -> bytes:
    """One message. Call it as `frame.form(encode)` or `batch.forms[encode]`.

    A beat is an event, so that a page hears it, as over WebSocket, and notices a dead line. It has no `id:`: it moves
    nobody's position.
    """
    message = frame.message
    position = f"{message['epoch']}:{message['seq']}" if "epoch" in message else ""
    block = event(frame.type, frame.form(native.encode), position)
    # A browser's own EventSource comes back by this; it knows no `retry_ms`.
    return _retry(message["retry_ms"]) + block if message["type"] == BYE else block


LAST_CHUNK = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    """A part of an answer whose length nobody knows (RFC 9112 section 7.1). Not of nothing: that would be its end."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def chunked(frame: Frame) -> bytes:
    """One message as a chunk, made once for all. Call it as `frame.form(chunked)` or `batch.forms[chunked]`."""
    return chunk(encode(frame))  # not `frame.form(encode)`: it would be kept, and nobody asks for it


def event(type_: str, data: bytes, position: str = "") -> bytes:
    """Line ends in `data` (JSON may be pretty) become further data lines, which is the same JSON.

    Raises ValueError for a type or position that would break out of its line.
    """
    for held in (type_, position):
        # A NUL in an id makes browsers ignore the id (9.2.6), so that they would resume from an older one.
        if "\n" in held or "\r" in held or "\0" in held:
            raise ValueError(f"not one line: {held!r}")
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.splitlines())
    head = f"id: {position}\nevent: {type_}\n" if position else f"event: {type_}\n"
    return b"%bdata: %b\n\n" % (head.encode(), data)


def _retry(ms: int) -> bytes:
    """A line within a block."""
    return b"retry: %d\n" % ms
