"""Several workers on one port, as processes: nobody's connection is lost with a worker, and none outlives the rest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from stoppress.newsroom.errors import StoreError
from stoppress.settings import Settings
from stoppress.transport import workers
from stoppress.transport.listening import ListenError, bind
from support import require_proc, runs
from support import until as soon

SLOW_S = 40.0  # a worker starts in half a second, or in ten on a machine that does much else


async def until(true: Callable[[], Any], timeout_s: float = SLOW_S) -> None:
    await soon(true, timeout_s)


class Many:
    """A supervisor with its workers; see `many.py`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.socket_url = url.replace("http", "ws") + "/live/a/ws"

    def pids(self) -> set[int]:
        """Of the workers."""
        found = set()
        for path in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if runs(int(path)):
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
        return await asyncio.wait_for(self.process.wait(), 40)


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
async def many(log: Any = None, **options: object) -> AsyncIterator[Many]:
    """`log`: a file that takes stderr."""
    require_proc()
    command = [sys.executable, str(Path(__file__).with_name("many.py"))]
    command += [f"{name}={value}" for name, value in options.items()]
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}  # `many` and `streams`, for its workers too
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log, env=env)
    try:
        assert process.stdout
        async with asyncio.timeout(60):
            yield Many(process, (await process.stdout.readline()).decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 40)  # to the end of the pipe, which workers hold too


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
        supervisor._stop_all()
    bind(settings).close()


@pytest.mark.parametrize("is_stuck", [False, True])
async def test_workers_end_when_their_supervisor_is_killed(is_stuck: bool) -> None:
    async with many(late_s=0.1, stop_timeout_s=0.1) as server:
        workers = await server.answering(2)
        asking = asyncio.create_task(server.get("/stuck" if is_stuck else "/pid"))
        await asyncio.sleep(0.2)
        server.process.kill()
        with contextlib.suppress(httpx.HTTPError):
            await asking
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


async def test_a_first_start_that_fails_by_a_bug_ends_it_all_too(tmp_path: Path) -> None:
    """Not once a second for ever."""
    (tmp_path / "bug").touch()
    async with many(bug=tmp_path / "bug", workers=1) as server:
        assert server.url == "a mistake of ours: KeyError: 'of no importance'"
        assert await server.ended() == 70


QUICK = {"tick_s": 0.1}  # what takes 15 s takes 1.5


@pytest.mark.parametrize("how", ["stopped", "stuck"])
async def test_a_worker_that_hangs_is_replaced_and_says_where(how: str, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        async with many(log, **QUICK) as server:
            old = await server.answering(2)
            if how == "stuck":
                asking = asyncio.create_task(server.get("/stuck"))
                await until(lambda: len(server.pids() & old) == 1)
                with pytest.raises(httpx.HTTPError):
                    await asking
            else:
                os.kill(min(old), signal.SIGSTOP)
                await until(lambda: min(old) not in server.pids())
            assert len(await server.answering(2) & old) == 1
        said = (tmp_path / "log").read_text()
    assert "has not answered for 2 s; it is killed" in said
    assert "ended by SIGKILL; another one is started" in said
    if how == "stuck":
        assert "this worker's loop stands still, in:" in said
        assert "in stuck\n    while True:" in said


@pytest.mark.parametrize("who", ["supervisor", "all"])
async def test_nobody_is_late_while_the_supervisor_is_stopped_itself(who: str) -> None:
    """Ctrl-Z stops the whole group, SIGSTOP this one; a suspended machine stops all."""
    async with many(**QUICK) as server:
        workers = await server.answering(2)
        stopped = [server.process.pid, *(workers if who == "all" else ())]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(4)  # more than twice what a worker may be silent
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(1)
        assert server.pids() == workers
        assert int((await server.get("/pid")).text) in workers


async def test_workers_are_in_the_group_that_a_terminal_stops_and_none_minds_its_other_signals() -> None:
    """Ctrl-C, Ctrl-Z and a closed terminal reach every process of the group; only the supervisor acts on them."""
    async with many(workers=1) as server:
        (pid,) = await server.answering(1)
        assert os.getpgid(pid) == os.getpgid(server.process.pid)
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
        for _ in range(20):
            assert int((await server.get("/pid")).text) == pid


async def test_a_service_manager_that_tells_every_process_to_stop_cuts_nobody_off() -> None:
    """systemd does, by default: the worker hears SIGTERM itself, and from its supervisor."""
    async with many(workers=1, notice_s=0.3) as server, connect(server.socket_url, proxy=None) as line:
        (pid,) = await server.answering(1)
        await line.recv()
        os.kill(pid, signal.SIGTERM)
        server.process.terminate()
        os.kill(pid, signal.SIGTERM)
        assert '"bye"' in (await all_of(line))[-1]
        assert line.close_code == 1012
        assert await server.ended() == 0


@pytest.mark.parametrize("way", ["reload", "crash", "ended by hand"])
async def test_one_worker_alone_has_a_successor_and_nobody_is_refused(way: str) -> None:
    async with many(workers=1) as server:
        (old,) = await server.answering(1)
        lost, done = list[str](), asyncio.Event()
        dialling = [asyncio.create_task(dial(server.socket_url, lost, done)) for _ in range(4)]
        if way == "reload":
            server.process.send_signal(signal.SIGHUP)
        else:
            os.kill(old, signal.SIGKILL if way == "crash" else signal.SIGTERM)
        await until(lambda: len(server.pids()) == 1 and old not in server.pids())
        new = server.pids()
        await until(lambda: answers(server, new))
        done.set()
        assert sum(await asyncio.gather(*dialling)) >= 4
        # Who was with the one that was killed is lost with it; nobody who came later is.
        assert [error for error in lost if way != "crash" or "refused" in error.lower()] == []


async def answers(server: Many, pids: set[int]) -> bool:
    return int((await server.get("/pid")).text) in pids


async def test_the_port_is_free_as_soon_as_the_supervisor_is_killed_though_readers_are_seen_off() -> None:
    async with many(workers=1, notice_s=5) as server, connect(server.socket_url, proxy=None) as line:
        await line.recv()
        port = int(server.url.rpartition(":")[2])
        server.process.kill()
        await until(lambda: is_free(port), 2)
        assert '"bye"' in (await all_of(line))[-1]


def is_free(port: int) -> bool:
    try:
        bind(Settings(port=port)).close()
    except ListenError:
        return False
    return True


async def test_a_worker_that_hangs_does_not_hold_the_stop_up() -> None:
    async with many(workers=1, stop_timeout_s=60, **QUICK) as server:
        (pid,) = await server.answering(1)
        os.kill(pid, signal.SIGSTOP)
        server.process.terminate()
        assert await server.ended() == 0
