"""The SSE dialect: the native messages as `text/event-stream` (PROTOCOL section 4; WHATWG HTML section 9.2).

Pure. A message that moves the reader's position carries it as `id: EPOCH:SEQ`, so that a browser resumes by itself.
"""

from __future__ import annotations

from ..hub.frame import Frame
from . import native

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold messages back
}


def encode(frame: Frame) -> bytes:
    """One message; a beat is a comment. Call it as `frame.form(encode)` or `batch.forms[encode]`."""
    message = frame.message
    if frame.type == "beat":
        return comment(f"beat {message['seq']}")
    position = f"{message['epoch']}:{message['seq']}" if "epoch" in message else ""
    return event(frame.type, frame.form(native.encode), position)


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


def retry(ms: int) -> bytes:
    """How long a browser waits before it connects again."""
    return b"retry: %d\n\n" % ms


def comment(text: str) -> bytes:
    """Keeps the line warm; no client shows it."""
    return b": %b\n\n" % " ".join(text.split()).encode()
