"""What the kernel knows of a connection: how much of what was sent has arrived. It never writes or closes."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios

_LINUX = sys.platform == "linux"
_BYTES_ACKED, _INFO_BYTES = 120, 128  # in struct tcp_info, linux/tcp.h since 4.1


def owed(transport: asyncio.Transport) -> bool:
    """Is anything on its way that the peer has not acknowledged? Cheap."""
    if transport.get_write_buffer_size():
        return True
    line = transport.get_extra_info("socket")
    if not _LINUX or line is None:
        return False
    try:
        return fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, b"\0\0\0\0") != b"\0\0\0\0"  # SIOCOUTQ, tcp(7)
    except (OSError, ValueError):
        return False


def acknowledged(transport: asyncio.Transport) -> int:
    """A number that moves whenever the peer takes some of it."""
    line = transport.get_extra_info("socket")
    if _LINUX and line is not None:
        try:
            info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
            taken: int = struct.unpack_from("Q", info, _BYTES_ACKED)[0]
            return taken
        except (OSError, ValueError, struct.error):
            pass
    return -transport.get_write_buffer_size()
