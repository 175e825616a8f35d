"""A TCP proxy that does to connections what networks do: cut, reset, swallow, delay, lose one message.

    async with proxying(("127.0.0.1", 6379)) as proxy:      # or the path of a Unix socket
        connect to 127.0.0.1:proxy.port
        await proxy.reset()              # RST to both ends, as a firewall or a crashed host sends it
        proxy.swallow = {DOWN}           # what the server says vanishes; nobody is told
        proxy.lose()                     # the connections of now are swallowed both ways, later ones are not
        proxy.look = lambda way, data: b"" if b"pmessage" in data else data

Every other knob works on open connections and on later ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

UP, DOWN = "up", "down"  # to the server, to the client
CHUNK = 1 << 16
Ends = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


def _as_they_come(way: str, data: bytes) -> bytes | None:
    return data


class Proxy:
    """`connections` is how many are open now, `made` how many there ever were."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self.target = target
        self.port = 0
        self.made = 0
        self.refuse = False  # new connections are closed at once
        self.delay_s = 0.0  # before each chunk, either way
        self.swallow: set[str] = set()  # ways in which bytes vanish, acknowledged
        self.lose_next = 0  # so many new connections are accepted, and lost
        # Each chunk as it passes: what to pass on instead; None = cut this connection without passing it on.
        self.look: Callable[[str, bytes], bytes | None] = _as_they_come
        self._open: set[Ends] = set()
        self._lost: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        return len(self._open)

    async def cut(self) -> int:
        """Close every connection in an orderly way (FIN); returns how many there were."""
        return await self._end(lambda writer: writer.close())

    async def reset(self) -> int:
        """Reset every connection, to both ends (RST); returns how many there were."""
        return await self._end(_reset)

    def lose(self) -> None:
        """Swallow every connection there is, without a close: a NAT that forgot, a phone that changed its network."""
        self._lost.update(writer for ends in self._open for writer in ends)

    async def _end(self, end: Callable[[asyncio.StreamWriter], None]) -> int:
        ended = tuple(self._open)
        for ends in ended:
            for writer in ends:
                end(writer)
        await asyncio.sleep(0)  # transports close in the loop's next turn
        return len(ended)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refuse:
            writer.close()
            return
        try:
            if isinstance(self.target, str):
                there, back = await asyncio.open_unix_connection(self.target)
            else:
                there, back = await asyncio.open_connection(*self.target)
        except OSError:  # as if the client had come to the server itself
            _reset(writer)
            return
        ends = (writer, back)
        self._open.add(ends)
        self.made += 1
        if self.lose_next:
            self.lose_next -= 1
            self._lost.update(ends)
        try:
            await asyncio.gather(self._carry(UP, reader, back), self._carry(DOWN, there, writer))
        except OSError:
            pass
        finally:
            self._open.discard(ends)
            self._lost.difference_update(ends)
            for one in ends:
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _carry(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if way in self.swallow or sink in self._lost:
                continue
            passed = self.look(way, data)
            if passed is None:
                raise ConnectionAbortedError
            sink.write(passed)
            await sink.drain()
        if sink not in self._lost and sink.can_write_eof():
            sink.write_eof()  # half-closed, as it came

    async def aclose(self) -> None:
        await self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: a linger of no time throws away what was not sent, and says so."""
    there = writer.get_extra_info("socket")
    if there is not None and there.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxying(target: tuple[str, int] | str) -> AsyncIterator[Proxy]:
    """A proxy to `target` on a loopback port of its own."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()
        await server.wait_closed()
