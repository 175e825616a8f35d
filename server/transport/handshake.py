"""Handshake: is this request a WebSocket's, and what may its frames be. Judged by websockets' sans-I/O server.

It never sees a connection or a story.
"""

from __future__ import annotations

import binascii
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError, WebSocketException
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from ..wire.rfc6455 import WINDOW_BITS

_Kind: TypeAlias = tuple[str, str, tuple[tuple[bytes, bytes], ...]]  # method, version, headers but the key
LOG = logging.getLogger("stoppress.websocket")
LOG.setLevel(logging.ERROR)  # the library tells every connection at info


class _SharedDeflate(ServerPerMessageDeflateFactory):
    """One window for all, nothing kept between messages: so one deflated frame serves everybody, and idle readers
    cost no window. An offer that asks for a smaller window is passed over (RFC 7692 section 7.1.2.1)."""

    def __init__(self) -> None:
        super().__init__(server_no_context_takeover=True, client_no_context_takeover=True)

    def process_request_params(self, params: Sequence[Any], accepted_extensions: Sequence[Any]) -> Any:
        answer, extension = super().process_request_params(params, accepted_extensions)
        if extension.local_max_window_bits != WINDOW_BITS:
            raise NegotiationError(f"our frames need a window of {WINDOW_BITS} bits")
        return answer, extension


# One judge for all: `accept` leaves nothing behind but the last answer.
_JUDGE = ServerProtocol(extensions=[_SharedDeflate()], logger=LOG)
_ASKED = frozenset({b"connection", b"upgrade", b"origin"})
_KEY = b"sec-websocket-key"
_SAMPLE = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
_KINDS = 256  # of handshakes: browsers, and the pages they show


@dataclass(slots=True)
class Verdict:
    """`status` 101 with the answer's lines that make it a WebSocket, or why not, as the whole answer."""

    status: int
    answer: bytes
    is_deflated: bool = False

    @property
    def welcome(self) -> bool:
        return self.status == 101

    def head(self, subprotocol: str | None) -> bytes:
        """The whole answer that makes it a WebSocket."""
        chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n".encode() if subprotocol else b""
        return b"%b%b\r\n" % (self.answer, chosen)


def judge(method: str, target: str, version: str, headers: Iterable[tuple[bytes, bytes]]) -> Verdict:
    """`version` is HTTP's: 1.1. Names of headers are in lower case."""
    keys = []
    alike = []
    for name, value in headers:
        if name == _KEY:
            keys.append(value.strip(b" \t"))
        elif name in _ASKED or name.startswith(b"sec-websocket-"):
            alike.append((name, value))
    kind = (method, version, tuple(alike))
    # A crowd asks in a handful of ways: what they share is judged once a second, for the date in the answer.
    known = _known(int(time.time()), kind) if len(keys) == 1 and _is_key(keys[0]) else None
    if known is None:
        return _judge(target, kind, keys)
    before, after, is_deflated = known
    return Verdict(101, b"%b%b%b" % (before, accept_key(keys[0].decode("ascii")).encode(), after), is_deflated)


def _is_key(value: bytes) -> bool:
    """RFC 6455 section 4.1: 16 bytes in base64."""
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except binascii.Error:
        return False


@lru_cache(_KINDS)
def _known(_second: int, kind: _Kind) -> tuple[bytes, bytes, bool] | None:
    """The answer before and after the proof that the key was read, and the verdict; None = a refusal."""
    verdict = _judge("/", kind, [_SAMPLE])
    if not verdict.welcome:
        return None
    before, proof, after = verdict.answer.partition(accept_key(_SAMPLE.decode()).encode())
    return (before, after, verdict.is_deflated) if proof else None


def _judge(target: str, kind: _Kind, keys: list[bytes]) -> Verdict:
    method, version, alike = kind
    asked = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in alike]
    asked += [(_KEY.decode(), key.decode("latin-1")) for key in keys]
    try:
        response = _JUDGE.accept(Request(target, Headers(asked), method, f"HTTP/{version}"))
    except WebSocketException as error:  # a header that is no header
        response = _JUDGE.reject(400, f"Failed to open a WebSocket connection: {error}.\n")
    if response.status_code == 101:
        is_deflated = any(isinstance(made, PerMessageDeflate) for made in _JUDGE.extensions)
        return Verdict(101, response.serialize().removesuffix(b"\r\n"), is_deflated)
    if response.status_code in (400, 426):
        response.headers["Sec-WebSocket-Version"] = "13"  # RFC 6455 section 4.4
    return Verdict(response.status_code, response.serialize())
