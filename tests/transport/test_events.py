"""The native stream as Server-Sent Events (PROTOCOL section 4), on a real server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from stoppress.transport.drain import drain


@dataclass
class Event:
    type: str
    id: str
    data: Any
    retry: str = ""


class Stream:
    """Reads the fields of the format, as the WHATWG's section 9.2.6 says."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.aiter_lines()

    async def blocks(self) -> AsyncIterator[dict[str, str]]:
        fields: dict[str, str] = {}
        async for line in self.lines:
            if not line:
                yield fields
                fields = {}
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value

    async def next(self, *, spared: bool = False) -> Event:
        """The next message that is not a count, nor a beat unless `spared`; every block is a comment or a message."""
        async for fields in self.blocks():
            assert "data" in fields or fields.keys() == {""}
            if "data" in fields and (spared or fields["event"] not in ("beat", "readers")):
                return Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]), fields.get("retry", ""))
        raise EOFError


@pytest.fixture
async def client(uvicorn: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=uvicorn.url, trust_env=False, timeout=10) as made:
        yield made


@contextlib.asynccontextmanager
async def streaming(client: httpx.AsyncClient, path: str = "/live/a/events", **headers: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", path, headers=headers) as answer:
        yield Stream(answer)


async def test_the_same_first_messages_and_events_with_positions_as_ids(uvicorn: Any, client: Any) -> None:
    await uvicorn.tell()
    async with streaming(client) as stream:
        hello = await stream.next()
        snapshot = await stream.next()
        told = await uvicorn.tell()
        event = await stream.next()

    assert stream.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.answer.headers["cache-control"] == "no-store, no-transform"
    assert stream.answer.headers["x-accel-buffering"] == "no"
    assert (hello.type, hello.id, hello.data["readers"]) == ("hello", "", 1)
    assert 1000 <= int(hello.retry) <= 5000
    assert (snapshot.type, snapshot.id, snapshot.data["seq"]) == ("snapshot", "e:1", 1)
    assert (event.type, event.id, event.data) == ("post.published", "e:2", told)


@pytest.mark.parametrize("name", ["Last-Event-ID", "last_event_id", "lastEventId", "lastEventID"])
async def test_the_last_event_id_resumes(uvicorn: Any, client: Any, name: str) -> None:
    """By header, or by a query as polyfills of EventSource spell it."""
    told = [await uvicorn.tell() for _ in range(3)]
    by_header = streaming(client, "/live/a/events?last_event_id=e:0", **{name: "e:1"})
    async with by_header if name == "Last-Event-ID" else streaming(client, f"/live/a/events?{name}=e:1") as stream:
        await stream.next()
        resumed = await stream.next()

    assert (resumed.type, resumed.id) == ("resumed", "e:3")
    assert resumed.data["events"] == told[1:]


async def test_what_would_break_a_line_is_carried_whole(uvicorn: Any, client: Any) -> None:
    async with streaming(client) as stream:
        await stream.next()
        await stream.next()
        text = "one\r\ntwo\rthree\n\nevent: fake\ndata: {}\u2028\x85"
        await uvicorn.tell("post.published", text)

        event = await stream.next()

    assert event.type == "post.published"
    assert event.data["post"]["headline"] == text


@pytest.mark.parametrize("sweep_s", [0.02])
async def test_silence_is_kept_warm_by_beats_that_a_page_can_hear(uvicorn: Any, client: Any) -> None:
    await uvicorn.tell()
    async with streaming(client) as stream:
        while (beat := await stream.next(spared=True)).type != "beat":
            pass

    assert (beat.id, beat.data["seq"]) == ("", 1)
    assert beat.data.keys() == {"type", "seq", "server_time"}


async def test_the_first_bytes_are_a_comment(uvicorn: Any, client: Any) -> None:
    async with client.stream("GET", "/live/a/events") as answer:
        assert (await anext(answer.aiter_lines())).startswith(":")


async def test_deletion_and_drain_end_the_stream(uvicorn: Any, client: Any) -> None:
    async with streaming(client) as stream:
        await stream.next()
        await stream.next()
        await drain(uvicorn.pump, 0.1)

        bye = await stream.next()
        assert (bye.type, int(bye.retry)) == ("bye", bye.data["retry_ms"])
        with pytest.raises(EOFError):
            await stream.next()
    uvicorn.hub.is_draining = False
    async with streaming(client) as stream:
        await stream.next()
        await stream.next()
        await uvicorn.tell("story.deleted")

        assert (await stream.next()).type == "story.deleted"
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_reader_that_leaves_is_noticed_in_silence(uvicorn: Any, client: Any, until: Any) -> None:
    async with streaming(client) as stream:
        await stream.next()
        assert uvicorn.hub.readers == 1

    await until(lambda: uvicorn.hub.readers == 0)


async def test_refusals_are_answers_with_a_reason(uvicorn: Any, client: Any) -> None:
    unknown = await client.get("/live/nowhere/events")
    await uvicorn.tell("story.deleted")
    deleted = await client.get("/live/a/events")
    uvicorn.hub.is_draining = True
    draining = await client.get("/live/a/events")

    answers = [(answer.status_code, answer.headers["content-type"]) for answer in (unknown, deleted, draining)]
    assert answers == [(status, "application/problem+json") for status in (404, 410, 503)]
    assert draining.headers["retry-after"] == "1"
    assert "nowhere" in unknown.json()["detail"]


async def test_head_asks_without_joining(uvicorn: Any, client: Any) -> None:
    answer = await client.head("/live/a/events")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert uvicorn.hub.counts.connects == 0
