"""Listening sockets: bound with the options that every accepted connection inherits.

It never accepts one, and imports no server.
"""

from __future__ import annotations

import errno
import select
import socket
import sys

from ..newsroom.errors import StoppressError
from ..settings import Settings

BACKLOG = 4096  # a storm of reconnects must not overflow it; the kernel caps it at net.core.somaxconn
UNSENT_BYTES = 32 * 1024  # unsent data the kernel holds per line, instead of up to 4 MB: old news for a slow reader
DEAD_MS = 300_000  # shorter kills honest slow readers, whose window may be shut for a while


class ListenError(StoppressError):
    """The address cannot be listened on."""

    code, title, status, exit_code = "listen", "Cannot listen", 503, 69


def listen(settings: Settings) -> socket.socket:
    """A socket that listens; raises ListenError."""
    made = bind(settings)
    try:
        made.listen(BACKLOG)  # two may bind with SO_REUSEADDR, one may listen
    except OSError as error:
        made.close()
        raise _not_here(settings, error) from None
    return made


def bind(settings: Settings, *, is_shared: bool = False) -> socket.socket:
    """A bound socket with the options every accepted one inherits; others may be bound beside it if it `is_shared`.

    Raises ListenError; also, on Linux, if another one that is not shared listens there.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, where = found[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"host: {settings.host} is no address of this machine ({error})") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            # Each worker accepts from a queue of its own: shared, one worker takes most long-lived sockets.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            # The hub cuts off who takes nothing; this ends what no timer of ours sees: a line that is closing, or dead.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
            made.setsockopt(socket.IPPROTO_TCP, 25, UNSENT_BYTES)  # TCP_NOTSENT_LOWAT; the socket module lacks it
        made.bind(where)
    except OSError as error:
        made.close()
        raise _not_here(settings, error) from None
    made.setblocking(False)
    return made


def _not_here(settings: Settings, error: OSError) -> ListenError:
    advice = {
        errno.EADDRINUSE: "is another server running? --port picks another one",
        errno.EADDRNOTAVAIL: "--host takes an address of this machine, or 0.0.0.0 for all of them",
        errno.EACCES: "this user may not listen on that port; --port picks another one",
    }.get(error.errno or 0, "--host and --port pick another place")
    return ListenError(f"{settings.host}:{settings.port}: {error.strerror}; {advice}")


def address(listening: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_queued(listening: socket.socket) -> bool:
    """Does a connection wait to be accepted?"""
    if listening.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(listening, select.POLLIN)
    return bool(poll.poll(0))
