"""Who is one too many is told so before its answer begins, over a WebSocket and as a stream alike."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from test_gate import answer, request, talk

from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport import admission
from streams import make_app, uvicorn_world

STREAM = b"GET /live/a/events HTTP/1.1\r\nHost: a\r\n\r\n"
ASKING = {"socket": request(), "stream": STREAM}


@pytest.mark.parametrize("asking", ASKING)
async def test_descriptors_are_left_for_others(monkeypatch: pytest.MonkeyPatch, asking: str) -> None:
    """Readers are refused first; when even that is not enough, everybody."""
    settings = Settings(port=0, drain_s=0.1)
    async with uvicorn_world(make_app(settings, Hub()), settings) as world:
        monkeypatch.setattr(admission, "SPARE", 1 << 30)
        async with talk(world.url) as (reader, writer), asyncio.timeout(5):
            writer.write(ASKING[asking])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 503 ")
        assert b"retry-after: 2\r\n" in head
        assert (sum(world.hub.counts.refusals.values()), world.hub.counts.connects) == (1, 0)
        assert (await answer(world.url, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))[0] == 404

        monkeypatch.setattr(admission, "LAST", 1 << 30)
        assert (await answer(world.url, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))[0] == 503


def test_too_few_descriptors_are_said_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SPARE", 1 << 30)
    with pytest.raises(admission.NoRoomError, match="ulimit -n: must be more than"):
        admission.check_descriptors()


@pytest.mark.parametrize("asking", ASKING)
async def test_no_more_are_accepted_in_a_second_than_told(asking: str) -> None:
    settings = Settings(port=0, drain_s=0.1, accepts_per_s=1)
    async with uvicorn_world(make_app(settings, Hub()), settings) as world:
        async with asyncio.timeout(10):
            status = b""
            while status != b"503":
                async with talk(world.url) as (reader, writer):
                    writer.write(ASKING[asking])
                    status = (await reader.readline()).split()[1]
        assert world.hub.counts.connects


@pytest.mark.parametrize("cap", ["story_readers", "address_readers", "max_readers"])
@pytest.mark.parametrize("asking", ASKING)
async def test_each_cap_refuses_before_the_answer_until_somebody_leaves(cap: str, asking: str, until: Any) -> None:
    welcome = b"HTTP/1.1 101 " if asking == "socket" else b"HTTP/1.1 200 "
    settings = Settings(port=0, drain_s=0.1, **{cap: 2})  # type: ignore[arg-type]
    async with uvicorn_world(make_app(settings, Hub(max_readers=settings.max_readers)), settings) as world:
        async with talk(world.url) as (one, first), talk(world.url) as (two, second):
            for reader, writer in ((one, first), (two, second)):
                writer.write(ASKING[asking])
                assert (await reader.readline()).startswith(welcome)
            async with talk(world.url) as (reader, writer):
                writer.write(ASKING[asking])
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 503 ")
            assert b"retry-after: " in head
            assert sum(world.hub.counts.refusals.values()) == 1
        await until(lambda: world.hub.readers == 0)

        async with talk(world.url) as (reader, writer):
            writer.write(ASKING[asking])
            assert (await reader.readline()).startswith(welcome)


@pytest.mark.parametrize("cap", ["story_readers", "address_readers", "max_readers"])
@pytest.mark.parametrize("asking", ASKING)
async def test_each_cap_holds_for_those_who_come_while_the_story_is_read(
    cap: str, asking: str, monkeypatch: Any
) -> None:
    """As all do after a restart."""
    settings = Settings(port=0, drain_s=0.1, **{cap: 2})  # type: ignore[arg-type]
    async with uvicorn_world(make_app(settings, Hub(max_readers=settings.max_readers)), settings) as world:
        relay, is_read = world.app.state.relay, asyncio.Event()
        ensure, waiting = relay.ensure, []

        async def slowly(slug: str) -> Any:
            waiting.append(slug)
            if len(waiting) == 5:
                is_read.set()
            await is_read.wait()
            return await ensure(slug)

        monkeypatch.setattr(relay, "at_hand", lambda _slug: None)
        monkeypatch.setattr(relay, "ensure", slowly)
        async with contextlib.AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(talk(world.url)) for _ in range(5)]
            for _, writer in lines:
                writer.write(ASKING[asking])
            told = sorted([int((await reader.readline()).split()[1]) for reader, _ in lines])
        assert told == [*[101 if asking == "socket" else 200] * 2, 503, 503, 503]
        assert sum(world.hub.counts.refusals.values()) == 3
