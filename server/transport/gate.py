"""Gate: one connection from accept to its end or hand-off, as a protocol class for uvicorn (`Config(http=…)`).

It never knows what is at a path: the application routes.

It gives every head a deadline and a size, every body and every answer a pace, every bad handshake a status and a close,
and an accepted WebSocket to the application with a way to take the connection over. All that is not public API of
uvicorn is used in here and in `serve`; the range is bounded in pyproject, and tests/transport/test_gate.py fails with a
word when it moves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import is_ssl

from .admission import HEAD_BYTES, HEADERS, URL_BYTES, Admission, crowded
from .deadlines import Deadlines
from .handoff import ADMISSION, HANDOFF, Head, Stream, Upgrade
from .handshake import judge
from .kernel import acknowledged
from .problems import raw

LINGER_S = 2.0  # for a refused peer to take its answer
BODY_S = 30.0  # in which a body brings so many bytes, or what is left of it
BODY_BYTES = 16 * 1024
CUT_LATER_S = 2.0  # than the hub, which counts whom it cuts
_CROWDED = raw(crowded())
_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_BODILESS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


def _host_and_port(address: Any) -> tuple[str, int] | None:
    """Of an IPv4 or IPv6 address; a Unix socket has none."""
    return (address[0], address[1]) if isinstance(address, tuple) else None


class State(Enum):
    """What the connection is about; HEAD and BODY alternate, and the others are for good."""

    HEAD = auto()  # the head of a request comes, or is waited for
    BODY = auto()  # a head came, and its body comes, if it has one
    UPGRADE = auto()  # the application is to say whether it takes a WebSocket
    REFUSED = auto()  # answered and closed but for the peer's side
    HANDED = auto()  # somebody else is its protocol


class Outlet:
    """In the place of the transport for uvicorn's answers, which it writes in two: head and body leave as one.

    What is written first waits for what comes next, to the end of the loop's turn at most; so a head whose body is
    not at hand yet leaves as it did, and a body that is written on and on is held back by the transport's own bounds.
    """

    __slots__ = ("_held", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data) if data else (held,))
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Gate(HttpToolsProtocol):
    """Bind it to a server by `bound`; `admission` and the deadlines are shared by all of its connections."""

    admission: Admission
    heads: Deadlines[Gate]
    bodies: Deadlines[Gate]
    answers: Deadlines[Gate]
    lingering: Deadlines[Gate]

    @classmethod
    def bound(cls, admission: Admission) -> type[Gate]:
        heads = Deadlines[Gate](admission.head_timeout_s, lambda gate: gate.too_late())
        bodies = Deadlines[Gate](BODY_S, lambda gate: gate.body_late())
        answers = Deadlines[Gate](admission.send_timeout_s + CUT_LATER_S, lambda gate: gate.answer_late())
        lingering = Deadlines[Gate](LINGER_S, lambda gate: gate.transport.abort())
        shared = {"heads": heads, "bodies": bodies, "answers": answers, "lingering": lingering}
        return type("Gate", (cls,), {"admission": admission, **shared})

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.state = State.HEAD
        self._upgrade: Upgrade | None = None  # while that is the state
        self._fed = 0  # bytes of this head so far, at most
        self._head_bytes = 0
        self._body_bytes = 0  # in this turn of its deadline
        self._taken = 0  # what the peer had acknowledged at the last one of an answer

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """uvicorn's own asks a socket object for both addresses, which uvloop then keeps with each connection."""
        self.connections.add(self)
        self.transport = transport
        self._outlet = Outlet(transport, self.loop)
        self.flow = FlowControl(transport)
        self.server = _host_and_port(transport.get_extra_info("sockname"))
        self.client = _host_and_port(transport.get_extra_info("peername"))
        self.scheme = "https" if is_ssl(transport) else "http"
        self.heads.start(self)
        if self.admission.turns_away(len(self.connections)):
            self.refuse(503, retry_after_s=5)
            self.transport.close()  # at once: a connection that lingers holds a descriptor

    @property
    def is_undecided(self) -> bool:
        """It has not said what it wants, or was not told yet whether it may become a reader."""
        return self.state is State.UPGRADE or self in self.heads

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.lingering.stop(self)
        if self._upgrade is not None:
            self._upgrade.lost()
            self._upgrade = None
        super().connection_lost(exc)
        self.cycle = self.scope = None  # type: ignore[assignment]  # its extensions hold this gate

    def let_go(self) -> None:
        """Somebody else is the protocol of this connection now."""
        self._forget()
        self.connections.discard(self)
        self.state = State.HANDED
        self._upgrade = None
        self.parser = None  # type: ignore[assignment]  # each holds the other
        del self._outlet
        self.cycle = self.scope = self.headers = None  # type: ignore[assignment]  # nothing of the request stays

    def _forget(self) -> None:
        for deadlines in (self.heads, self.bodies, self.answers):
            deadlines.stop(self)

    def too_late(self) -> None:
        if self._fed:
            self.refuse(408)
        else:
            self.transport.close()

    def body_late(self) -> None:
        """A turn of the body's deadline is over. While we do not read, waiting for the store say, it is not late."""
        if self._body_bytes >= BODY_BYTES or self.flow.read_paused:
            self._body_bytes = 0
            self.bodies.start(self)
        else:
            self.refuse(408)

    def answer_late(self) -> None:
        """Who took none of the bytes that wait for it in the whole deadline is cut off."""
        if not self.transport.get_write_buffer_size():
            return
        taken, self._taken = self._taken, acknowledged(self.transport)
        if taken == self._taken:
            self.admission.unread()
            self.transport.abort()
        else:
            self.answers.start(self)

    def _watch_answer(self) -> None:
        if self not in self.answers and self.transport.get_write_buffer_size():
            self._taken = acknowledged(self.transport)
            self.answers.start(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_answer()

    def on_response_complete(self) -> None:
        self._outlet.flush()  # of an answer without a body
        self._watch_answer()  # less than what pauses may be left
        super().on_response_complete()

    def refuse(self, status: int, *, retry_after_s: int = 0, answer: bytes = b"") -> None:
        """Answer and close, but not before the peer had time to read why: a close with unread input is a reset."""
        if self.state is State.REFUSED or self.transport.is_closing():
            return
        self.state = State.REFUSED
        if 400 <= status < 500:  # the others are counted where it is decided, with why
            self.admission.refused(str(status))
        self._forget()
        cycle = self.cycle
        if self.pipeline:  # an earlier request is being answered, perhaps by half
            self.transport.abort()
            return
        if cycle is not None and not cycle.response_complete:
            # Whoever makes the answer hears that nobody waits for it, and writes no more.
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()
            if cycle.response_started:
                self.transport.abort()
                return
        elif cycle is not None and cycle.scope is self.scope:  # answered before all of it had come
            self.transport.close()
            return
        if not answer:
            phrase = HTTPStatus(status).phrase
            later = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
            answer = (
                f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"{later}Content-Length: {len(phrase) + 1}\r\n\r\n{phrase}\n"
            ).encode()
        self._outlet.flush()  # a "100 Continue" that was not sent yet
        self.transport.write(answer)
        with contextlib.suppress(OSError, RuntimeError, NotImplementedError):
            self.transport.write_eof()
        self.lingering.start(self)

    # Requests

    def data_received(self, data: bytes) -> None:
        if self.state is State.REFUSED:
            return
        if self._upgrade is not None:
            if not self._upgrade.says_early(data):
                self.refuse(400)
            return
        self._unset_keepalive_if_required()
        if self.state is State.HEAD:
            self._fed += len(data)
        self._body_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._begin_upgrade(data[upgrade.args[0] :])
            # Any other protocol was not understood and is answered as HTTP, which RFC 9110 section 7.8 allows.
        except httptools.HttpParserError as error:
            reason = error.__context__
            self.refuse(reason.status if isinstance(reason, _Refused) else 400)
        else:
            if self.state is State.HEAD and self._fed > HEAD_BYTES:
                self.refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.state, self._head_bytes = State.HEAD, 0
        self.heads.start(self)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            raise _Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > HEAD_BYTES or len(self.headers) > HEADERS:
            raise _Refused(431)

    def on_headers_complete(self) -> None:
        self.state, self._fed = State.BODY, 0
        self.heads.stop(self)
        names = [name for name, _ in self.headers]
        bodies = [value for name, value in self.headers if name in _BODIES]
        has_body = any(value != b"0" for value in bodies)
        if len(bodies) > 1 or (has_body and self.parser.get_method() in _BODILESS):
            raise _Refused(400)  # RFC 9112, section 6.1: a length and chunks together are an attack
        hosts = names.count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1") or names.count(b"origin") > 1:
            raise _Refused(400)  # RFC 9112, section 3.2
        if has_body and self.parser.should_upgrade() and self._should_upgrade():
            raise _Refused(400)  # the parser would read the body first, and the peer wait for its handshake for ever
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            self.cycle.transport = self._outlet  # type: ignore[assignment]  # as much of one as is used
        extensions: dict[str, Any] = {HANDOFF: self.hand_off, ADMISSION: self.admission.takes_reader}
        self.scope["extensions"] = extensions
        if has_body:
            self._body_bytes = 0
            self.bodies.start(self)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.bodies.stop(self)
        self.state, self._fed = State.HEAD, 0

    def hand_off(self, stream: Stream) -> bool:
        """Let `stream` be the rest of the answer that is to begin, and of the connection; see `handoff`."""
        cycle, transport = self.cycle, self.transport
        if cycle is None or cycle.disconnected or cycle.response_started or transport.is_closing():
            return False
        if self.pipeline or cycle.scope is not self.scope or self.flow.write_paused:
            return False  # more was asked already, or an earlier answer is still leaving: uvicorn knows how to wait
        is_chunked = cycle.scope["http_version"] == "1.1"
        if not is_chunked:
            cycle.chunked_encoding = False  # RFC 9112 section 6.1: only who speaks HTTP/1.1 knows chunks

        def begin(head: bytes) -> None:
            cycle.transport, cycle.disconnected = transport, True  # uvicorn has nothing more to say
            self.let_go()
            stream.begin(transport, head, is_chunked=is_chunked)

        cycle.transport = Head(transport, begin)  # type: ignore[assignment]  # as much of one as is used
        return True

    # WebSockets

    def _get_upgrade(self) -> bytes | None:
        """uvicorn's own looks at the last Connection line only; there may be several (RFC 9110 section 5.3)."""
        wanted = b",".join([value for name, value in self.headers if name == b"connection"]).lower().split(b",")
        if b"upgrade" not in [token.strip() for token in wanted]:
            return None
        return next((value.lower() for name, value in self.headers if name == b"upgrade"), None)

    def _begin_upgrade(self, early: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            return self.transport.abort()  # nobody can be told in the middle of another answer
        version = self.parser.get_http_version()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        try:
            target = self.url.decode("ascii")
            parts = httptools.parse_url(self.url)
            path, query = parts.path, parts.query
        except (UnicodeDecodeError, httptools.HttpParserError):
            return self.refuse(400)
        if path is None:  # of an address without one
            return self.refuse(400)
        verdict = judge(self.scope["method"], target, version, self.headers)
        if not verdict.welcome:
            return self.refuse(verdict.status, answer=verdict.answer)
        if not self.admission.takes_reader():
            return self.refuse(503, answer=_CROWDED)
        offered = b",".join(value for name, value in self.headers if name == b"sec-websocket-protocol")
        scope = {
            **self.scope,
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": self.root_path + unquote(path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + path,
            "query_string": query or b"",
            "subprotocols": [part.strip() for part in offered.decode("latin-1").split(",") if part.strip()],
        }
        self.state, self._upgrade = State.UPGRADE, Upgrade(self, scope, verdict, early)
        task = self.loop.create_task(self._upgrade.run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def stock_protocol(self, app: Callable[[Scope, Receive, Send], Any]) -> asyncio.Protocol:
        """Hand the connection to uvicorn's own WebSocket protocol, which will run `app`."""
        make = self.ws_protocol_class
        made: list[Any] = []

        def with_app(**parts: Any) -> Any:
            made.append(make(**parts))  # type: ignore[misc]  # None only without a WebSocket library
            made[0].app = app
            return made[0]

        self.ws_protocol_class = with_app  # type: ignore[assignment]  # it is only called
        self.handle_websocket_upgrade()
        self.let_go()
        protocol: asyncio.Protocol = made[0]
        return protocol
