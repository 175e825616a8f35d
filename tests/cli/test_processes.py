"""The command line as processes: pipes, signals, a running server, a far one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from support import until_now


@pytest.fixture
def served(process):
    """The address of a running `stoppress serve` over this test's store."""
    server = process("serve", "--port", "0", "--drain-s", "0")
    address = server.stdout.readline().decode().split()[0]
    assert address.startswith("http://127.0.0.1:")
    return address


@pytest.fixture
def far(shell, story, served):
    """Options that send a command over HTTP, with all rights."""
    token = shell("token", "create", "--name", "t", "--role", "admin").stdout.strip()
    return ("--url", served, "--token", token)


def ended(process, code=0):
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    return out.decode(), err.decode()


def read_until(pipe, mark: str) -> list[str]:
    lines = []
    while not lines or mark not in lines[-1]:
        line = pipe.readline().decode()
        assert line, f"ended before {mark!r}: {lines}"
        lines.append(line)
    return lines


def test_every_command_over_http_says_the_same_as_here(shell, story, served, far):
    said = shell("post", story, "--headline", "One", "--body", "*b*", "--id", "p1", *far)
    assert said.stdout == f"p1  {served}/live/night/posts/p1\n"
    assert shell.json("show", story, "p1", *far) == shell.json("show", story, "p1")
    assert shell.json("edit", story, "p1", "--headline", "Two", "--expect", "1", *far)["version"] == 2
    shell("correct", story, "p1", "--note", "Not one.", *far)
    shell("pin", story, "p1", *far)
    shell("unpin", story, *far)
    shell("withdraw", story, "p1", "--note", "Wrong.", *far)
    shell("restore", story, "p1", *far)
    shell("revert", story, "p1", "1", *far)
    assert shell("history", story, "p1", *far).stdout == shell("history", story, "p1").stdout
    assert shell.json("list", story, *far) == shell.json("list", story)
    assert shell.json("story", "list", *far) == shell.json("story", "list")
    shell("story", "edit", story, "--description", "About it.", *far)
    shell("story", "end", story, *far)
    shell("story", "reopen", story, *far)
    exported = shell("export", story, *far).stdout
    assert exported == shell("export", story).stdout
    shell("delete", story, "p1", "--purge", "--yes", *far)
    imported = shell("import", "copy", "-", *far, stdin=exported).stdout
    assert imported == f"1 added, 0 stored already {served}/live/copy\n"
    assert shell.json("import", "copy", "-", "--dry-run", *far, stdin=exported)["skipped"] == 1
    shell("story", "delete", story, "--yes", *far)
    assert [held["slug"] for held in shell.json("story", "list")["stories"]] == ["copy"]


def test_mistakes_over_http_get_the_same_sentence_and_code(shell, story, far):
    shell("post", story, "--headline", "One", "--id", "p1")
    shell("edit", story, "p1", "--headline", "Two")
    for arguments in (
        ["post", story, "--headline", "x" * 301],
        ["post", story, "--headline", "Another", "--id", "p1"],
        ["edit", story, "p1", "--headline", "Three", "--expect", "1"],
        ["show", story, "nope"],
        ["show", "nope", "p1"],
        ["story", "create", story, "--headline", "h"],
        ["revert", story, "p1", "9"],
    ):
        here, there = shell(*arguments, ends=65), shell(*arguments, *far, ends=65)
        assert there.stderr.replace(f" --url {far[1]} --token '…'", "") == here.stderr
    for bad in ('{"id": "x", "bogus": 1}', '{"id": "x"', json.dumps({"body": "x" * 2_000_000})):
        here = shell("import", story, "-", stdin=bad, ends=65).stderr
        assert here.startswith("stoppress: line 1: ")
        assert shell("import", story, "-", *far, stdin=bad, ends=65).stderr == here


