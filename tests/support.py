"""Waiting for conditions, looking at processes, asking for programs: for tests of every room."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import pytest

WAIT_S = 20.0


def lacking(what: str) -> NoReturn:
    """Skip, and say what this machine lacks; fail instead if STOPPRESS_TEST_REQUIRE=all."""
    if os.environ.get("STOPPRESS_TEST_REQUIRE") == "all":
        pytest.fail(f"{what}, and STOPPRESS_TEST_REQUIRE=all", pytrace=False)
    pytest.skip(what)


def require_tool(name: str) -> str:
    """The path of a program; see `lacking`."""
    return shutil.which(name) or lacking(f"{name} is not installed")


def require_proc() -> None:
    """Linux' view of processes; see `lacking`. (A chroot may not have it mounted, macOS never has.)"""
    if not Path("/proc/self/stat").exists():
        lacking("/proc is not mounted")


def require_ipv6() -> None:
    """An IPv6 loopback address; see `lacking`."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        lacking("IPv6 is not there")


def require_terminal() -> tuple[int, int]:
    """A pseudo-terminal, our end and theirs; see `lacking`."""
    try:
        return os.openpty()
    except OSError:
        lacking("/dev/pts is not mounted")


async def until(true: Callable[[], bool | Awaitable[bool]], timeout_s: float = WAIT_S) -> None:
    """Wait for a condition (plain or async), looking again every few milliseconds."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = true()
            if await held if isinstance(held, Awaitable) else held:
                return
            await asyncio.sleep(0.005)


def until_now(true: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """The same without a loop."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie (which nobody may reap for a while)."""
    require_proc()
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
