"""`stoppress demo`: what it comes with, and the whole of it as a newcomer runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
import websockets.asyncio.client

from stoppress.demo import script
from stoppress.desk.transfer import check_file
from stoppress.newsroom.times import parse_time
from support import require_proc

ASSETS = Path(__file__).parents[2] / "client_demo"
NOW = 1_790_000_000_000
START_S = 30.0


def posts() -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in map(orjson.loads, script.backlog(NOW)[1:])}


def test_the_backlog_is_a_day_that_ends_now() -> None:
    file = check_file(script.SLUG, script.backlog(NOW))
    head, entries = file.head, file.entries
    assert not file.ids
    assert head is not None
    assert head.pinned == "what-we-know"
    assert len(entries) >= 20
    newest, oldest = (parse_time(entries[n].post.date_published) for n in (0, -1))
    assert newest == NOW - script.NEWEST_AGE_MS
    assert 8 < (newest - oldest) / 3_600_000 < 14
    for entry in entries:
        for said in entry.post.corrections:
            assert parse_time(entry.post.date_published) < parse_time(said.date_published) < NOW
    shown = [entry.post for entry in entries]
    assert sum(post.is_key_event for post in shown) >= 5
    assert sum(post.is_breaking for post in shown) == 2
    assert any(post.corrections and post.date_modified > post.date_published for post in shown)
    assert any(post.status == "withdrawn" and post.withdrawal_note for post in shown)


def test_every_step_can_be_taken() -> None:
    bodies = {id: post["body"] for id, post in posts().items()}
    for step in script.steps():
        if "publish" in step:
            draft = script.draft(step["publish"])
            assert draft["id"] not in bodies
            bodies[draft["id"]] = draft["body"]
            continue
        id = next((step[name] for name in ("edit", "correct", "withdraw", "pin") if name in step), None)
        assert id is None or id in bodies
        if "replace" in step:
            old, new = step["replace"]
            assert bodies[id].count(old) == 1
            bodies[id] = bodies[id].replace(old, new)


def test_a_new_post_is_never_far() -> None:
    pause = 0.0
    for step in script.steps():
        pause += step["after_s"]
        if "publish" in step:
            assert pause <= 9  # a second more until a new reader is noticed
            pause = 0


def test_every_picture_is_there_small_harmless_and_described() -> None:
    given = [*posts().values(), *(script.draft(step["publish"]) for step in script.steps() if "publish" in step)]
    images = [image for post in given for image in post.get("images", [])]
    assert len(images) >= 6
    for image in images:
        assert image["alt"]
        assert image["caption"]
        assert image["credit_text"]
        file = ASSETS / image["url"].lstrip("/")
        assert file.stat().st_size < 40_000
        root = ElementTree.parse(file).getroot()
        assert (int(root.attrib["width"]), int(root.attrib["height"])) == (image["width"], image["height"])
        for element in root.iter():
            assert not element.tag.endswith(("script", "foreignObject"))
            assert not any(name.startswith("on") or "href" in name for name in element.attrib)


class Demo:
    """`stoppress demo` in a process group of its own, as a terminal starts it."""

    def __init__(self, home: Path, *options: str) -> None:
        # Not a directory of the sources: everything must come from the installed package.
        self.log = home / "said.txt"
        plain = {name: held for name, held in os.environ.items() if not name.startswith(("STOPPRESS_", "PORT"))}
        plain |= {"STOPPRESS_STORE_GRACE_S": "0", "XDG_DATA_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        # What a newsroom may have set for its own server is not the demo's.
        plain |= {"STOPPRESS_REDIS": "redis://127.0.0.1:1", "STOPPRESS_PREFIX": "newsroom"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stoppress", "demo", *options],
                cwd=home,
                env=plain,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, pattern: str) -> str:
        until = time.monotonic() + START_S
        while not (found := re.search(pattern, self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.02)
        return found.group(1)

    def story(self) -> str:
        return self.wait_for(r"the story +(http://\S+)")

    def processes(self) -> list[int]:
        """Of ours, who is still there, zombies aside: the server and the replay."""
        require_proc()
        mark = f"XDG_DATA_HOME={self.log.parent}\0".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # Of a zombie both are empty.
                is_ours = mark in (process / "environ").read_bytes()
                if is_ours and b"\0-m\0stoppress" in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole group of the terminal."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(START_S)


@pytest.fixture
def demo(short_dir: Path) -> Iterator[Any]:
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        started.append(Demo(short_dir, *options))
        return started[-1]

    yield start
    for one in started:
        one.interrupt()


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


async def test_a_page_of_posts_and_one_more_within_ten_seconds(demo: Any) -> None:
    running = demo("--port", "0")
    story = running.story()
    page = await asyncio.to_thread(read, story)
    assert len(set(re.findall(r'id="post-([\w-]+)"', page))) >= 20
    async with asyncio.timeout(10), websockets.asyncio.client.connect(story.replace("http", "ws") + "/ws") as link:
        async for text in link:
            event = orjson.loads(text)
            if event["type"] == "post.published":
                break
    assert event["post"]["headline"] not in page
    assert len(running.processes()) >= 2  # the server, and the process that sent it
    assert running.interrupt() == 0
    assert running.processes() == []
    assert "Traceback" not in running.said


async def test_the_whole_story_to_its_end_and_again(demo: Any, tmp_path: Path) -> None:
    running = demo("--port", "0", "--speed", "100")
    story = running.story()
    seqs = []
    async with asyncio.timeout(START_S), websockets.asyncio.client.connect(story.replace("http", "ws") + "/ws") as link:
        async for text in link:
            event = orjson.loads(text)
            seqs += [event["seq"]] if "at" in event else []
            if event["type"] == "story.ended":
                break
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    running.wait_for("(The story has ended)")
    assert "left out" not in running.said
    state = orjson.loads(await asyncio.to_thread(read, story + "/snapshot"))
    assert len(state["posts"]) == len(posts()) + sum("publish" in step for step in script.steps())
    assert state["story"]["status"] == "ended"
    assert state["posts"][0]["id"] == "thank-you"
    assert state["pinned"]["id"] == "what-we-know"
    by_id = {post["id"]: post for post in state["posts"]}
    assert by_id["last-push-early"]["status"] == "withdrawn"
    assert "1989" not in by_id["push-fifty"]["content_html"]
    assert by_id["push-fifty"]["corrections"]
    assert f"{story}/posts/" in await pasted(running, tmp_path)
    assert running.interrupt() == 0

    again = demo("--port", "0")
    assert again.story().endswith(f"/live/{script.SLUG}-2")
    assert await asyncio.to_thread(stories, again) == [f"{script.SLUG}-2"]


async def test_a_demo_that_was_killed_leaves_nothing_for_long_and_one_that_runs_is_left_alone(demo: Any) -> None:
    killed = demo("--port", "0")
    killed.story()
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    second = demo("--port", "0")
    second.story()
    assert await asyncio.to_thread(stories, second) == [f"{script.SLUG}-2"]
    third = demo("--port", "0")
    third.story()
    assert await asyncio.to_thread(stories, third) == [f"{script.SLUG}-2", f"{script.SLUG}-3"]


def stories(running: Demo) -> list[str]:
    """The slugs of the index."""
    index = read(running.story().partition("/live/")[0])
    return sorted(set(re.findall(r'href="/live/([a-z0-9-]+)"', index)))


def test_its_store_is_its_own_and_it_counts_as_the_page_does(demo: Any, short_dir: Path) -> None:
    running = demo("--port", "0")
    page = read(running.story())
    told = int(running.wait_for(r"(\d+) posts are on the page"))
    assert re.search(r'id="count"[^>]*>\s*(\d+)', page)[1] == str(told)
    assert (short_dir / "stoppress-demo" / "store").is_dir()
    assert not (short_dir / "stoppress").exists()


async def pasted(running: Demo, cwd: Path) -> str:
    """What the command that it prints says in another terminal."""
    command = running.wait_for(r"\n +(\S.* post .*)\n")
    assert shlex.split(command)[0].startswith("/")
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", command], cwd=cwd, env=bare, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_command_it_prints_works_in_another_terminal(demo: Any, tmp_path: Path) -> None:
    running = demo("--port", "0")
    story = running.story()
    assert f"{story}/posts/" in await pasted(running, tmp_path)
    assert "Hello from another terminal" in await asyncio.to_thread(read, story + "/snapshot")


def test_a_taken_port_is_left_alone(demo: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = demo("--port", str(taken.getsockname()[1]))
        assert refused.process.wait(START_S) == 69
        assert "--port" in refused.said
        assert "Traceback" not in refused.said
    with socket.socket() as usual:
        usual.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # taken already is as good
            usual.bind(("127.0.0.1", 8000))
            usual.listen()
        other = demo()
        assert other.wait_for(r"Port 8000 is taken; using (\d+)\.") in other.story()


def test_nothing_goes_on_without_it(demo: Any) -> None:
    running = demo("--port", "0", "--speed", "10")
    running.wait_for("(published)")
    assert len(running.processes()) == 2
    running.process.kill()
    until = time.monotonic() + START_S
    while running.processes():
        assert time.monotonic() < until
        time.sleep(0.05)
