"""The newsroom's side of a measurement: a data directory, its store, stories in it, tokens, and posts by the Desk.

Synchronous; one event loop inside. It holds the embedded store's lease, so the store outlives every server under test.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from stoppress.desk.desk import Desk
from stoppress.desk.tokens import Tokens
from stoppress.settings import Settings
from stoppress.store.single import EmbeddedServer
from stoppress.store.store import Store

from .machine import ends

WORDS = ("The harbour master said the ferry waits outside until the wind turns and the evening tide has passed " * 700)[
    : 64 * 1024 - 1
]


def stamp(number: int, at_ns: int | None = None) -> str:
    """What fanload counts."""
    return f"@T{at_ns or time.time_ns():019d}#{number}"


class Newsroom:
    """`store_pid`: the embedded store's process."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._runner = asyncio.Runner()
        self.store: Store = self.run(Store.open(Settings(data_dir=data_dir, store_grace_s=0)))
        self.desk = Desk(self.store)
        self.store_pid = int(self.run(self.store.server.client.info("server"))["process_id"])

    def __enter__(self) -> Newsroom:
        return self

    def __exit__(self, *_: object) -> None:
        # The last to leave has it shut down; but the folder is about to go, and a measurement leaves no process behind.
        self.run(self.store.aclose())
        self._runner.close()
        if not ends(self.store_pid, 10):
            os.kill(self.store_pid, signal.SIGTERM)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    @property
    def socket_path(self) -> str:
        assert isinstance(self.store.server, EmbeddedServer)
        return self.store.server.process.socket_path

    def token(self) -> str:
        return self.run(Tokens(self.store).create("load test"))[0]

    def story(self, slug: str, posts: int = 0, body: int = 600) -> None:
        """A live story with so many posts, whose bodies have so many characters."""
        self.run(self.desk.create_story({"slug": slug, "headline": "The storm reaches the coast"}))
        for _ in range(posts):
            self.post(slug, "A post from before", body)

    def post(self, slug: str, headline: str, body: int = 600) -> dict[str, Any]:
        return self.run(self.desk.publish(slug, {"headline": headline, "body": WORDS[:body]})).value

    def withdraw(self, slug: str, post_id: str) -> None:
        self.run(self.desk.withdraw(slug, post_id, "Taken back by the load test"))

    def commandstats(self) -> dict[str, int]:
        """Calls of each command so far, those from within scripts included."""
        told = self.run(self.store.server.client.info("commandstats"))
        return {name.removeprefix("cmdstat_"): held["calls"] for name, held in told.items()}

    def requests(self, slug: str, count: int, body: int, file: Path) -> None:
        """`count` posts as calls of the project's own script, ready to be sent (`fanload -X`): stamps are put in later.

        The Desk and the Store make them; only the last step, the sending, is taken out. (One real post teaches what
        an answer looks like.)
        """
        clock = iter(range(time.time_ns() // 1_000_000 + 1000, 1 << 62))  # times that no other post has
        desk = Desk(self.store, clock=lambda: next(clock))
        client = self.store.server.client
        evalsha, answers = client.evalsha, []

        async def learn(*call: Any) -> Any:
            answers.append(await evalsha(*call))
            return answers[-1]

        async def record(*call: Any) -> Any:
            encoded = resp(["EVALSHA", *call])
            out.write(struct.pack("<I", len(encoded)) + encoded)
            return answers[-1]

        with file.open("wb") as out:
            try:
                client.evalsha = learn  # type: ignore[method-assign]
                self.post(slug, "The last post before the flood", body)
                client.evalsha = record  # type: ignore[method-assign]
                for n in range(count):
                    self.run(desk.publish(slug, {"headline": stamp(n, 1), "body": WORDS[:body]}))
            finally:
                client.evalsha = evalsha  # type: ignore[method-assign]


def resp(parts: list[Any]) -> bytes:
    """A Redis command on the wire."""
    encoded = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded)
