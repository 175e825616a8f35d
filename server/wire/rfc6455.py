"""RFC 6455 frames: a message as the bytes of a WebSocket, made once and shared by every reader that can take them.

Pure. A server's frames carry no mask, so one frame fits all (section 5.1). Deflated ones (RFC 7692) begin with a fresh
window each, which `server_no_context_takeover` allows; shorter messages stay plain, which is allowed at any time (6.1).
"""

from __future__ import annotations

import struct
import zlib

from ..hub.frame import Frame
from . import native

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
WINDOW_BITS = 15
_FIN, _RSV1 = 0x80, 0x40
_TAIL = b"\x00\x00\xff\xff"  # what a sync flush ends with, and the other side puts back (RFC 7692, 7.2.1)
_WORTH_BYTES = 200  # below, deflate saves next to nothing


def frame(opcode: int, payload: bytes, *, is_deflated: bool = False) -> bytes:
    """One whole, unmasked frame."""
    first = _FIN | opcode | (_RSV1 if is_deflated else 0)
    size = len(payload)
    if size < 126:
        head = bytes((first, size))
    elif size < 65536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload


def deflate(payload: bytes) -> bytes:
    """`payload` for one permessage-deflate message without context."""
    packer = zlib.compressobj(wbits=-WINDOW_BITS)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


def message(opcode: int, payload: bytes, *, may_deflate: bool) -> bytes:
    """A whole message, deflated if the reader takes that and it is worth it."""
    if may_deflate and len(payload) >= _WORTH_BYTES:
        packed = deflate(payload)
        if len(packed) < len(payload):
            return frame(opcode, packed, is_deflated=True)
    return frame(opcode, payload)


def plain(told: Frame) -> bytes:
    """A text message. Call it as `frame.form(plain)` or `batch.forms[plain]`."""
    return message(TEXT, told.form(native.encode), may_deflate=False)


def deflated(told: Frame) -> bytes:
    """The same for readers that take deflated ones. Call it as `frame.form(deflated)` or `batch.forms[deflated]`."""
    return message(TEXT, told.form(native.encode), may_deflate=True)


def close(code: int, reason: str = "") -> bytes:
    """A close frame; a reason is cut to what fits a control frame (section 5.5)."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode())
