"""Watching a story from its store: in order, once, whatever happens to what is heard."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from doubles import Ear
from stoppress.cli.follow import follow_store
from stoppress.desk.desk import Desk
from stoppress.hub.position import Position
from stoppress.newsroom.errors import NotFoundError
from stoppress.store.channels import DeafError
from stoppress.store.store import Store


class Watcher:
    """Keeps what it is told, messages and notices apart."""

    def __init__(self, store: Store, position: Position | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.notices: list[str] = []
        self._follow = follow_store(store, "night", position, self.notices.append)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for message in self._follow:
            self.messages.append(message)

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.messages]

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._follow.aclose()


@pytest.fixture
async def desk(store: Store) -> Desk:
    made = Desk(store)
    await made.create_story({"slug": "night", "headline": "Night"})
    return made


@pytest.fixture
async def ear(desk: Desk) -> Ear:
    return Ear(desk.store.channels)


@pytest.fixture
async def watcher(desk: Desk, ear: Ear, until) -> AsyncIterator[Watcher]:
    made = Watcher(dataclasses.replace(desk.store, channels=ear))
    await until(lambda: made.seqs == [1])
    yield made
    await made.end()


async def test_what_happens_is_told_as_the_channel_has_it(desk: Desk, watcher: Watcher, until) -> None:
    for n in range(5):
        await desk.publish("night", {"headline": f"Post {n}"})
    await until(lambda: watcher.seqs == [1, 2, 3, 4, 5, 6])
    assert [message["type"] for message in watcher.messages] == ["snapshot", *["post.published"] * 5]
    assert not watcher.notices


async def test_a_lost_message_is_found_without_another_one(desk: Desk, watcher: Watcher, ear: Ear, until) -> None:
    ear.look = lambda _channel, _message: False
    await desk.publish("night", {"headline": "Nobody says so"})
    await until(lambda: watcher.seqs == [1, 2])
    assert len(ear.hearings) == 1


async def test_a_hole_is_filled_in_order(desk: Desk, watcher: Watcher, ear: Ear, until) -> None:
    ear.look = lambda _channel, message: orjson.loads(message)["seq"] != 2
    for n in range(3):
        await desk.publish("night", {"headline": f"Post {n}"})
    await until(lambda: watcher.seqs == [1, 2, 3, 4])


async def test_nonsense_on_the_channel_is_no_event(desk: Desk, watcher: Watcher, until) -> None:
    channel = desk.store.keys.channel("night")
    epoch = watcher.messages[0]["epoch"]
    for message in (b"", b"{", b"7", b"{}", orjson.dumps({"type": "post.published", "epoch": epoch, "seq": 2})):
        await desk.store.channels.say(channel, message)
    await desk.publish("night", {"headline": "One"})
    await until(lambda: watcher.seqs == [1, 2])
    assert watcher.messages[1]["post"]["headline"] == "One"
    assert not watcher.notices


async def test_who_is_deaf_says_so_once_and_hears_anew(desk: Desk, watcher: Watcher, ear: Ear, until) -> None:
    def deaf(_channel: str, _message: bytes) -> bool:
        ear.look = lambda _channel, _message: True
        raise DeafError("nothing heard for 5.0 s, not even the probe")

    ear.look = deaf
    await desk.publish("night", {"headline": "One"})
    await until(lambda: watcher.seqs == [1, 2] and len(ear.hearings) == 2)
    assert watcher.notices == ["the store is lost (nothing heard for 5.0 s, not even the probe); trying again"]
    await desk.publish("night", {"headline": "Two"})
    await until(lambda: watcher.seqs == [1, 2, 3])


async def test_a_deleted_story_ends_it_and_an_unknown_one_is_refused(desk: Desk, watcher: Watcher, until) -> None:
    await desk.delete_story("night")
    await until(lambda: watcher._task.done())
    assert watcher.messages[-1]["type"] == "story.deleted"
    unknown = follow_store(desk.store, "nope", None, print)
    with pytest.raises(NotFoundError):
        await anext(unknown)
