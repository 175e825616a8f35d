"""Hearing is confirmed, probed and ended by an error; nothing is heard twice, and no silence is taken for peace."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable

import pytest
from newsdesk import where

from proxy import DOWN, Proxy, proxying
from stoppress.newsroom.errors import StoreError, StoreRightsError
from stoppress.store.channels import DeafError, Hearing, Patience
from stoppress.store.store import Store

QUICK = Patience(tick_s=0.05, probe_s=0.1, deaf_s=0.4)


async def end_of(hearing: Hearing, heard: list[tuple[str, bytes]] | None = None) -> Exception:
    """What a hearing ends with; it never ends without."""
    said = [] if heard is None else heard
    with pytest.raises(StoreError) as raised:
        async with asyncio.timeout(10):
            await hearing.listen(lambda channel, message: said.append((channel, message)))
    return raised.value


@pytest.fixture
async def between(store: Store) -> AsyncIterator[tuple[Proxy, Store]]:
    """A store that reaches its server through a proxy."""
    async with proxying(where(store)) as made:
        redis = f"redis://127.0.0.1:{made.port}"
        far = await Store.open(dataclasses.replace(store.settings, redis=redis, store_timeout_s=1))
        yield made, far
        await far.aclose()


async def test_all_that_is_said_from_the_confirmation_on_is_heard_in_order(store: Store, until) -> None:
    heard: list[tuple[str, bytes]] = []
    async with store.channels.hear(store.keys.workers, by="t") as hearing:
        for n in range(3):  # before anybody listens
            await store.channels.say(store.keys.workers, b"%d" % n)
        listening = asyncio.create_task(hearing.listen(lambda channel, message: heard.append((channel, message))))
        for n in range(3, 200):
            await store.channels.say(store.keys.workers, b"%d" % n)
        await until(lambda: len(heard) == 200)
        listening.cancel()
    assert heard == [(store.keys.workers, b"%d" % n) for n in range(200)]


async def test_what_comes_between_the_confirmations_is_heard_too(store: Store, until) -> None:
    heard: list[tuple[str, bytes]] = []
    channel, probe = store.keys.workers, store.keys.probe("t")
    async with store.server.hearer() as pubsub:
        hearing = Hearing(pubsub, store.calls, probe, Patience())
        await hearing.confirm(pubsub.subscribe, channel)
        await store.channels.say(channel, b"early")
        await hearing.confirm(pubsub.subscribe, probe)
        listening = asyncio.create_task(hearing.listen(lambda channel, message: heard.append((channel, message))))
        await store.channels.say(channel, b"late")
        await until(lambda: len(heard) == 2)
        listening.cancel()
    assert heard == [(channel, b"early"), (channel, b"late")]


async def test_a_pattern_is_heard_with_the_channel_each_was_said_on(store: Store, until) -> None:
    heard: list[tuple[str, bytes]] = []
    async with store.channels.hear(store.keys.all_stories, by="t") as hearing:
        listening = asyncio.create_task(hearing.listen(lambda channel, message: heard.append((channel, message))))
        for slug in ("fire", "flood"):
            await store.channels.say(store.keys.channel(slug), slug.encode())
        await until(lambda: len(heard) == 2)
        listening.cancel()
    slugs = [(store.keys.slug(channel), message) for channel, message in heard]
    assert slugs == [("fire", b"fire"), ("flood", b"flood")]


async def test_a_silent_channel_stands_by_its_probes_which_nobody_sees(store: Store, until) -> None:
    heard: list[tuple[str, bytes]] = []
    async with store.channels.hear(store.keys.workers, by="t", patience=QUICK) as hearing:
        listening = asyncio.create_task(hearing.listen(lambda channel, message: heard.append((channel, message))))
        for _ in range(5):  # longer than it may be deaf
            before = hearing.heard_at
            await until(lambda before=before: hearing.heard_at > before)
        assert not listening.done()
        listening.cancel()
    assert heard == []


async def test_a_link_that_swallows_everything_ends_it(between: tuple[Proxy, Store]) -> None:
    made, far = between
    async with far.channels.hear(far.keys.workers, by="t", patience=QUICK) as hearing:
        made.swallow = {DOWN}
        error = await end_of(hearing)
    assert isinstance(error, DeafError)
    assert error.detail == "nothing heard for 0.4 s, not even the probe"


async def test_a_broken_link_ends_it_and_nothing_is_subscribed_again(
    between: tuple[Proxy, Store], store: Store, until
) -> None:
    made, far = between
    heard: list[tuple[str, bytes]] = []

    async def cut() -> None:
        await store.channels.say(store.keys.workers, b"before")
        await until(lambda: bool(heard))
        await made.cut()

    async def hear() -> None:
        async with far.channels.hear(far.keys.workers, by="t") as hearing:
            cutting = asyncio.create_task(cut())
            try:
                await hearing.listen(lambda channel, message: heard.append((channel, message)))
            finally:
                await cutting

    with pytest.raises(StoreError, match="cannot be reached"):
        await hear()
    assert heard == [(store.keys.workers, b"before")]

    async def subscribers() -> int:
        ((_, count),) = await store.server.client.pubsub_numsub(store.keys.workers)
        return int(count)

    await until(lambda: is_none(subscribers()))


async def is_none(count: Awaitable[int]) -> bool:
    return await count == 0


async def test_a_confirmation_that_does_not_come_is_not_waited_for(between: tuple[Proxy, Store]) -> None:
    made, far = between
    made.look = lambda _way, data: b"" if b"subscribe" in data else data  # the server's answer
    with pytest.raises(DeafError, match=r"did not confirm the subscription within 1 s"):
        async with far.channels.hear(far.keys.workers, by="t"):
            pytest.fail("it is not confirmed")


async def test_who_may_not_hear_or_probe_is_told_so(store: Store) -> None:
    name = f"{store.keys.probe('x').split(':')[0]}-ear"
    make = ["ACL", "SETUSER", name, "reset", "on", ">pw", "~*", "+@all", f"&{store.keys.workers}"]
    await store.server.client.execute_command(*make)
    far = await Store.open(dataclasses.replace(store.settings, redis=f"unix://{name}@{where(store)}?password=pw"))
    try:
        with pytest.raises(StoreRightsError, match=r"lacks the right &.*:probe:t"):
            async with far.channels.hear(far.keys.workers, by="t"):
                pytest.fail("it could not probe")
        with pytest.raises(StoreRightsError, match=r"lacks the right &.*:events"):
            async with far.channels.hear(far.keys.all_stories, by="t"):
                pytest.fail("it could not hear")
        await store.server.client.execute_command("ACL", "SETUSER", name, "allchannels", "-publish")
        async with far.channels.hear(far.keys.workers, by="t", patience=QUICK) as hearing:
            error = await end_of(hearing)
        assert "the probe could not be sent: the user" in str(error)
        assert "lacks the right +publish" in str(error)
        with pytest.raises(StoreRightsError):
            await far.channels.say(far.keys.workers, b"?")
    finally:
        await far.aclose()
        await store.server.client.execute_command("ACL", "DELUSER", name)
