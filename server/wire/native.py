"""The native dialect: one JSON object per message (PROTOCOL section 3), and why a socket is closed.

Pure: frames in, JSON out. An event's bytes come from the store, once, and are passed on as they are.
"""

from __future__ import annotations

from enum import IntEnum

import orjson

from ..hub.frame import Frame
from ..newsroom.events import RESUMED

SUBPROTOCOL = "stoppress.v1"


class CloseCode(IntEnum):
    """Why we hung up (PROTOCOL section 3). The one table: every edge closes by it; pages and documents are tested
    against it."""

    NORMAL = 1000
    NOT_UTF8 = 1007  # a text message that is none (RFC 6455 section 8.1)
    POLICY = 1008  # the reader says what nobody asked for
    TOO_BIG = 1009  # a message over 4 KiB
    ERROR = 1011
    RESTART = 1012  # drain: come back after the bye's retry_ms
    OVERLOADED = 1013
    TOO_SLOW = 4000  # took none of its bytes for too long; best effort, mostly seen as 1006
    BAD_REQUEST = 4400
    NO_TOKEN = 4401
    NOT_ALLOWED = 4403
    NO_STORY = 4404
    STORY_DELETED = 4410


def comes_back(code: int) -> bool:
    """Does a client that was closed with this code, known to it or not, ask again after a while?"""
    return not 4400 <= code <= 4499


_BY_STATUS = {code - 4000: code for code in CloseCode if not comes_back(code)} | {503: CloseCode.OVERLOADED}


def close_code(status: int) -> CloseCode:
    """For who is refused with this status of HTTP: 400 to 499 are 4400 to 4499, an unknown one is the first of its
    kind (RFC 9110 section 15)."""
    return _BY_STATUS.get(status) or (CloseCode.BAD_REQUEST if 400 <= status <= 499 else CloseCode.ERROR)


def encode(frame: Frame) -> bytes:
    """One message as JSON. Call it as `frame.form(encode)`, so that it runs once for all readers."""
    if frame.raw is not None:
        return frame.raw
    if frame.type == RESUMED:
        # The events are joined as they are: no resume parses or encodes one again.
        events = b",".join([event.form(encode) for event in frame.frames])
        return b'%b,"events":[%b]}' % (orjson.dumps(frame.message)[:-1], events)
    return orjson.dumps(frame.message)


def text(frame: Frame) -> str:
    """The same as str, which is what ASGI wants for a text frame."""
    return frame.form(encode).decode()
