"""The native dialect: one JSON object per message (PROTOCOL section 3), and why a socket is closed.

Pure: frames in, JSON out. An event's bytes come from the store, once, and are passed on as they are.
"""

from __future__ import annotations

from enum import IntEnum

import orjson

from ..hub.frame import Frame

SUBPROTOCOL = "stoppress.v1"


class CloseCode(IntEnum):
    """Why we hung up. 1012, 1013 and 4000: come back; 4404 and 4410: do not (PROTOCOL section 3)."""

    NORMAL = 1000
    POLICY = 1008  # the reader says what nobody asked for
    TOO_BIG = 1009  # a message over 4 KiB
    ERROR = 1011
    RESTART = 1012  # drain: come back after the bye's retry_ms
    OVERLOADED = 1013
    TOO_SLOW = 4000  # took none of its bytes for too long; best effort, mostly seen as 1006
    NO_STORY = 4404
    STORY_DELETED = 4410


def encode(frame: Frame) -> bytes:
    """One message as JSON. Call it as `frame.form(encode)`, so that it runs once for all readers."""
    if frame.raw is not None:
        return frame.raw
    if frame.type == "resumed":
        # The events are joined as they are: no resume parses or encodes one again.
        events = b",".join([event.form(encode) for event in frame.frames])
        return b'%b,"events":[%b]}' % (orjson.dumps(frame.message)[:-1], events)
    return orjson.dumps(frame.message)


def text(frame: Frame) -> str:
    """The same as str, which is what ASGI wants for a text frame."""
    return frame.form(encode).decode()
