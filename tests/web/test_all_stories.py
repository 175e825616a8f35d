"""All stories in one stream: what operators get of every change, whichever story it is in."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus


async def heard(socket, count: int) -> list[dict]:
    async with asyncio.timeout(15):
        return [orjson.loads(await socket.recv()) for _ in range(count)]


async def test_every_story_s_events_come_with_its_slug_and_resume_where_they_were(site):
    desk = site.desk
    for slug in ("flood", "fire"):
        await desk.create_story({"slug": slug, "headline": slug})
    await desk.publish("flood", {"headline": "Before"})
    url = site.socket_url("/live/ws")

    async with connect(url, proxy=None) as socket:
        opened = {told["slug"]: told for told in await heard(socket, 2)}
        assert {slug: (told["type"], told["events"]) for slug, told in opened.items()} == {
            "flood": ("resumed", []),
            "fire": ("resumed", []),
        }
        await desk.publish("fire", {"headline": "Smoke"})
        await desk.publish("flood", {"headline": "Water"})
        live = {told["slug"]: told for told in await heard(socket, 2)}
        assert live["fire"]["post"]["headline"] == "Smoke"
        assert (live["flood"]["type"], live["flood"]["seq"]) == ("post.published", 3)
        await desk.create_story({"slug": "storm", "headline": "storm"})
        (new,) = await heard(socket, 1)
        assert (new["slug"], new["type"]) == ("storm", "snapshot")

    await desk.publish("flood", {"headline": "Missed"})
    positions = {slug: f"{told['epoch']}:{told['seq']}" for slug, told in live.items()} | {"storm": "x:1"}
    async with connect(url, proxy=None) as socket:
        await socket.send(orjson.dumps({"type": "resume", "positions": positions}).decode())
        opened = {told["slug"]: told for told in await heard(socket, 3)}
    assert [event["post"]["headline"] for event in opened["flood"]["events"]] == ["Missed"]
    assert opened["fire"]["events"] == []
    assert opened["storm"]["type"] == "snapshot"


async def test_a_worker_that_loads_a_story_only_now_resumes_from_the_log(site_with):
    async with site_with() as first:
        made = await first.desk.create_story({"slug": "flood", "headline": "flood"})
        for n in range(3):
            await first.desk.publish("flood", {"headline": f"Missed {n}"})
    async with site_with() as second, connect(second.socket_url("/live/ws"), proxy=None) as socket:
        await socket.send(orjson.dumps({"type": "resume", "positions": {"flood": made.position}}).decode())
        (opened,) = await heard(socket, 1)
    assert opened["type"] == "resumed"
    assert [event["post"]["headline"] for event in opened["events"]] == ["Missed 0", "Missed 1", "Missed 2"]


async def test_a_story_that_was_deleted_meanwhile_is_said_to_be_once(site_with):
    async with site_with() as first:
        made = await first.desk.create_story({"slug": "flood", "headline": "flood"})
        await first.desk.create_story({"slug": "fire", "headline": "fire"})
        gone = await first.desk.delete_story("flood")
    for position, expected in ((made.position, [("flood", "story.deleted"), ("fire", "resumed")]), (gone.position, [])):
        async with site_with() as second, connect(second.socket_url("/live/ws"), proxy=None) as socket:
            positions = {"flood": position, "never": "x:1"}
            await socket.send(orjson.dumps({"type": "resume", "positions": positions}).decode())
            opened = [(event["slug"], event["type"]) for event in await heard(socket, 1 + bool(expected))]
        assert opened == (expected or [("fire", "resumed")])


async def test_who_watches_is_not_counted_as_a_reader(site):
    await site.desk.create_story({"slug": "flood", "headline": "flood"})
    async with connect(site.socket_url("/live/ws"), proxy=None) as socket:
        await heard(socket, 1)
        assert site.parts.hub.readers == 0


async def test_only_operators_are_let_in_and_only_until_their_token_is_revoked(site_with):
    async with site_with(host="0.0.0.0") as site:
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.socket_url("/live/ws"), proxy=None)
        assert refused.value.response.status_code == 401
        token, _ = await site.tokens.create("wall", role="viewer")
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(site.socket_url("/live/ws"), additional_headers=headers, proxy=None) as socket:
            await socket.send('{"type":"resume","positions":{}}')
            await site.tokens.revoke("wall")
            assert await close_code(socket) == 4401


async def test_nonsense_closes_the_stream(site):
    for first in ("hi", "{}", '{"type":"resume"}', '{"type":"resume","positions":[]}', "[" * 5000):
        async with connect(site.socket_url("/live/ws"), proxy=None) as socket:
            await socket.send(first)
            assert await close_code(socket) == 1008, first
    async with connect(site.socket_url("/live/ws"), proxy=None) as socket:
        await socket.send('{"type":"resume","positions":{}}')
        await socket.send("and more")
        assert await close_code(socket) == 1008


async def close_code(socket) -> int:
    """Reads on until the server closes."""
    async with asyncio.timeout(15):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code
