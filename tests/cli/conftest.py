"""`stoppress` on a store that nobody else uses: in this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from terminals import Terminal

from stoppress.cli.main import cli
from stoppress.settings import Settings


@pytest.fixture
def env(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The environment of a command that uses this test's store."""
    return {
        "STOPPRESS_DATA_DIR": str(settings.data_dir),
        "STOPPRESS_REDIS": settings.redis,
        "STOPPRESS_PREFIX": settings.prefix,
        "STOPPRESS_URL": "",
        "STOPPRESS_TOKEN": "",
        "STOPPRESS_PUBLIC_URL": "",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


class Shell:
    """`shell("post", "night", …)` runs a command here; `shell.json(…)` reads what it printed."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env

    def __call__(self, *arguments: str, ends: int = 0, stdin: str | bytes | None = None, **env: str) -> Result:
        result = CliRunner(env={**self.env, **env}).invoke(cli, arguments, input=stdin, prog_name="stoppress")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == ends, f"{arguments} ended with {result.exit_code}: {result.output}"
        return result

    def json(self, *arguments: str, **more: Any) -> Any:
        return json.loads(self(*arguments, "--json", **more).stdout)


@pytest.fixture
def shell(env: dict[str, str]) -> Shell:
    return Shell(env)


@pytest.fixture
def story(shell: Shell) -> str:
    shell("story", "create", "night", "--headline", "Election night")
    return "night"


@pytest.fixture
def process(env: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `stoppress …` as a process, with pipes; ends those that are left."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        command = [sys.executable, "-m", "stoppress", *arguments]
        made = subprocess.Popen(command, env={**os.environ, **env}, **pipes)
        started.append(made)
        return made

    yield start
    for made in started:
        if made.poll() is None:
            made.send_signal(signal.SIGTERM)
            try:
                made.wait(15)
            except subprocess.TimeoutExpired:
                made.kill()
                made.wait()
        for pipe in (made.stdin, made.stdout, made.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def terminal(env: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """`terminal("delete", "night", "p1", EDITOR=…, columns=40)` begins a command on a terminal."""
    opened: list[Terminal] = []

    def on_terminal(*arguments: str, columns: int = 60, streams: dict[str, int] | None = None, **more: str) -> Terminal:
        opened.append(Terminal({**env, **more}, *arguments, columns=columns, **(streams or {})))
        return opened[-1]

    yield on_terminal
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
