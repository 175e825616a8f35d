"""Whatever is sent to the server, readers of another story get their events within a second."""

from __future__ import annotations

import asyncio
import time

import orjson
from websockets.asyncio.client import connect

JSON = {"Content-Type": "application/json"}
MARKDOWN = [
    "[" * 60_000,
    "*a " * 20_000,
    "> " * 30_000,
    "`" * 60_000,
    "<a " * 20_000,
    "![](" * 15_000,
    "\\" * 65_000,
    "a\n" * 30_000,
]
BODIES = [
    *(orjson.dumps({"headline": "Hostile", "body": body}) for body in MARKDOWN),
    b"[" * 1_000_000,
    b'{"headline":' + b'{"a":' * 150_000,
    b'{"headline":"a","keywords":[' + b'"a",' * 200_000 + b'"a"]}',
    b'{"headline":"a","authors":[' + b"{}," * 300_000 + b"{}]}",
    b'{"headline":"' + b"\\u202e" * 170_000 + b'"}',
    b"\x00" * 1_000_000,
]


async def test_hostile_requests_keep_nobody_waiting(site):
    await site.desk.create_story({"slug": "calm", "headline": "Calm"})
    editor = await site.as_("editor")
    await editor.post("/api/stories", json={"slug": "loud", "headline": "Loud"})
    late: list[float] = []
    async with connect(site.socket_url("/live/calm/ws"), proxy=None, max_size=None) as reader:
        await reader.recv()
        await reader.recv()
        for body in BODIES:
            hostile = asyncio.create_task(editor.post("/api/stories/loud/posts", content=body, headers=JSON))
            began = time.monotonic()
            await site.desk.publish("calm", {"headline": "All is well"})
            async with asyncio.timeout(5):
                while orjson.loads(await reader.recv())["type"] != "post.published":
                    pass
            late.append(time.monotonic() - began)
            answer = await hostile
            assert answer.status_code in (201, 400, 413), answer.text[:300]
            if answer.status_code != 201:
                assert answer.headers["content-type"] == "application/problem+json"
                assert len(answer.json()["detail"]) < 500
    assert max(late) < 1.0, late
