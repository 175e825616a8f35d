"""Shared fixtures: a real store for every test, on a server that lives as long as the session.

`settings` and `store` come twice, over the embedded server and over Debian's redis-server 7, each test with a prefix
of its own. `require(tool)` skips what this machine cannot run, and fails instead where STOPPRESS_TEST_REQUIRE=all.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from stoppress.settings import Settings
from stoppress.store import janitor
from stoppress.store.embedded import Embedded
from stoppress.store.store import Store
from support import require_tool, until, until_now

# A busy machine is not a finding: 200 ms an example, Hypothesis' default, fails on load alone.
hypothesis.settings.register_profile("stoppress", deadline=None)
hypothesis.settings.load_profile("stoppress")

# A shell without job control starts `pytest &` with SIGINT ignored, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    return require_tool


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """`measured("median 28 ms")`: a figure to print at the end of the run."""
    return lambda figure: request.node.user_properties.append(("measured", figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    told = [figure for report in reports for name, figure in report.user_properties if name == "measured"]
    if told:
        terminalreporter.section("measured")
        for figure in sorted(set(told)):
            terminalreporter.write_line(figure)


@pytest.fixture(name="until")
def _until() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A fresh data directory with a short path (tmp_path's may be too long for a plain socket)."""
    made = Path(tempfile.mkdtemp(prefix="sp-"))
    yield made
    for found in made.glob("**/store/valkey.sock"):  # whoever was killed left its server for the next, that is us
        janitor.shut_down(None, os.path.relpath(found))
    shutil.rmtree(made, ignore_errors=True)


@dataclass(frozen=True)
class StoreServer:
    """What Settings need to use it: `redis` is empty for the embedded one."""

    name: str
    redis: str
    data_dir: Path


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(path)
            link.sendall(b"PING\r\n")
            return link.recv(100).startswith(b"+PONG")
        except OSError:
            return False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-store", action="store_true", help="all tests on Redis too, not only those of the store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What has run on the embedded server need not run on Redis again, beyond the store's own tests: they see to it
    that the two are one to everybody above. `.ci/run` runs both."""
    if config.getoption("--every-store"):
        return
    names = {item.nodeid for item in items}
    twice = {
        item.nodeid
        for item in items
        if "[redis" in item.nodeid or "-redis" in item.nodeid
        if not item.nodeid.startswith("tests/store/") and item.nodeid.replace("redis", "embedded") in names
    }
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in twice])
    items[:] = [item for item in items if item.nodeid not in twice]


@pytest.fixture(scope="session", params=["embedded", "redis"])
def store_server(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    directory = Path(tempfile.mkdtemp(prefix="sp-"))
    if request.param == "embedded":
        embedded = Embedded(directory, grace_s=0)
        embedded.attach()
        yield StoreServer("embedded", "", directory)
        embedded.leave()
        until_now(lambda: not embedded.alive())
    else:
        path = str(directory / "redis.sock")
        command = [require_tool("redis-server"), "--port", "0", "--unixsocket", path, "--dir", str(directory)]
        server = subprocess.Popen([*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        until_now(lambda: answers(path))
        yield StoreServer("redis", f"unix://{path}", directory)
        server.terminate()
        server.wait(10)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def settings(store_server: StoreServer) -> Settings:
    """Of a store that nobody else uses."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    return Settings(data_dir=store_server.data_dir, redis=store_server.redis, prefix=prefix, port=0)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    opened = await Store.open(settings)
    yield opened
    await opened.aclose()
