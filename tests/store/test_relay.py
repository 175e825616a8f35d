"""The relay on real servers: every change arrives once and in order, whatever happens to the link."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import orjson
import pytest
from newsdesk import NOW, create, draft, where
from redis.exceptions import RedisError

from doubles import Ear, LateEvents, LateReads, Tops
from proxy import DOWN, proxying
from stoppress.hub.hub import Hub, Limits
from stoppress.hub.position import Position
from stoppress.hub.reader import Reader
from stoppress.hub.state import StoryState
from stoppress.newsroom import rules
from stoppress.newsroom.errors import GoneError, NotFoundError, StoreError
from stoppress.settings import Settings
from stoppress.store.channels import DeafError
from stoppress.store.reads import Reads
from stoppress.store.relay import Pace, Relay
from stoppress.store.store import Store
from support import runs


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
async def relaying(
    store: Store, name: str = "w1", *, settings: Settings | None = None, **seams: Any
) -> AsyncIterator[Relay]:
    hub = Hub(Limits())

    def work() -> None:
        for _ in hub.work(count(0, 1000).__next__):
            pass

    hub.on_work = lambda: asyncio.get_running_loop().call_soon(work)
    relay = Relay(store, hub, settings or store.settings, name, **seams)
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


def overheard(store: Store) -> tuple[Store, Ear]:
    """The store, and what is heard of it."""
    ear = Ear(store.channels)
    return dataclasses.replace(store, channels=ear), ear


def nothing(_channel: str, _message: bytes) -> bool:
    return False


ONE_PATH = Pace(top_s=3600)  # without the second path, which would hide that the first one failed


async def test_changes_arrive_in_order_and_equal_the_store(relay: Relay, store: Store, until) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)

    for n in range(30):
        await store.changes.commit("fire", draft(f"p{n}", now=n))
    await until(lambda: reader.seq == 31)

    assert reader.seqs == list(range(1, 32))
    loaded = await store.reads.load("fire", 100)
    assert orjson.dumps(feed.state.snapshot(50, 1 << 20)) == orjson.dumps(loaded.snapshot(50, 1 << 20))


async def test_a_story_loaded_while_it_changes_has_no_hole(relay: Relay, store: Store, until) -> None:
    await create(store)

    async def publish() -> None:
        for n in range(40):
            await store.changes.commit("fire", draft(f"p{n}", now=n))

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
            await store.server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await store.changes.commit("fire", draft(f"p{n}", now=n))
    await until(lambda: reader.seq == 21)

    assert reader.seqs == list(range(1, 22))
    assert [message["type"] for message in reader.heard].count("snapshot") == 1


async def test_two_workers_hear_both_desks(relay: Relay, store: Store, until) -> None:
    await create(store)
    far = await Store.open(store.settings)
    async with relaying(far, "w2") as other:
        readers = [Listener(one.hub, await one.ensure("fire")) for one in (relay, other)]
        for n in range(10):
            await (store, far)[n % 2].changes.commit("fire", draft(f"p{n}", now=n))
        await until(lambda: all(reader.seq == 11 for reader in readers))
        assert readers[0].heard[1:] == readers[1].heard[1:]
        assert len(readers[0].heard) == 11
    await far.aclose()


async def test_a_killed_store_is_survived_by_readers(short_dir, until) -> None:
    """Eight editors, the store killed twice under them: each reader hears each event once, in order."""
    store = await Store.open(Settings(data_dir=short_dir, store_grace_s=0))
    await create(store)
    async with relaying(store) as one, relaying(store, "w2") as two:
        readers = [Listener(relay.hub, await relay.ensure("fire")) for relay in (one, two)]
        done: list[int] = []

        async def editor(name: int) -> None:
            for n in range(30):
                done.append((await store.changes.commit("fire", draft(f"e{name}-{n}", now=name * 100 + n))).seq)

        async def kill() -> bool:
            with contextlib.suppress(RedisError):  # not back yet from the last time
                os.kill((await store.server.client.info("server"))["process_id"], signal.SIGKILL)
                return True
            return False

        async def killer() -> None:
            for mark in (60, 150):
                await until(lambda mark=mark: len(done) >= mark)
                await until(kill)

        await asyncio.gather(killer(), *[editor(name) for name in range(8)])
        await until(lambda: all(reader.seq == 241 for reader in readers))
        for reader in readers:
            assert reader.seqs == list(range(1, 242))
            assert [message["type"] for message in reader.heard].count("snapshot") == 1
        assert sorted(done) == list(range(2, 242))
        loaded = orjson.dumps((await store.reads.load("fire", 100)).snapshot(50, 1 << 20))
        assert all(orjson.dumps(relay.hub.feeds["fire"].state.snapshot(50, 1 << 20)) == loaded for relay in (one, two))
    pid = (await store.server.client.info("server"))["process_id"]
    await store.aclose()
    await until(lambda: not runs(pid))


async def test_deletions_refill_what_a_page_shows(store: Store, until) -> None:
    await create(store)
    async with relaying(store, settings=dataclasses.replace(store.settings, backlog=3)) as relay:
        relay.hub.limits = Limits(backlog=3)
        for n in range(12):
            await store.changes.commit("fire", draft(f"p{n}", now=n))
        feed = await relay.ensure("fire")
        reader = Listener(relay.hub, feed)
        for n in range(11, 5, -1):
            post = await store.reads.post("fire", f"p{n}")
            await store.changes.commit("fire", rules.delete(post, NOW, purge=False))
        await until(lambda: feed.seq == 19 and not feed.short)
        shown = feed.state.snapshot(3, 1 << 20)
        assert [post["id"] for post in shown["posts"]] == ["p5", "p4", "p3"]
        assert shown["has_more"]
        await until(lambda: reader.seq == 19)
        assert [message["type"] for message in reader.heard].count("snapshot") == 1


async def test_a_lost_message_is_found_without_another_one(store: Store, until) -> None:
    await create(store)
    deaf, ear = overheard(store)
    ear.look = nothing
    async with relaying(deaf, pace=ONE_PATH) as relay:
        feed = await relay.ensure("fire")
        await store.changes.commit("fire", draft("a"))
        await relay.check_tops()
        await until(lambda: feed.seq == 2)


async def test_what_comes_while_a_story_is_loaded_is_not_lost(store: Store, until) -> None:
    await create(store)
    slow, ear = overheard(dataclasses.replace(store, reads=(reads := LateReads(store.reads))))
    heard: list[int] = []
    ear.look = lambda _channel, message: bool(heard.append(orjson.loads(message)["seq"])) or True
    async with relaying(slow, pace=ONE_PATH) as relay:
        loading = asyncio.create_task(relay.ensure("fire"))
        await reads.asked.wait()
        await store.changes.commit("fire", draft("a"))
        await until(lambda: 2 in heard)
        reads.release.set()
        feed = await loading
        await until(lambda: feed.seq == 2)


async def test_a_worker_that_comes_later_resumes_from_the_log(store: Store) -> None:
    await create(store)
    for n in range(5):
        await store.changes.commit("fire", draft(f"p{n}", now=n))
    await store.changes.commit("fire", rules.withdraw(await store.reads.post("fire", "p1"), "Wrong.", NOW + 9))
    async with relaying(dataclasses.replace(store, log=(log := LateEvents(store.log))), pace=ONE_PATH) as relay:
        feed = await relay.ensure("fire")
        assert feed.floor == feed.seq == 7

        recalls = [asyncio.create_task(relay.recall("fire")) for _ in range(3)]
        await log.asked.wait()
        late = rules.withdraw(await store.reads.post("fire", "p2"), "Wrong too.", NOW + 10)
        await store.changes.commit("fire", late)
        log.release.set()
        await asyncio.gather(*recalls)
        await relay.recall("fire")

        assert log.count == 1
        assert feed.floor == 0
        reader = Listener(relay.hub, feed)
        feed.leave(reader)
        assert feed.join(reader, Position(feed.epoch, 1))
        resumed = feed.take(reader)
        events = [frame.message for frame in resumed.frames[0].frames]
        assert [event["seq"] for event in events] == list(range(2, feed.seq + 1))
        assert events[1]["type"] == "post.withdrawn"


async def test_what_comes_while_a_gap_is_read_is_not_lost(store: Store, until) -> None:
    await create(store)
    slow, ear = overheard(dataclasses.replace(store, log=(log := LateEvents(store.log))))
    heard: list[int] = []

    def but_the_first(_channel: str, message: bytes) -> bool:
        heard.append(orjson.loads(message)["seq"])
        return heard[-1] != 2

    async with relaying(slow, pace=ONE_PATH) as relay:
        feed = await relay.ensure("fire")
        ear.look = but_the_first
        await store.changes.commit("fire", draft("a"))
        await store.changes.commit("fire", draft("b", now=1))
        await log.asked.wait()
        await store.changes.commit("fire", draft("c", now=2))
        await until(lambda: heard == [2, 3, 4])
        log.release.set()
        await until(lambda: feed.seq == 4)


async def test_an_import_is_one_snapshot(relay: Relay, store: Store, until) -> None:
    await create(store)
    feed = await relay.ensure("fire")
    reader = Listener(relay.hub, feed)
    held = await store.reads.story("fire")
    posts = [draft(f"p{n}", now=n * 1000).post for n in range(60)]
    await store.changes.import_batch("fire", None, held.totals, posts[:30], ["x"] * 30, False)
    await store.changes.import_batch("fire", None, held.totals, posts[30:], ["x"] * 30, True)
    await until(lambda: feed.state.story["post_count"] == 60)
    await until(lambda: reader.seq == feed.seq)
    assert [message["type"] for message in reader.heard] == ["snapshot", "snapshot"]


async def test_unknown_and_deleted_stories(store: Store, until) -> None:
    async with relaying(store, timer=lambda: 0.0) as relay:  # what is unknown stays so until it is told of
        with pytest.raises(NotFoundError):
            await relay.ensure("fire")
        with pytest.raises(NotFoundError):
            await relay.ensure("Not a slug")
        await create(store)

        async def is_known() -> bool:
            with contextlib.suppress(NotFoundError):
                await relay.ensure("fire")
                return True
            return False

        await until(is_known)
        feed = await relay.ensure("fire")
        await store.changes.commit("fire", rules.delete_story((await store.reads.story("fire")).story, 5))
        await until(lambda: feed.deleted)
        with pytest.raises(GoneError):
            await relay.ensure("fire")


async def test_a_story_nobody_told_of_is_looked_up_again_after_a_while(store: Store) -> None:
    deaf, ear = overheard(store)
    ear.look = nothing
    at = [0.0]
    async with relaying(deaf, timer=lambda: at[0]) as relay:
        with pytest.raises(NotFoundError):
            await relay.ensure("fire")
        await create(store)
        at[0] = 2.9
        with pytest.raises(NotFoundError):
            await relay.ensure("fire")
        at[0] = 3.1
        assert (await relay.ensure("fire")).seq == 1


async def test_a_reader_ahead_of_the_hub_makes_it_read_the_log(store: Store) -> None:
    await create(store)
    deaf, ear = overheard(store)
    ear.look = nothing
    async with relaying(deaf, pace=ONE_PATH) as relay:
        feed = await relay.ensure("fire")
        done = await store.changes.commit("fire", draft("a"))
        assert (await relay.at_least("fire", Position(done.epoch, done.seq))).seq == done.seq
        # Ahead of the store too: nothing to wait for, and the epoch stands.
        assert (await relay.at_least("fire", Position(done.epoch, 99))).epoch == feed.epoch == done.epoch


async def test_a_forked_log_gets_a_new_epoch_once(relay: Relay, store: Store, until) -> None:
    """A failover that lost the tail: the hubs hold events whose numbers will be given again."""
    await create(store)
    await store.changes.commit("fire", draft("a"))
    feed = await relay.ensure("fire")
    async with relaying(store, "w2") as other:
        twin = await other.ensure("fire")
        was = feed.epoch
        meta, events = store.keys.of("fire", "meta"), store.keys.of("fire", "log")
        await store.server.client.hset(meta, "seq", 1)
        await store.server.client.xtrim(events, maxlen=0)
        await store.server.client.delete(events)
        await store.server.client.xadd(events, {"type": "reset", "at": "", "story": "{}"}, id="1-0")
        await asyncio.gather(relay.check_tops(), other.check_tops())
        await until(lambda: feed.epoch == twin.epoch != was)
        assert (await store.reads.story("fire")).epoch == feed.epoch


async def test_garbage_on_the_channel_is_ignored(relay: Relay, store: Store, until) -> None:
    done = await create(store)
    feed = await relay.ensure("fire")
    channel = store.keys.channel("fire")
    said: list[bytes] = []
    async with store.server.hearer() as line:  # what a real one looks like
        await line.subscribe(channel)
        await line.get_message(timeout=5)
        await store.changes.commit("fire", draft("a"))
        said.append((await line.get_message(timeout=5))["data"])
    await until(lambda: feed.seq == 2)
    post = {**orjson.loads(said[0]), "seq": 3}
    story = {"type": "story.updated", "epoch": done.epoch, "seq": 3, "at": post["at"], "story": feed.state.story}
    forged = [
        {"type": "post.published", "epoch": done.epoch, "seq": 3},
        {**story, "at": "yesterday"},
        {**story, "story": {"status": "live"}},
        {**story, "pinned": {"id": "a"}},
        {**post, "post": {**post["post"], "id": ["a"]}},
        {**post, "post": {**post["post"], "sort_time": 7}},
        {**post, "story": {**post["story"], "listed_count": "2"}},
        {**post, "type": "post.deleted", "post_id": {}},
    ]
    for data in (b"\xff", b"[]", b"7", b"{}", b'{"type":[]}', *map(orjson.dumps, forged)):
        await store.server.client.publish(channel, data)
    await store.server.client.publish(channel.encode().replace(b"fire", b"\xff"), b"{}")
    await store.changes.commit("fire", draft("b", now=1))
    await until(lambda: feed.seq == 3)
    assert [post["id"] for post in feed.state.posts] == ["b", "a"]


class Brittle(StoryState):
    """A state that breaks in the middle of an event."""

    def apply(self, event: dict) -> None:
        self.seq += 1
        raise KeyError("listed_count")


class BrittleReads(Reads):
    """Reads of which the first `load` of the story fire is brittle."""

    def __init__(self, real: Reads) -> None:
        self.__dict__.update(real.__dict__)
        self.loads: list[str] = []

    async def load(self, slug: str, keep: int) -> StoryState:
        state = await super().load(slug, keep)
        self.loads.append(slug)
        if self.loads.count("fire") == 1 and slug == "fire":
            return Brittle(state.epoch, state.seq, state.story, state.posts, state.pinned, state.key_events, state.keep)
        return state


async def test_a_story_whose_fold_breaks_is_read_anew(store: Store, until) -> None:
    """Half an event may have been taken in."""
    await create(store)
    await create(store, "flood")
    async with relaying(dataclasses.replace(store, reads=(reads := BrittleReads(store.reads)))) as relay:
        feed, other = [await relay.ensure(slug) for slug in ("fire", "flood")]
        reader = Listener(relay.hub, feed)
        for n in range(3):
            await store.changes.commit("fire", draft(f"p{n}", now=n))
        await store.changes.commit("flood", draft("q"))
        await until(lambda: feed.seq == 4 and other.seq == 2 and len(feed.state.posts) == 3)
        assert set(reads.loads[2:]) == {"fire"}
        assert (await store.reads.story("fire")).epoch == feed.epoch
        await store.changes.commit("fire", draft("p3", now=3))
        await until(lambda: reader.seq == 5)
        assert reader.heard[-1]["type"] == "post.published"


async def test_the_relay_outlives_what_nobody_thought_of(store: Store, until) -> None:
    await create(store)
    brittle, ear = overheard(store)
    async with relaying(brittle, pace=ONE_PATH) as relay:
        feed = await relay.ensure("fire")
        stumbled: list[str] = []

        def stumble(channel: str, _message: bytes) -> bool:
            stumbled.append(channel)
            ear.look = lambda _channel, _message: True
            raise AttributeError

        ear.look = stumble
        await store.changes.commit("fire", draft("a"))
        await until(lambda: feed.seq == 2)
        assert stumbled == [store.keys.channel("fire")]


async def test_the_watch_outlives_what_nobody_thought_of(store: Store, until, caplog) -> None:
    await create(store)
    deaf, ear = overheard(dataclasses.replace(store, log=(tops := Tops(store.log))))
    async with relaying(deaf, pace=Pace(top_s=0.05)) as relay:
        feed = await relay.ensure("fire")
        ear.look = nothing
        before = tops.count
        tops.error = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        await store.changes.commit("fire", draft("a"))
        await until(lambda: tops.count >= before + 2)
        tops.error = None
        await until(lambda: feed.seq == 2)
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == ["watching the tops failed; it is tried again until it works"]


async def test_a_number_that_is_none_costs_its_story_an_epoch_and_others_nothing(store: Store, until, caplog) -> None:
    done = await create(store)
    await create(store, "flood")
    async with relaying(store, pace=Pace(top_s=0.05)) as relay:
        feed, other = [await relay.ensure(slug) for slug in ("fire", "flood")]
        await store.server.client.hset(store.keys.of("fire", "meta"), "seq", "abc")
        await until(lambda: feed.epoch != done.epoch)
        await store.changes.commit("fire", draft("a"))
        await store.changes.commit("flood", draft("b"))
        await until(lambda: (feed.seq, other.seq) == (1, 2))
        assert not relay.trouble()
    assert "the seq of the story fire is no number in the store but b'abc'" in caplog.text


@pytest.mark.parametrize(
    ("part", "field", "value"), [("meta", "post_count", "abc"), ("meta", "doc", "{"), ("posts", "a", '{"id":7}')]
)
async def test_a_story_that_cannot_be_read_does_not_keep_the_worker_deaf(
    store: Store, until, caplog, part: str, field: str, value: str
) -> None:
    """Its last state is served, that is said once, and it is read as soon as it is in order."""
    await create(store)
    await create(store, "flood")
    await store.changes.commit("fire", draft("a"))
    brittle, ear = overheard(store)
    async with relaying(brittle, pace=Pace(top_s=0.05)) as relay:
        feed, other = [await relay.ensure(slug) for slug in ("fire", "flood")]
        key = store.keys.of("fire", part)
        was = await store.server.client.hget(key, field)
        await store.server.client.hset(key, field, value)

        def away(_channel: str, _message: bytes) -> bool:
            ear.look = lambda _channel, _message: True
            raise DeafError("it was away")

        ear.look = away
        await store.channels.say(store.keys.channel("none"), b"?")
        await until(lambda: len(ear.hearings) == 2 and not relay.trouble())
        assert "the store is not heard: it was away" in caplog.text
        await store.log.renew("fire", feed.epoch, force=True)  # there is something to read
        await store.changes.commit("flood", draft("b"))
        await until(lambda: other.seq == 2 and "cannot be read" in caplog.text)
        with pytest.raises(StoreError, match="fire"):
            await store.reads.load("fire", 10)
        assert feed.state.posts[0]["id"] == "a"
        await store.server.client.hset(key, field, was)
        await until(lambda: feed.seq == 0)
    last = [record.getMessage() for record in caplog.records if "its last state is served" in record.getMessage()]
    assert len(last) == 1
    assert "fire" in last[0]


async def test_who_does_not_see_the_tops_says_so(store: Store, until) -> None:
    """The channel is heard, the second path is not there: messages may be missing, and nobody would know."""
    await create(store)
    blind = dataclasses.replace(store, log=(tops := Tops(store.log)))
    async with relaying(blind, pace=Pace(tick_s=0.05, top_s=0.1, blind_s=0.5)) as relay:
        await relay.ensure("fire")
        tops.error = StoreError(f"{store.server.place} refuses")
        await until(lambda: bool(relay.trouble()))
        assert relay.deaf_since is None
        assert "the logs' tops were not seen for" in relay.trouble()
        assert "(the store refuses)" in relay.trouble()
        assert not relay.trouble(stale_ok=True)
        tops.error = None
        await until(lambda: not relay.trouble())


async def test_who_may_not_subscribe_says_so(store: Store, until) -> None:
    """For ever "starting", and the reason was logged once."""
    prefix, name = store.settings.prefix, f"{store.settings.prefix}-hub"
    make = ["ACL", "SETUSER", name, "reset", "on", ">pw", f"~{prefix}:*", f"&{prefix}:*", "+@all"]
    await store.server.client.execute_command(*make)
    far = await Store.open(dataclasses.replace(store.settings, redis=f"unix://{name}@{where(store)}?password=pw"))
    relay = Relay(far, Hub(Limits()), far.settings, "w1")
    running = asyncio.create_task(relay.run())
    await until(lambda: "lacks the right" in relay.trouble())
    assert relay.trouble().startswith("starting: the store has not been heard yet (the user")
    assert f"lacks the right &{prefix}:{{*}}:events" in relay.trouble()
    assert where(store) not in relay.trouble()
    # Both halves at once: who follows it is not sent back for the other.
    assert f"ACL SETUSER {name} &{prefix}:* &{prefix}:{{*}}:events" in relay.trouble()
    # What it says to do is enough.
    await store.server.client.execute_command("ACL", "SETUSER", name, f"&{prefix}:{{*}}:events")
    await until(lambda: not relay.trouble())
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await far.aclose()
    await store.server.client.execute_command("ACL", "DELUSER", name)


QUICK = Pace(tick_s=0.1, probe_s=0.2, deaf_s=0.6)


async def test_deaf_is_noticed_and_mended(store: Store, until) -> None:
    """The link stays up and swallows everything, as a half-open one does."""
    await create(store)
    async with proxying(where(store)) as proxy:
        far = await Store.open(
            dataclasses.replace(store.settings, redis=f"redis://127.0.0.1:{proxy.port}", store_timeout_s=1)
        )
        async with relaying(far, pace=QUICK) as relay:
            reader = Listener(relay.hub, await relay.ensure("fire"))
            proxy.swallow = {DOWN}
            await until(lambda: relay.deaf_since is not None)
            await until(lambda: any(message["type"] == "stale" for message in reader.heard))
            assert relay.trouble().startswith("deaf: the store has not been heard for")
            proxy.swallow = set()
            await until(lambda: relay.deaf_since is None)
            await until(lambda: any(message["type"] == "live" for message in reader.heard))
            assert not relay.trouble()
        await far.aclose()


async def test_who_was_suspended_is_not_deaf(store: Store, until) -> None:
    same, ear = overheard(store)
    async with relaying(same, pace=QUICK) as relay:
        for suspended_s in (0, 1):
            time.sleep(suspended_s)  # noqa: ASYNC251 -- nothing of a process runs that got SIGSTOP
            before = ear.hearings[-1].heard_at
            await until(lambda before=before: ear.hearings[-1].heard_at > before)
        assert relay.deaf_since is None
        assert len(ear.hearings) == 1


async def test_an_idle_story_is_let_go(store: Store, until) -> None:
    await create(store)
    at = [0.0]
    watched = dataclasses.replace(store, log=(tops := Tops(store.log)))
    async with relaying(watched, pace=Pace(top_s=0.01), timer=lambda: at[0]) as relay:
        feed = await relay.ensure("fire")
        reader = Listener(relay.hub, feed)

        async def look() -> None:
            """Two rounds of the watch, of which the second began after this."""
            seen = tops.count
            await until(lambda: tops.count > seen + 1)

        at[0] = 61  # a minute is the default
        await look()
        assert relay.hub.feeds.get("fire") is feed
        feed.leave(reader)
        at[0] += 59
        await look()
        assert relay.hub.feeds.get("fire") is feed
        at[0] += 2
        await look()
        assert not relay.hub.feeds
