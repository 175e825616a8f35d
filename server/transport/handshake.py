"""Handshake: is this request a WebSocket's, and what may its frames be. Judged by websockets' sans-I/O server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError, WebSocketException
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from ..wire.rfc6455 import WINDOW_BITS

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


@dataclass(slots=True)
class Verdict:
    """`response` is 101, or says why not."""

    response: Response
    is_deflated: bool = False

    @property
    def welcome(self) -> bool:
        return self.response.status_code == 101

    def head(self, subprotocol: str | None) -> bytes:
        """The answer that makes it a WebSocket."""
        if subprotocol:
            self.response.headers["Sec-WebSocket-Protocol"] = subprotocol
        return self.response.serialize()


def judge(method: str, target: str, version: str, headers: Iterable[tuple[bytes, bytes]]) -> Verdict:
    """`version` is HTTP's: 1.1. Names of headers are in lower case."""
    asked = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name in _ASKED or name.startswith(b"sec-websocket-")
    ]
    try:
        response = _JUDGE.accept(Request(target, Headers(asked), method, f"HTTP/{version}"))
    except WebSocketException as error:  # a header that is no header
        response = _JUDGE.reject(400, f"Failed to open a WebSocket connection: {error}.\n")
    if response.status_code != 101:
        if response.status_code in (400, 426):
            response.headers["Sec-WebSocket-Version"] = "13"  # RFC 6455 section 4.4
        return Verdict(response)
    return Verdict(response, is_deflated=any(isinstance(made, PerMessageDeflate) for made in _JUDGE.extensions))
