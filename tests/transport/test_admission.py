"""Who is one too many is told so before its answer begins, over a WebSocket and as a stream alike."""

from __future__ import annotations

import asyncio
import contextlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from test_gate import answer, request, talk

from stoppress.hub.feed import Feed
from stoppress.hub.hub import Hub
from stoppress.newsroom.errors import StoreError
from stoppress.settings import Settings
from stoppress.transport import admission
from streams import Loaded, make_app, uvicorn_world

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


def test_too_few_descriptors_are_said_before_the_start() -> None:
    with pytest.raises(admission.NoRoomError, match="ulimit -n: must be more than"):
        admission.check_descriptors(spare=1 << 30)


@pytest.mark.parametrize("why", ["stopping", "full", "story", "address", "pace", "store"])
async def test_a_refusal_is_the_same_over_a_socket_and_as_a_stream(why: str, monkeypatch: Any) -> None:
    """Status, words, type and when to come back."""
    limits = {"story": {"story_readers": 1}, "address": {"address_readers": 1}, "pace": {"accepts_per_s": 1}}
    settings = Settings(port=0, drain_s=0.1, **limits.get(why, {}))  # type: ignore[arg-type]
    hub = Hub()
    relay = Away(hub)
    app = make_app(settings, hub, relay=relay)
    async with uvicorn_world(app, settings) as world, talk(world.url) as (reader, writer):
        writer.write(STREAM)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        world.hub.is_draining = why == "stopping"
        world.hub.max_readers = why == "full"
        if why == "pace":
            monkeypatch.setattr(
                admission, "time", SimpleNamespace(monotonic=lambda: 0.0)
            )  # all of it within one second
            async with talk(world.url) as (first, asking):
                asking.write(STREAM)
                assert (await first.readline()).startswith(b"HTTP/1.1 200 ")
        relay.is_away = why == "store"
        told = [await problem_of(world.url, one) for one in ASKING.values()]

        assert told[0] == told[1]
        later, problem = told[0]
        assert int(later) >= 1
        assert (problem["status"], problem["type"]) == (503, f"urn:stoppress:{'store' if why == 'store' else 'busy'}")
        assert world.hub.counts.refusals[why] >= 2


class Away(Loaded):
    """A relay that has nothing at hand when its store goes away."""

    is_away = False

    def at_hand(self, slug: str) -> Feed | None:
        return None if self.is_away else super().at_hand(slug)

    async def ensure(self, slug: str) -> Feed:
        if self.is_away:
            raise StoreError("the store is away")
        return await super().ensure(slug)


async def problem_of(url: str, asked: bytes) -> tuple[str, dict[str, Any]]:
    async with talk(url) as (reader, writer), asyncio.timeout(5):
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        assert fields["content-type"] == "application/problem+json"
        return fields["retry-after"], json.loads(await reader.readexactly(int(fields["content-length"])))


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


class Reading(Loaded):
    """A relay that reads a story when five have asked for it."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self._five = asyncio.Barrier(5)

    def at_hand(self, slug: str) -> Feed | None:
        return None

    async def ensure(self, slug: str) -> Feed:
        await self._five.wait()
        return await super().ensure(slug)


@pytest.mark.parametrize("cap", ["story_readers", "address_readers", "max_readers"])
@pytest.mark.parametrize("asking", ASKING)
async def test_each_cap_holds_for_those_who_come_while_the_story_is_read(cap: str, asking: str) -> None:
    """As all do after a restart."""
    settings = Settings(port=0, drain_s=0.1, **{cap: 2})  # type: ignore[arg-type]
    hub = Hub(max_readers=settings.max_readers)
    async with uvicorn_world(make_app(settings, hub, relay=Reading(hub)), settings) as world:
        async with contextlib.AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(talk(world.url)) for _ in range(5)]
            for _, writer in lines:
                writer.write(ASKING[asking])
            told = sorted([int((await reader.readline()).split()[1]) for reader, _ in lines])
        assert told == [*[101 if asking == "socket" else 200] * 2, 503, 503, 503]
        assert sum(world.hub.counts.refusals.values()) == 3
