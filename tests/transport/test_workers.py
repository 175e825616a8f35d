"""Several workers on one port, as processes: nobody's connection is lost with a worker, and none outlives the rest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from stoppress.newsroom.errors import StoreError
from stoppress.settings import Settings
from stoppress.transport import workers
from stoppress.transport.serve import ListenError, bind
from support import require_proc, runs, until


class Many:
    """A supervisor with its workers; see `many.py`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.socket_url = url.replace("http", "ws") + "/live/a/ws"

    def pids(self) -> set[int]:
        """Of the workers: the supervisor's other child is multiprocessing's resource tracker."""
        found = set()
        for path in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{path}/cmdline").read_bytes() and runs(int(path)):
                    found.add(int(path))
        return found

    async def get(self, path: str) -> httpx.Response:
        """On a connection of its own, so that the kernel chooses the worker anew."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.get(self.url + path)

    async def answering(self, count: int) -> set[int]:
        """Those who answer, once there are so many."""
        seen: set[int] = set()

        async def all_seen() -> bool:
            seen.add(int((await self.get("/pid")).text))
            return len(seen & self.pids()) >= count

        await until(all_seen)
        return seen & self.pids()

    @contextlib.asynccontextmanager
    async def readers(self, *pids: int) -> AsyncIterator[dict[int, ClientConnection]]:
        """A reader on each of these workers, who have nobody else."""
        async with contextlib.AsyncExitStack() as lines:
            held: dict[int, ClientConnection] = {}
            while not held.keys() >= set(pids):
                line = await lines.enter_async_context(
                    connect(self.url.replace("http", "ws") + "/live/a/ws", proxy=None)
                )
                await line.recv()
                held.setdefault(peer_of(line), line)
            yield held

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 15)


def peer_of(line: ClientConnection) -> int:
    """The process that holds the other end of a line on this machine."""
    # Both ports: the kernel gives one number of ours to lines to several servers, and other tests run beside this.
    here, there = line.local_address[1], line.remote_address[1]
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    ends = (f":{there:04X}", f":{here:04X}")
    node = next(row[9] for row in rows if (row[1][-5:], row[2][-5:]) == ends and row[9] != "0")
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(path) == f"socket:[{node}]":
                return int(path.parts[2])
    raise AssertionError("nobody holds it")


@contextlib.asynccontextmanager
async def many(**options: object) -> AsyncIterator[Many]:
    require_proc()
    command = [sys.executable, str(Path(__file__).with_name("many.py"))]
    command += [f"{name}={value}" for name, value in options.items()]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # `streams`, for its workers too
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    try:
        assert process.stdout
        async with asyncio.timeout(20):
            yield Many(process, (await process.stdout.readline()).decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 20)  # to the end of the pipe, which workers hold too


async def all_of(line: ClientConnection) -> list[str]:
    """What is said until the line ends."""
    said = []
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            said.append(str(await line.recv()))
    return said


async def dial(url: str, lost: list[str], done: asyncio.Event) -> int:
    """Connect again and again; every attempt must become a reader."""
    count = 0
    while not done.is_set():
        try:
            async with connect(url, proxy=None) as line:
                await line.recv()
        except (OSError, websockets.WebSocketException) as error:
            lost.append(repr(error))
        count += 1
    return count


@pytest.mark.parametrize("options", [{}, {"shared": 1}], ids=["balanced", "shared"])
async def test_a_reload_replaces_every_worker_and_loses_no_connection_attempt(options: dict[str, object]) -> None:
    async with many(**options) as server:
        old = await server.answering(2 if not options else 1)
        await until(lambda: len(server.pids()) == 2)
        before, lost, done = server.pids(), list[str](), asyncio.Event()
        async with server.readers(*old) as held:
            dialling = [asyncio.create_task(dial(server.socket_url, lost, done)) for _ in range(4)]

            server.process.send_signal(signal.SIGHUP)

            await until(lambda: len(server.pids()) == 2 and not server.pids() & before)
            done.set()
            attempts = sum(await asyncio.gather(*dialling))
            assert not lost
            assert attempts > 20
            for line in held.values():
                assert '"bye"' in (await all_of(line))[-1]
                assert line.close_code == 1012


async def test_a_worker_that_dies_is_replaced_and_the_others_readers_stay() -> None:
    async with many() as server:
        one, other = await server.answering(2)
        async with server.readers(one, other) as held:
            os.kill(one, signal.SIGKILL)
            await all_of(held[one])
            # Even who comes to its place meanwhile is served, if a moment later.
            seen = {int((await server.get("/pid")).text) for _ in range(20)}
            assert len(seen | {other}) == 2
            assert one not in seen
            assert not held[other].close_code
            await held[other].ping()


async def test_a_worker_listens_when_it_knows_something(tmp_path: Path) -> None:
    gate, port = tmp_path / "open", free_port()
    times = {"refused": 0}

    async def refused() -> bool:
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
        except OSError:
            times["refused"] += 1
        return times["refused"] > 50

    async def open_later() -> None:
        await until(refused)
        gate.touch()

    opening = asyncio.create_task(open_later())
    async with many(gate=gate, port=port) as server:
        assert opening.done()
        assert (await server.get("/pid")).text
        server.process.terminate()
        assert await server.ended() == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    async with many(broken=broken) as server:
        old = await server.answering(2)
        broken.touch()

        server.process.send_signal(signal.SIGHUP)

        await until(lambda: len(server.pids()) == 3)
        await until(lambda: len(server.pids()) == 2)
        assert server.pids() == old
        broken.unlink()
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: len(server.pids()) == 2 and not server.pids() & old)


async def test_a_worker_that_does_not_leave_on_reload_is_killed() -> None:
    async with many(drain_s=0, stop_timeout_s=0.1, late_s=0.1) as server:
        old = await server.answering(2)
        os.kill(min(old), signal.SIGSTOP)  # it hears no SIGTERM

        server.process.send_signal(signal.SIGHUP)

        await until(lambda: len(server.pids()) == 2 and not server.pids() & old)
        assert int((await server.get("/pid")).text) not in old


async def test_a_first_start_that_fails_ends_it_all_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    async with many(broken=tmp_path / "broken") as server:
        assert server.url == "the store is broken"
        assert await server.ended() == StoreError.exit_code


async def test_a_taken_port_is_an_error_though_it_could_be_shared() -> None:
    async with many() as server, many(port=server.url.rpartition(":")[2]) as second:
        assert "another server" in second.url
        assert await second.ended() == 69


def test_the_port_stays_taken_while_no_worker_listens() -> None:
    """Two supervisors that start together, or a stranger while all workers are dead."""
    settings = Settings(port=free_port(), workers=2)
    supervisor = workers.Workers(settings, lambda *_: None, lambda _: None)
    supervisor._reserve()
    try:
        with pytest.raises(ListenError):
            bind(settings)
    finally:
        with socket.socket() as woken:
            supervisor._stop_all(woken)
    bind(settings).close()


async def test_workers_end_when_their_supervisor_is_killed() -> None:
    async with many() as server:
        workers = await server.answering(2)
        server.process.kill()
        await until(lambda: not any(runs(pid) for pid in workers))


async def test_a_second_signal_ends_workers_at_once() -> None:
    async with many(stop_timeout_s=60) as server:
        asking = asyncio.create_task(server.get("/slow"))
        await server.answering(2)
        server.process.terminate()
        host, port = server.url.removeprefix("http://").split(":")

        async def refused() -> bool:
            try:
                (await asyncio.open_connection(host, int(port)))[1].close()
            except OSError:
                return True
            return False

        await until(refused)
        assert len(server.pids()) >= 1
        server.process.terminate()
        assert await server.ended() == 0
        with pytest.raises(httpx.HTTPError):
            await asking
