"""What a shell may suggest: slugs, ids and versions, from wherever the command would go; and silence else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from stoppress.cli import completion


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    monkeypatch.setattr(completion, "WAIT_S", 20.0)  # a busy machine is not a finding


@pytest.fixture
def suggested(shell):
    """`suggested("show night ", …)`: the words offered behind that, and their help."""

    def complete(line: str, **env: str) -> dict[str, str]:
        words = f"stoppress {line}".split(" ")
        asking = {
            "_STOPPRESS_COMPLETE": "zsh_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        said = shell(**asking, **env)
        assert said.stderr == ""
        rows = said.stdout.split("\n")
        return dict(zip(rows[1::3], rows[2::3], strict=False))

    return complete


@pytest.fixture
def posts(shell, story):
    shell("story", "create", "noon", "--headline", "Noon")
    shell("post", story, "--headline", "One", "--id", "k7mwq2x9fd")
    shell("edit", story, "k7mwq2x9fd", "--headline", "Uno")
    shell("post", story, "--headline", "Two", "--id", "p2")


@pytest.mark.parametrize("where", ["store", "server"])
def test_slugs_ids_and_versions(shell, posts, process, suggested, where):
    env = {}
    if where == "server":
        served = process("serve", "--port", "0", "--drain-s", "0").stdout.readline().decode().split()[0]
        env = {"STOPPRESS_URL": served, "STOPPRESS_TOKEN": shell("token", "create", "--name", "t").stdout.strip()}
    assert suggested("list n", **env) == {"night": "Election night", "noon": "Noon"}
    assert suggested("story end no", **env) == {"noon": "Noon"}
    assert suggested("post ni", **env) == {"night": "Election night"}
    assert suggested("edit --key night ", **env) == {"p2": "Two", "k7mwq2x9fd": "Uno"}
    assert suggested("revert night k7mwq2x9fd ", **env) == {"1": "One", "2": "Uno"}
    assert suggested("export x", **env) == {}
    assert suggested("show nihgt ", **env) == {}


def test_nobody_there_is_silence(shell, posts, suggested, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = {"STOPPRESS_REDIS": "", "STOPPRESS_DATA_DIR": str(tmp_path / "none")}
    for env in (
        nobody,
        {"STOPPRESS_URL": f"http://127.0.0.1:{port}"},
        {"STOPPRESS_REDIS": f"redis://127.0.0.1:{port}"},
        {"STOPPRESS_URL": "ftp://x"},
        {"STOPPRESS_BACKLOG": "many"},
    ):
        assert suggested("list n", **env) == {}
    assert not (tmp_path / "none").exists()  # no store was started


def test_a_store_that_says_nothing_is_not_waited_for(shell, posts, suggested, monkeypatch):
    monkeypatch.setattr(completion, "WAIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        assert suggested("list n", STOPPRESS_URL=f"http://127.0.0.1:{port}") == {}
        assert suggested("list n", STOPPRESS_REDIS=f"redis://127.0.0.1:{port}") == {}


def test_a_real_bash_gets_them(env, posts):
    """As the line in `stoppress --help` sets it up, in a process of its own."""
    asking = {"_STOPPRESS_COMPLETE": "bash_complete", "COMP_WORDS": "stoppress list ni", "COMP_CWORD": "2"}
    command = [sys.executable, "-c", "from stoppress.cli import completion; completion.WAIT_S = 20.0\n"
               "from stoppress.cli.main import main; main()"]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, **env, **asking}, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("plain,night\n", "")