def test_without_a_right_the_code_is_77(shell, story, served):
    assert "STOPPRESS_TOKEN" in shell("post", story, "--headline", "h", "--url", served, ends=77).stderr
    token = shell("token", "create", "--name", "r", "--role", "viewer").stdout.strip()
    assert "viewer" in shell("post", story, "--headline", "h", "--url", served, "--token", token, ends=77).stderr
    shell("list", story, "--url", served, STOPPRESS_TOKEN=token)
    shell("token", "revoke", "r")
    shell("list", story, STOPPRESS_URL=served, STOPPRESS_TOKEN=token, ends=77)


def test_an_unknown_outcome_ends_with_75_and_a_key_that_repeats_it(shell, story, served, far, process):
    """A proxy that swallows the answer: the post is stored, and nobody told."""
    host, _, port = served.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as door:

        def swallow():
            client, _ = door.accept()
            with client, socket.create_connection((host, int(port))) as server:
                server.settimeout(10)
                sent = b""
                while not sent.endswith(b"}"):
                    sent += client.recv(65536)
                server.sendall(sent)
                assert server.recv(65536)

        thread = threading.Thread(target=swallow)
        thread.start()
        proxy = f"http://127.0.0.1:{door.getsockname()[1]}"
        said = shell("post", story, "--headline", "Once", "--url", proxy, *far[2:], ends=75).stderr
        thread.join()
    key = said.split("--retry ")[1].split()[0].rstrip(":")
    shell("post", story, "--headline", "Once", *far, "--retry", key)
    assert len(shell("list", story).stdout.splitlines()) == 1


@pytest.mark.parametrize("where", ["store", "server"])
def test_watch_prints_each_change_as_it_happens(shell, story, process, request, where):
    options = request.getfixturevalue("far")[:2] if where == "server" else ()
    shell("post", story, "--headline", "Before", "--id", "p0")
    watching = process("watch", story, *options)
    assert "Before" in read_until(watching.stdout, "p0")[-1]
    shell("post", story, "--headline", "One", "--id", "p1")
    shell("edit", story, "p1", "--headline", "Two")
    lines = read_until(watching.stdout, "Two")  # before its text is taken back
    shell("withdraw", story, "p1", "--note", "Wrong.")
    shell("delete", story, "p0")
    shell("story", "end", story)
    lines += read_until(watching.stdout, "ended")
    assert [line.split()[2:] for line in lines[:4]] == [
        ["published", "p1", "One"],
        ["edited", "p1", "Two", "(headline)"],
        ["withdrawn", "p1", "Wrong."],
        ["deleted", "p0", "Before"],
    ]
    watching.send_signal(signal.SIGINT)
    out, err = ended(watching, 130)
    assert (out, err.strip()) == ("", "")


@pytest.mark.parametrize("where", ["store", "server"])
def test_watch_json_is_the_native_stream_and_resumes(shell, story, process, request, where):
    options = request.getfixturevalue("far")[:2] if where == "server" else ()
    watching = process("watch", story, "--json", *options)
    snapshot = json.loads(watching.stdout.readline())
    assert (snapshot["type"], snapshot["story"]["slug"], snapshot["posts"]) == ("snapshot", story, [])
    for n in range(3):
        shell("post", story, "--headline", f"h{n}", "--id", f"p{n}")
    events = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert [event["seq"] for event in events] == [snapshot["seq"] + n for n in (1, 2, 3)]
    since = f"{events[0]['epoch']}:{events[0]['seq']}"
    again = process("watch", story, "--json", "--since", since, *options)
    assert [json.loads(again.stdout.readline()) for _ in range(2)] == events[1:]
    shell("story", "delete", story, "--yes")
    assert json.loads(again.stdout.readline())["type"] == "story.deleted"
    ended(again)


