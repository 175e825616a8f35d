"""The relay on real servers: every change arrives once and in order, whatever happens to the link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest
from tests_store_helpers import create, draft

from stoppress.hub.hub import Hub, Limits
from stoppress.hub.position import Position
from stoppress.hub.reader import Reader
from stoppress.newsroom import rules
from stoppress.newsroom.errors import GoneError, NotFoundError
from stoppress.store import relay as module
from stoppress.store.relay import Relay
from stoppress.store.store import Store


class Listener(Reader):
    """Keeps every message its feed hands over."""

    def __init__(self, hub: Hub, feed) -> None:
        super().__init__()
        self.heard: list[dict] = []
        self.feed = feed
        feed.join(self)
        self.wake()

    def wake(self) -> None:
        if batch := self.feed.take(self):
            self.heard += [frame.message for frame in batch.frames]

    def note(self, notice) -> None:
        self.heard.append(notice.message)

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.heard if "seq" in message]


@contextlib.asynccontextmanager
async def relaying(store: Store, name: str = "w1") -> AsyncIterator[Relay]:
    hub = Hub(Limits())

    def work() -> None:
        for _ in hub.work():
            pass

    hub.on_work = lambda: asyncio.get_running_loop().call_soon(work)
    relay = Relay(store, hub, store.settings, name)
    task = asyncio.create_task(relay.run())
    await asyncio.wait_for(relay.heard.wait(), 10)
    try:
        yield relay
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def relay(store: Store) -> AsyncIterator[Relay]:
    async with relaying(store) as made:
        yield made


async def test_changes_arrive_in_order_and_equal_the_store(relay: Relay, store: Store, until) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)

    for n in range(30):
        await store.commit("fire", draft(f"p{n}", now=n))
    await until(lambda: feed.seq == 31)

    assert reader.seqs == list(range(1, 32))
    loaded = await store.load("fire", 100)
    assert orjson.dumps(feed.state.snapshot(50, 1 << 20)) == orjson.dumps(loaded.snapshot(50, 1 << 20))


async def test_a_story_loaded_while_it_changes_has_no_hole(relay: Relay, store: Store, until) -> None:
    await create(store)

    async def publish() -> None:
        for n in range(40):
            await store.commit("fire", draft(f"p{n}", now=n))

    async def join() -> list[Listener]:
        found = []
        for _ in range(20):
            feed = await relay.ensure("fire")
            found.append(Listener(relay.hub, feed))
            relay.hub.feeds.pop("fire")  # as if it had never been loaded
            await asyncio.sleep(0)
        return found

    await asyncio.gather(publish(), join())
    feed = await relay.ensure("fire")
    await until(lambda: feed.seq == 41)
    assert feed.state.story["post_count"] == 40


async def test_a_severed_subscription_is_resumed_from_the_log(relay: Relay, store: Store, until) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)

    for n in range(20):
        if n % 5 == 0:
            await store.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await store.commit("fire", draft(f"p{n}", now=n))
    await until(lambda: feed.seq == 21)

    assert reader.seqs == list(range(1, 22))
    assert [message["type"] for message in reader.heard].count("snapshot") == 1


async def test_a_lost_message_is_found_without_another_one(relay: Relay, store: Store, until, monkeypatch) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    monkeypatch.setattr(relay, "_handle", lambda _message: None)
    await store.commit("fire", draft("a"))
    await relay.check_tops()
    await until(lambda: feed.seq == 2)


async def test_an_import_is_one_snapshot(relay: Relay, store: Store, until) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)
    held = await store.story("fire")
    posts = [draft(f"p{n}", now=n * 1000).post for n in range(60)]
    await store.import_batch("fire", None, held.totals, posts[:30], ["x"] * 30, False)
    await store.import_batch("fire", None, held.totals, posts[30:], ["x"] * 30, True)
    await until(lambda: feed.state.story["post_count"] == 60)
    await until(lambda: reader.seq == feed.seq)
    assert [message["type"] for message in reader.heard] == ["snapshot", "snapshot"]


async def test_unknown_and_deleted_stories(relay: Relay, store: Store, until) -> None:
    with pytest.raises(NotFoundError):
        await relay.ensure("fire")
    with pytest.raises(NotFoundError):
        await relay.ensure("Not a slug")
    await create(store)
    await until(lambda: "fire" not in relay._unknown)
    feed = await relay.ensure("fire")
    await store.commit("fire", rules.delete_story((await store.story("fire")).story, 5))
    await until(lambda: feed.deleted)
    with pytest.raises(GoneError):
        await relay.ensure("fire")


async def test_a_reader_ahead_of_the_hub_makes_it_read_the_log(relay: Relay, store: Store, monkeypatch) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    monkeypatch.setattr(relay, "_handle", lambda _message: None)
    done = await store.commit("fire", draft("a"))
    assert (await relay.at_least("fire", Position(done.epoch, done.seq))).seq == done.seq
    # Ahead of the store too: nothing to wait for, and the epoch stands.
    assert (await relay.at_least("fire", Position(done.epoch, 99))).epoch == feed.epoch == done.epoch


async def test_a_forked_log_gets_a_new_epoch_once(relay: Relay, store: Store, until) -> None:
    """A failover that lost the tail: the hubs hold events whose numbers will be given again."""
    await create(store)
    await store.commit("fire", draft("a"))
    feed = await relay.ensure("fire")
    async with relaying(store, "w2") as other:
        twin = await other.ensure("fire")
        was = feed.epoch
        meta, events = store.keys.of("fire", "meta"), store.keys.of("fire", "log")
        await store.client.hset(meta, "seq", 1)
        await store.client.xtrim(events, maxlen=0)
        await store.client.delete(events)
        await store.client.xadd(events, {"type": "reset", "at": "", "story": "{}"}, id="1-0")
        await asyncio.gather(relay.check_tops(), other.check_tops())
        await until(lambda: feed.epoch == twin.epoch != was)
        assert (await store.story("fire")).epoch == feed.epoch


async def test_garbage_on_the_channel_is_ignored(relay: Relay, store: Store, until) -> None:
    done = await create(store)
    feed = await relay.ensure("fire")
    channel = store.keys.channel("fire")
    next_one = {"type": "post.published", "epoch": done.epoch, "seq": 2}
    for data in (b"\xff", b"[]", b"7", b"{}", b'{"type":[]}', orjson.dumps(next_one)):
        await store.client.publish(channel, data)
    await store.commit("fire", draft("a"))
    await until(lambda: feed.seq == 2)
    assert feed.state.posts[0]["id"] == "a"


async def test_deaf_is_noticed_and_mended(relay: Relay, store: Store, until, monkeypatch) -> None:
    """The link stays up and swallows everything, as a half-open one does."""
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)
    monkeypatch.setattr(module, "PROBE_S", 0.2)
    monkeypatch.setattr(module, "DEAF_S", 0.6)
    monkeypatch.setattr(module, "TICK_S", 0.1)
    probe, relay._probe = relay._probe, "elsewhere"
    await until(lambda: relay.deaf_since is not None)
    await until(lambda: any(message["type"] == "stale" for message in reader.heard))
    relay._probe = probe
    await until(lambda: relay.deaf_since is None)
    await until(lambda: any(message["type"] == "live" for message in reader.heard))


async def test_an_idle_story_is_let_go(relay: Relay, store: Store, monkeypatch) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    monkeypatch.setattr(relay, "_idle_s", -1.0)
    reader = Listener(relay.hub, feed)
    relay._let_go()
    assert "fire" in relay.hub.feeds
    feed.leave(reader)
    relay._let_go()
    assert "fire" not in relay.hub.feeds
