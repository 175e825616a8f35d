"""Waiting for conditions, looking at processes, asking for programs: for tests of every room."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

WAIT_S = 20.0


def require_tool(name: str) -> str:
    """The path of a program; skips where there is none, and fails instead if STOPPRESS_TEST_REQUIRE=all."""
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("STOPPRESS_TEST_REQUIRE") == "all":
            pytest.fail(f"{message}, and STOPPRESS_TEST_REQUIRE=all", pytrace=False)
        pytest.skip(message)
    return path


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
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
