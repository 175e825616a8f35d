"""Eight editors at once, 500 publishes, `kill -9` of the hub and of the store in the middle: nothing acknowledged is
lost, nothing is there twice, and a reader that resumes sees each event once, in order.

Half of the editors are command-line processes on the data directory, half send bursts over HTTP. An editor whose
outcome is unknown does what the error says: it tells the same key again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from stoppress.settings import Settings
from stoppress.store.store import Store
from support import until

SLUG = "election"
POSTS = 500
EDITORS = 4  # at the command line
SHARE = 25  # posts of each of them, one after the other
BURST = 200  # publishes sent at once, over HTTP, around each kill
IN_FLIGHT = 100
TIMEOUT_S = 90


class Newsroom:
    """The processes of a small newsroom, and what was acknowledged to whom."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = Settings(data_dir=directory, port=self.port, store_grace_s=0)
        self.env = {
            **os.environ,
            "STOPPRESS_DATA_DIR": str(directory),
            "STOPPRESS_REDIS": "",
            "STOPPRESS_URL": "",
            "STOPPRESS_TOKEN": "",
            "STOPPRESS_STORE_GRACE_S": "0",
        }
        self.hub: asyncio.subprocess.Process | None = None
        self.token = ""
        self.acknowledged: list[str] = []
        self.in_flight = 0
        self.repeated = 0
        self._blow: Callable[[], None] | None = None
        self._before = 0
        self._struck: asyncio.Future[int] | None = None

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stoppress", *arguments),
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def start_hub(self) -> None:
        command = (sys.executable, "-m", "stoppress", "serve", "--port", str(self.port), "--drain-s", "0")
        null = asyncio.subprocess.DEVNULL
        # A group of its own, so that `kill_hub` ends the supervisor and its worker at one moment, as a power cut does.
        self.hub = await asyncio.create_subprocess_exec(
            *command, env=self.env, stdout=null, stderr=null, start_new_session=True
        )
        async with httpx.AsyncClient() as client:

            async def is_ready() -> bool:
                try:
                    return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(is_ready)

    def kill_hub(self) -> None:
        assert self.hub is not None
        os.killpg(self.hub.pid, signal.SIGKILL)

    async def strike(self, blow: Callable[[], None]) -> int:
        """Do it in the middle of a burst: when some were acknowledged, and many are in flight. How many were."""
        self._blow, self._before = blow, len(self.acknowledged)
        self._struck = asyncio.get_running_loop().create_future()
        return await self._struck

    def _acknowledge(self, id: str) -> None:
        # Here, not by looking from time to time: a hub that is fast answers a hundred between two looks.
        self.in_flight -= 1
        self.acknowledged.append(id)
        if self._blow and self._struck and self.in_flight > IN_FLIGHT and len(self.acknowledged) > self._before + 5:
            self._blow()
            self._struck.set_result(self.in_flight)
            self._blow = None

    # Editors

    async def publish_by_command(self, n: int) -> None:
        arguments = ["post", SLUG, "--headline", f"Command {n}", "--body", f"Count {n}.", "--json", "--retry", f"c-{n}"]
        self.in_flight += 1
        while True:
            code, out, err = await self.command(*arguments)
            if code == 0:
                break
            assert code in (69, 75), f"{code}: {err}"
            self.repeated += 1
        self._acknowledge(json.loads(out)["id"])

    async def publish_by_http(self, client: httpx.AsyncClient, n: int) -> None:
        self.in_flight += 1
        request = {"headline": f"Wire {n}", "body": f"Count {n}."}
        while True:
            try:
                answer = await client.post(
                    f"/api/stories/{SLUG}/posts", json=request, headers={"Idempotency-Key": f"h-{n}"}
                )
                if answer.status_code in (200, 201):
                    break
                assert answer.status_code == 503, answer.text
            except httpx.TransportError:
                pass
            self.repeated += 1
            await asyncio.sleep(0.1)  # as Retry-After asks, but sooner
        self._acknowledge(answer.json()["id"])

    async def burst(self, numbers: range) -> None:
        limits = httpx.Limits(max_connections=BURST)
        auth = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", limits=limits, headers=auth, timeout=20
        ) as client:
            await asyncio.gather(*(self.publish_by_http(client, n) for n in numbers))

    # A reader

    async def read(self, events: list[dict[str, Any]], seen: list[str]) -> None:
        """Follow the story until cancelled, resuming from where it was; every message type is noted in `seen`."""
        position = ""
        while True:
            try:
                async with connect(f"ws://127.0.0.1:{self.port}/live/{SLUG}/ws{position}") as reader:
                    async for text in reader:
                        message = json.loads(text)
                        seen.append(message["type"])
                        told = message["events"] if message["type"] == "resumed" else [message]
                        events += [event for event in told if event["type"].startswith("post.")]
                        if "epoch" in message:
                            position = f"?epoch={message['epoch']}&seq={message['seq']}"
            except (OSError, ConnectionClosed, TimeoutError):
                await asyncio.sleep(0.05)


