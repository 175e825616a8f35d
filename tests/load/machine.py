"""This machine: building the C programs, reading /proc, and processes that end with the run. Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGESIZE") // 1024
FIRST_PORT = 18000  # below the ephemeral range, so that no reader's own port can be in the way


def build(name: str, folder: Path) -> Path:
    """The program made of `name`.c, in `folder`."""
    made = folder / name
    if not made.exists():
        subprocess.run(["cc", "-O2", "-o", made, HERE / f"{name}.c", "-lz"], check=True)
    return made


def raise_descriptors() -> int:
    """As many descriptors as may be had, for this process and all it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextlib.contextmanager
def apart(pid: int) -> Iterator[None]:
    """The process under test on the first core, and what is started within the block, the readers, on the others.

    Left to the scheduler the two ends of a socket often share a core, and each send then pays for a switch to its
    reader: 9 µs or 5 for the same bytes, as chance has it. floor.c sees to it by itself.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        yield
        return
    os.sched_setaffinity(0, cores[1:])
    for one in family([pid]):
        for thread in os.listdir(f"/proc/{one}/task"):
            os.sched_setaffinity(int(thread), cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def free_port() -> int:
    for port in range(FIRST_PORT + os.getpid() % 10_000, 32_000):
        with socket.socket() as held, contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for a condition; TimeoutError names it."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str | Path], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gets SIGTERM at the end of the block, and SIGKILL 60 s later."""
    with log.open("ab") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, timeout_s: float = 60) -> None:
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            print(f"{process.args} did not stop; killed", file=sys.stderr)
            process.kill()
            process.wait()


# Processes


def family(pids: Iterable[int]) -> set[int]:
    """Those and all their descendants, each once."""
    found: set[int] = set()
    left = list(pids)
    while left:
        pid = left.pop()
        if pid not in found and (tasks := Path(f"/proc/{pid}/task")).exists():
            found.add(pid)
            for task in tasks.iterdir():
                with contextlib.suppress(OSError):
                    left += map(int, (task / "children").read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def ends(pid: int, timeout_s: float) -> bool:
    """Wait for a process that somebody else looks after."""
    deadline = time.monotonic() + timeout_s
    while (stat := _stat(pid)) and stat[0] != "Z":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of the family so far."""
    stats = [stat for pid in family(pids) if (stat := _stat(pid))]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


def rss_kb(pids: Iterable[int]) -> int:
    """Resident memory of the family; shared pages count in each."""
    return sum(int(stat[21]) * PAGE_KB for pid in family(pids) if (stat := _stat(pid)))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


# The kernel


def tcp_memory_kb() -> int:
    """Buffers of all TCP sockets."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * PAGE_KB
    return 0


def memory_kb(name: str) -> int:
    """A line of /proc/meminfo: Slab, MemAvailable, …"""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def peers_of(port: int, address: str) -> dict[int, str]:
    """The server's sockets on `port` whose other end is at `address`: its port → state ("01" = established)."""
    packed = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    # By a pattern: the table has a line for each of many thousand sockets, and is read while others are measured.
    line = rf"[0-9A-F]{{8}}:{port:04X} {packed}:([0-9A-F]{{4}}) ([0-9A-F]{{2}}) "
    return {int(there, 16): state for there, state in re.findall(line, Path("/proc/net/tcp").read_text())}