def test_watch_goes_on_after_the_server_was_killed(shell, story, process):
    first = process("serve", "--port", "0")
    address = first.stdout.readline().decode().split()[0]
    watching = process("watch", story, "--json", "--url", address)
    seq = json.loads(watching.stdout.readline())["seq"]
    first.kill()
    assert b"trying again" in watching.stderr.readline()
    shell("post", story, "--headline", "Meanwhile")
    second = process("serve", "--port", address.rpartition(":")[2])
    assert second.stdout.readline()
    told = json.loads(watching.stdout.readline())
    # A new process may know the events in between, or say where the story stands now.
    post = told["posts"][0] if told["type"] == "snapshot" else told["post"]
    assert (told["seq"], post["headline"]) == (seq + 1, "Meanwhile")


def test_watch_goes_on_after_the_store_was_killed(env, short_dir, process):
    env |= {"STOPPRESS_DATA_DIR": str(short_dir), "STOPPRESS_REDIS": "", "STOPPRESS_STORE_GRACE_S": "0"}
    ended(process("story", "create", "night", "--headline", "Night"))
    watching = process("watch", "night", "--json")
    seq = json.loads(watching.stdout.readline())["seq"]
    os.kill(_server_of(short_dir), signal.SIGKILL)
    for n in range(3):
        ended(process("post", "night", "--headline", f"h{n}"))
    events = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert [(event["seq"], event["post"]["headline"]) for event in events] == [(seq + n + 1, f"h{n}") for n in range(3)]
    watching.send_signal(signal.SIGINT)
    ended(watching, 130)
    until_now(lambda: not _listens(short_dir))  # the last to leave has it shut down


def _listens(data_dir) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(data_dir / "store" / "valkey.sock")) == 0