@pytest.fixture
async def newsroom(short_dir: Path) -> AsyncIterator[Newsroom]:
    made = Newsroom(short_dir)
    await made.start_hub()
    code, out, err = await made.command("token", "create", "--name", "wire", "--role", "editor")
    assert code == 0, err
    made.token = out.strip()
    code, _, err = await made.command("story", "create", SLUG, "--headline", "Election night")
    assert code == 0, err
    yield made
    if made.hub and made.hub.returncode is None:
        made.hub.terminate()
        await made.hub.wait()


@pytest.mark.timeout(240)
async def test_nothing_acknowledged_is_lost_or_doubled(newsroom: Newsroom, measured: Callable[[str], None]) -> None:
    events: list[dict[str, Any]] = []
    seen: list[str] = []
    reading = asyncio.create_task(newsroom.read(events, seen))
    await until(lambda: "snapshot" in seen)
    store = await Store.open(newsroom.settings)

    async def editor(which: int) -> None:
        for n in range(which * SHARE, (which + 1) * SHARE):
            await newsroom.publish_by_command(n)

    async with asyncio.timeout(TIMEOUT_S * 2):
        commands = [asyncio.create_task(editor(which)) for which in range(EDITORS)]
        first = asyncio.create_task(newsroom.burst(range(BURST)))
        around_hub = await newsroom.strike(newsroom.kill_hub)
        assert newsroom.hub
        await newsroom.hub.wait()
        await newsroom.start_hub()
        await first

        server = int((await store.server.client.info("server"))["process_id"])
        second = asyncio.create_task(newsroom.burst(range(BURST, 2 * BURST)))
        around_store = await newsroom.strike(lambda: os.kill(server, signal.SIGKILL))
        await second
        await asyncio.gather(*commands)

    assert around_hub >= IN_FLIGHT
    assert around_store >= IN_FLIGHT
    assert newsroom.repeated > 0, "nothing was in doubt, so nothing was tested"
    assert len(newsroom.acknowledged) == len(set(newsroom.acknowledged)) == POSTS

    held = await store.reads.story(SLUG)
    stored = await store.server.client.hgetall(store.keys.of(SLUG, "posts"))
    log = await store.server.client.xrange(store.keys.of(SLUG, "log"))
    assert {id.decode() for id in stored} == set(newsroom.acknowledged)
    assert held.totals.post_count == len({json.loads(post)["headline"] for post in stored.values()}) == POSTS
    assert [int(entry.partition(b"-")[0]) for entry, _ in log] == list(range(1, held.seq + 1))
    await store.aclose()

    await until(lambda: bool(events) and events[-1]["seq"] == held.seq)
    reading.cancel()
    assert seen.count("snapshot") == 1, "it resumed every time"
    assert seen.count("resumed") >= 1
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], held.seq + 1))
    assert {event["post"]["id"] for event in events} == set(newsroom.acknowledged)
    measured(
        f"{POSTS} publishes acknowledged over two kills, with {around_hub} and {around_store} in flight: "
        f"{newsroom.repeated} tried again, none lost or doubled; the reader resumed {seen.count('resumed')} times"
    )
