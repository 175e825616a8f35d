"""Fifty TCP resets between everybody and Redis while editors publish: no task of the hub dies, nobody is told of a
mistake of ours, every retried key is stored once, and a message swallowed afterwards is made up for within 8 s.

A reset is not like an end: the stream is not at its end, and uvloop raises a bare RuntimeError from the next write.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from invariants import faults_of
from proxy import DOWN, Proxy, proxying
from stoppress.desk.desk import Desk
from stoppress.desk.tokens import Tokens
from stoppress.settings import Settings
from stoppress.store.store import Store
from support import until, until_now

SLUG = "election"
RESETS = 50
HEALED_S = 8.0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def redis_port(require: Callable[[str], str], short_dir: Path) -> Iterator[int]:
    port = free_port()
    command = [
        require("redis-server"),
        "--port",
        str(port),
        "--dir",
        str(short_dir),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", port)) == 0

    until_now(answers)
    yield port
    server.terminate()
    server.wait(10)


@dataclass
class Newsroom:
    """A hub in a process of its own, and its editors; all of them reach Redis through `proxy`, `store` does not."""

    proxy: Proxy
    store: Store
    url: str
    token: str
    env: dict[str, str]
    log: Path
    acknowledged: list[str] = field(default_factory=list)
    repeated: int = 0
    is_over: bool = False

    async def editor_at_the_api(self, name: int) -> None:
        auth = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=auth, timeout=30) as client:
            n = 0
            while not self.is_over:
                n += 1
                headline, key = f"Wire {name}-{n}", f"h-{name}-{n}"
                while True:
                    answer = await client.post(
                        f"/api/stories/{SLUG}/posts", json={"headline": headline}, headers={"Idempotency-Key": key}
                    )
                    if answer.status_code in (200, 201):
                        break
                    assert answer.status_code == 503, answer.text
                    assert (answer.json()["key"], answer.headers["retry-after"]) == (key, "1")
                    self.repeated += 1
                self.acknowledged.append(headline)
                await asyncio.sleep(0.02)

    async def editor_at_the_command_line(self, name: int) -> None:
        n = 0
        while not self.is_over:
            n += 1
            headline, key = f"Command {name}-{n}", f"c-{name}-{n}"
            while True:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "stoppress", "post", SLUG, "--headline", headline, "--retry", key),
                    env=self.env,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
                _, err = await process.communicate()
                if process.returncode == 0:
                    break
                assert process.returncode in (69, 75), err.decode()
                assert f"--retry {key}" in err.decode()
                self.repeated += 1
            self.acknowledged.append(headline)

    async def headlines(self) -> list[str]:
        """The newest ones, as the hub has them."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.get(f"/live/{SLUG}/snapshot")
            told: dict[str, Any] = answer.json()
            return [post["headline"] for post in told["posts"]]

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
async def newsroom(redis_port: int, short_dir: Path) -> AsyncIterator[Newsroom]:
    settings = Settings(data_dir=short_dir, redis=f"redis://127.0.0.1:{redis_port}")
    store = await Store.open(settings)
    await Desk(store).create_story({"slug": SLUG, "headline": "Election night"})
    token, _ = await Tokens(store).create("wire", role="editor", story="*")
    async with proxying(("127.0.0.1", redis_port)) as proxy:
        port, log = free_port(), short_dir / "serve.log"
        env = {**os.environ, "STOPPRESS_REDIS": f"redis://127.0.0.1:{proxy.port}", "STOPPRESS_URL": ""}
        env |= {"STOPPRESS_DATA_DIR": str(short_dir), "STOPPRESS_TOKEN": "", "STOPPRESS_STORE_TIMEOUT_S": "3"}
        command = (sys.executable, "-m", "stoppress", "serve", "--port", str(port), "--drain-s", "0")
        with log.open("wb") as said:
            hub = await asyncio.create_subprocess_exec(*command, env=env, stdout=said, stderr=said)
        made = Newsroom(proxy, store, f"http://127.0.0.1:{port}", token, env, log)
        try:
            await until(made.is_ready)
            yield made
        finally:
            hub.terminate()
            await hub.wait()
            await store.aclose()


async def test_fifty_resets_under_publishing(newsroom: Newsroom) -> None:
    assert await newsroom.headlines() == []  # the story is at the hub from here on
    editors = [newsroom.editor_at_the_api(n) for n in range(4)] + [newsroom.editor_at_the_command_line(0)]
    working = [asyncio.create_task(editor) for editor in editors]
    ended = 0
    for n in range(RESETS):
        # Among work, and now and then in the quiet, when pooled connections find out at their next use.
        await asyncio.sleep(0.05 if n % 10 else 0.5)
        ended += await newsroom.proxy.reset()
    newsroom.is_over = True
    await asyncio.wait_for(asyncio.gather(*working), 60)
    assert ended > RESETS  # connections, that is

    posts, _ = await newsroom.store.reads.page(SLUG, limit=10_000)
    assert sorted(post.headline for post in posts) == sorted(newsroom.acknowledged)
    assert await faults_of(newsroom.store.server.client, newsroom.store.settings.prefix) == []

    for _ in range(6):  # with nobody at work but the hub's own tasks
        await asyncio.sleep(0.3)
        await newsroom.proxy.reset()
    await until(newsroom.is_ready)
    await until(lambda: _is_level(newsroom))

    swallowed = []

    def swallow(way: str, data: bytes) -> bytes:
        if way == DOWN and b"Unheard" in data and b"pmessage" in data:
            swallowed.append(data)
            return b""
        return data

    newsroom.proxy.look = swallow
    await Desk(newsroom.store).publish(SLUG, {"headline": "Unheard"})
    began = time.monotonic()
    await until(lambda: _has(newsroom, "Unheard"))
    assert swallowed
    assert time.monotonic() - began < HEALED_S
    assert await newsroom.is_ready()

    said = newsroom.log.read_text()
    assert "Traceback" not in said, said
    assert "failed" not in said, said
    assert newsroom.repeated < len(newsroom.acknowledged)


async def _is_level(newsroom: Newsroom) -> bool:
    newest, _ = await newsroom.store.reads.page(SLUG, limit=1)
    return (await newsroom.headlines())[0] == newest[0].headline


async def _has(newsroom: Newsroom, headline: str) -> bool:
    return headline in await newsroom.headlines()