def _server_of(data_dir) -> int:
    """The process of the embedded store, by what it says itself."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(data_dir / "store" / "valkey.sock"))
        link.sendall(b"INFO server\r\n")
        return int(link.recv(65536).split(b"process_id:")[1].split()[0])


def test_watch_of_no_story_says_so(shell, story, served):
    assert "no story nope" in shell("watch", "nope", ends=65).stderr
    assert "no story nope" in shell("watch", "nope", "--url", served, ends=65).stderr
    assert "must be a position" in shell("watch", story, "--since", "yesterday", ends=65).stderr


@pytest.mark.parametrize("arguments", [["export", "many"], ["list", "many", "--all"]])
def test_a_pipe_that_closes_early_ends_a_command_as_it_ends_any_other(shell, process, arguments):
    """What was cut off is not whole, so it is no 0; and nobody said no, so it is no 1."""
    shell("import", "many", "-", stdin=a_file(3000))
    telling = process(*arguments)
    telling.stdout.readline()
    telling.stdout.close()
    assert telling.wait(20) == 128 + signal.SIGPIPE
    assert telling.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (["list", "night"], 141),
        (["list", "night", "--json"], 141),
        (["show", "night", "p1"], 141),
        (["history", "night", "p1"], 141),
        (["story", "list"], 141),
        (["story", "show", "night"], 141),
        (["export", "night"], 141),
        (["watch", "night"], 141),
        (["import", "night", "-", "--dry-run"], 141),
        (["token", "list"], 141),
        (["--help"], 141),
        (["post", "--help"], 141),
        (["story", "create", "--help"], 141),
        # What changed something did, whoever hears of it.
        (["post", "night", "--headline", "Two", "--body", "<p>x</p>"], 0),
        (["edit", "night", "p1", "--headline", "Three", "--json"], 0),
        (["import", "night", "-"], 0),
    ],
)
def test_a_pipe_that_nobody_reads(shell, story, process, arguments, ends):
    shell("post", "night", "--headline", "One", "--id", "p1")
    shell("token", "create", "--name", "cms")
    reading, writing = os.pipe()
    os.close(reading)
    telling = process(*arguments, stdout=writing, stderr=writing if ends == 0 else subprocess.PIPE)
    os.close(writing)
    telling.stdin.write(b'{"id": "p2", "headline": "h"}')
    telling.stdin.close()
    assert telling.wait(20) == ends
    if telling.stderr:
        assert telling.stderr.read() == b""


def a_file(count: int) -> bytes:
    story = {"story": {"headline": "Many"}}
    posts = ({"id": f"p{n}", "headline": f"Post {n}", "body": "b" * 300} for n in range(count))
    return b"".join(json.dumps(row).encode() + b"\n" for row in [story, *posts])


def test_an_import_killed_in_the_middle_is_finished_by_a_rerun(shell, process, tmp_path):
    file = tmp_path / "many.jsonl"
    file.write_bytes(a_file(4000))
    importing = process("import", "many", str(file))
    deadline = time.monotonic() + 30
    while (held := _count(shell)) == 0:
        assert importing.poll() is None or _count(shell) == 4000
        assert time.monotonic() < deadline
    importing.kill()
    importing.wait()
    broken = _count(shell)
    assert held <= broken <= 4000
    report = shell.json("import", "many", str(file))
    assert report["skipped"] == broken
    assert report["added"] == 4000 - broken
    listed = [line.split("\t")[0] for line in shell("list", "many", "--all").stdout.splitlines()]
    assert listed == [f"p{n}" for n in range(4000)]


def _count(shell) -> int:
    return sum(held["post_count"] for held in shell.json("story", "list")["stories"])


def test_export_all_to_a_directory(shell, story, tmp_path):
    shell("post", story, "--headline", "One")
    shell("story", "create", "other", "--headline", "Other")
    shell("export", "--all", "--output", str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path / "out")) == ["night.jsonl", "other.jsonl"]
    assert (tmp_path / "out" / "night.jsonl").read_text() == shell("export", story).stdout
    shell("export", ends=2)
    shell("export", story, "--all", ends=2)


def test_several_workers_share_a_port_and_outlive_each_other(shell, story, process):
    server = process("serve", "--port", "0", "--workers", "2", "--drain-s", "0")
    address = server.stdout.readline().decode().split()[0]
    shell("story", "list")
    watching = [process("watch", story, "--json", "--url", address) for _ in range(4)]
    for one in watching:
        one.stdout.readline()
    shell("post", story, "--headline", "To all")
    for one in watching:
        assert json.loads(one.stdout.readline())["post"]["headline"] == "To all"
    assert read(f"{address}/readyz") == b"ready\n"
    # Whoever answers speaks for all.
    until_now(lambda: json.loads(read(f"{address}/stats"))["readers"] == 4)
    until_now(lambda: len(json.loads(read(f"{address}/stats"))["workers"]) == 2)
    # All readers may be with one worker; the other one has loaded the story once it was asked for it.
    until_now(
        lambda: (
            read(f"{address}/live/{story}/snapshot")
            and counted(read(f"{address}/metrics"), "stoppress_readers") == {"w1", "w2"}
        )
    )
    until_now(lambda: total(read(f"{address}/metrics"), "stoppress_readers") == 4)
    assert counted(read(f"{address}/metrics"), "process_resident_memory_bytes") == {"w1", "w2"}
    server.send_signal(signal.SIGINT)
    ended(server)


def test_after_a_worker_was_killed_everyone_who_is_asked_gives_the_one_right_answer(shell, story, process):
    """Those it held are gone from the sum at once, nobody counts twice, and its successor knows of the others."""
    server = process("serve", "--port", "0", "--workers", "2", "--drain-s", "0")
    address = server.stdout.readline().decode().split()[0]
    with contextlib.ExitStack() as stack:
        lines = []
        while len(held := sample_of(address, 2)["workers"]) < 2 or not all(one["readers"] for one in held.values()):
            lines.append(stack.enter_context(reader(address, story)))
            until_now(lambda: sample_of(address, 2)["readers"] == len(lines))
        victim = pids_of(server)[0]
        os.kill(victim, signal.SIGKILL)
        living = [line for line in lines if not is_lost(line)]
        assert 0 < len(living) < len(lines)
        # Alone, and then with the successor, who has a few seconds to hear of everybody.
        until_now(lambda: sample_of(address, 1)["readers"] == len(living))
        until_now(lambda: all(is_right(sample_of(address, 2), len(living)) for _ in range(20)))
        sample = sample_of(address, 2)
    said = f"(process {victim}) ended by SIGKILL with {len(lines) - len(living)} reader"
    assert said in sample["incidents"][0]["text"]
    server.send_signal(signal.SIGTERM)
    ended(server)


def is_right(sample: dict, readers: int) -> bool:
    return sample["readers"] == readers and {one["status"] for one in sample["workers"].values()} == {"ok"}


@contextlib.contextmanager
def reader(address: str, story: str) -> Iterator[socket.socket]:
    """A WebSocket that only listens."""
    host, _, port = address.removeprefix("http://").partition(":")
    head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            f"GET /live/{story}/ws HTTP/1.1\r\nHost: {host}\r\n{head}AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert line.recv(65536)
        yield line


def is_lost(line: socket.socket) -> bool:
    line.settimeout(0.5)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def sample_of(address: str, workers: int) -> dict:
    """From whichever worker answers, once it knows of so many."""
    found = {}

    def is_whole() -> bool:
        found.update(json.loads(read(f"{address}/stats")))
        return len(found["workers"]) >= workers

    until_now(is_whole)
    return found


def pids_of(server) -> list[int]:
    with open(f"/proc/{server.pid}/task/{server.pid}/children") as children:
        return [int(pid) for pid in children.read().split()]


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def total(metrics: bytes, name: str) -> float:
    """Of all workers."""
    return sum(float(line.split()[1]) for line in metrics.decode().splitlines() if line.startswith(f"{name}{{"))


def counted(metrics: bytes, name: str) -> set[str]:
    """The workers a metric names."""
    return set(re.findall(rf'^{name}{{.*worker="(\w+)"', metrics.decode(), re.MULTILINE))


def test_ctrl_c_with_a_reader_is_quick(story, process, measured):
    """Half a second where nothing else runs; the figure is printed."""
    server = process("serve", "--port", "0")
    address = server.stdout.readline().decode().split()[0]
    watching = process("watch", story, "--json", "--url", address)
    watching.stdout.readline()
    began = time.monotonic()
    server.send_signal(signal.SIGINT)
    ended(server)
    measured(f"Ctrl-C ends serve: {(time.monotonic() - began) * 1000:.0f} ms")
    assert time.monotonic() - began < 10, "it waited for the drain"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_cannot_start_says_why_and_ends(process, workers):
    server = process("serve", "--port", "0", "--workers", workers, "--redis", "redis://127.0.0.1:1")
    _, said = ended(server, 69)
    assert "redis://127.0.0.1:1 cannot be reached" in said


def test_a_port_that_is_taken_is_named(process):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _, said = ended(process("serve", "--port", port), 69)
    assert port in said
    assert "--port" in said


def test_a_post_imports_no_web_and_nothing_for_html_or_whole_stories(story, env):
    """What is imported is most of the time that `stoppress post` takes."""
    heavy = {"uvicorn", "starlette", "jinja2", "websockets", "prometheus_client", "http.client", "html.parser"}
    heavy |= {f"stoppress.newsroom.{name}" for name in ("html", "elsewhere", "pictures", "runs", "tags")}
    heavy |= {f"stoppress.desk.{name}" for name in ("transfer", "lines", "order", "remote")}
    script = (
        "import sys; from stoppress.cli.main import cli;"
        "cli.main(['post', 'night', '--headline', 'h', '--body', 'b'], standalone_mode=False);"
        f"print(*{heavy} & {{*sys.modules}})"
    )
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[1:] == [""]
    assert all(find_spec(name) for name in heavy), "it may not pass because a name was changed"
