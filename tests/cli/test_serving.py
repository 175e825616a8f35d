"""What `serve` says of itself, and what commands and mistakes make of it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess

import pytest

from stoppress.cli import main as console
from stoppress.cli.serve import strays
from support import until_now


def ended(process, code=0):
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    return out.decode(), err.decode()


@pytest.fixture
def serving(process):
    """Starts a server; gives it and its address."""

    def start(*options: str) -> tuple[subprocess.Popen[bytes], str]:
        server = process("serve", "--port", "0", "--drain-s", "0", *options)
        return server, server.stdout.readline().decode().split()[0]

    return start


@pytest.mark.parametrize("workers", ["1", "2"])
def test_commands_tell_where_the_server_is(shell, story, serving, workers):
    server, address = serving("--workers", workers)
    assert shell("post", story, "--headline", "One", "--id", "p1").stdout == f"p1  {address}/live/night/posts/p1\n"
    elsewhere = shell("post", story, "--headline", "Two", "--id", "p2", STOPPRESS_PUBLIC_URL="https://news.example.org")
    assert elsewhere.stdout == "p2  https://news.example.org/live/night/posts/p2\n"
    server.send_signal(signal.SIGTERM)
    ended(server)
    # A server that is gone is forgotten.
    until_now(lambda: shell("story", "end", story).stdout.endswith(" http://127.0.0.1:8000/live/night\n"))


def test_what_a_server_is_told_of_its_public_address_commands_tell_too(shell, story, serving):
    serving("--public-url", "https://news.example.org")
    assert shell("pin", story, "nope", ends=65)
    assert shell("story", "end", story).stdout == "night has ended https://news.example.org/live/night\n"


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_log_tells_a_server_s_life(story, serving, process, kind):
    server, address = serving("--log-format", kind)
    watching = process("watch", story, "--json", "--url", address)
    watching.stdout.readline()
    server.send_signal(signal.SIGTERM)
    lines = ended(server)[1].splitlines()
    if kind == "json":
        lines = [json.loads(line)["message"] for line in lines]
    for line, said in zip(lines, (f"serving at {address}", "draining, 1 readers", "stopped"), strict=True):
        assert said in line


def test_debugging_tells_our_own_doings_and_no_library_s(story, serving, shell):
    server, address = serving("--log-level", "debug")
    shell("post", story, "--headline", "h", "--body", "*b* " * 20, "--url", address, "--token", token(shell))
    server.send_signal(signal.SIGTERM)
    lines = ended(server)[1].splitlines()
    assert f"debug stoppress.web.guard: POST /api/stories/{story}/posts: 201" in "\n".join(lines)
    assert [line for line in lines if " debug " in line and " stoppress" not in line] == []


def token(shell) -> str:
    return shell("token", "create", "--name", "t", "--role", "admin").stdout.strip()


def test_who_listens_to_the_network_says_so(shell, process):
    server = process("serve", "--port", "0", "--host", "0.0.0.0", "--notice-s", "0")
    assert server.stdout.readline().startswith(b"http://127.0.0.1:")
    said = server.stdout.readline().decode()
    assert "0.0.0.0" in said
    assert "stoppress token create --name NAME --role viewer" in said
    shell(*re.search(r"`stoppress (.*)`", said)[1].split())


def test_a_variable_that_is_no_setting_is_named(process, env):
    env["STOPPRESS_DATADIR"] = "/tmp"
    server = process("serve", "--port", "0")
    server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    assert (
        ended(server)[1].count("STOPPRESS_DATADIR is no setting and changes nothing; did you mean STOPPRESS_DATA_DIR?")
        == 1
    )


def test_variables_of_commands_and_tests_are_known():
    known = {
        "STOPPRESS_URL": "u",
        "STOPPRESS_TOKEN": "t",
        "STOPPRESS_TEST_REQUIRE": "all",
        "STOPPRESS_PORT": "1",
        "X": "",
    }
    assert list(strays(known)) == []


@pytest.mark.parametrize(
    ("options", "hint"),
    [(("--host", "192.0.2.1"), "--host takes an address of this machine"), (("--host", "no such"), "is no address")],
)
def test_another_server_is_blamed_only_for_a_taken_port(process, options, hint):
    said = ended(process("serve", "--port", "0", *options), 69)[1]
    assert hint in said
    assert "another server" not in said


def test_a_store_that_cannot_be_used_is_one_sentence(process):
    said = ended(process("serve", "--port", "0", "--redis", "redis://127.0.0.1:1"), 69)[1]
    assert said.startswith("stoppress: the store at redis://127.0.0.1:1 cannot be reached")
    assert len(said.splitlines()) == 1


def test_an_import_that_a_stop_cuts_off_is_no_mistake(shell, story, serving):
    server, address = serving("--stop-timeout-s", "0.1")
    token = shell("token", "create", "--name", "t", "--role", "admin").stdout.strip()
    host, _, port = address.removeprefix("http://").partition(":")
    posts = b"".join(
        json.dumps({"id": f"p{n}", "headline": "h", "body": "*b* " * 500}).encode() + b"\n" for n in range(5000)
    )
    with socket.create_connection((host, int(port))) as link:
        head = f"POST /api/stories/{story}/import HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        link.sendall(f"{head}Content-Type: application/jsonl\r\nContent-Length: {len(posts)}\r\n\r\n".encode() + posts)
        server.send_signal(signal.SIGTERM)
        said = ended(server)[1]
    assert "Traceback" not in said
    assert "CancelledError" not in said
    assert "stopped" in said
    assert shell("list", story).stdout == ""  # it was under way


def test_a_mistake_of_ours_is_a_sentence_and_70(monkeypatch, capsys):
    def stumble(**_: object) -> None:
        raise RuntimeError("of no importance")

    monkeypatch.setattr(console.cli, "main", stumble)
    for level, shows in (("", False), ("debug", True)):
        monkeypatch.setenv("STOPPRESS_LOG_LEVEL", level)
        with pytest.raises(SystemExit) as left:
            console.main([])
        said = capsys.readouterr().err
        assert left.value.code == 70
        assert "stoppress: a mistake of ours: RuntimeError: of no importance" in said
        assert ("Traceback" in said) is shows


def test_a_file_that_cannot_be_written_is_named(shell, story, env, process):
    said = ended(process("export", story, "--output", "/proc/nowhere/it.jsonl"), 74)[1]
    assert said == "stoppress: /proc/nowhere/it.jsonl: No such file or directory\n"
