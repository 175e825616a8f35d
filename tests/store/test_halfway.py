"""No script stops halfway: whatever a server refuses it refuses before anything is written, and says so; what may have
been written is never called refused."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files

import pytest
from newsdesk import draft, where

from invariants import PARTS, everything, faults_of
from proxy import UP, proxying
from serving import running
from stoppress.desk.desk import Desk
from stoppress.newsroom.errors import StoppressError, StoreError, StoreRightsError, TryAgainError
from stoppress.settings import Settings
from stoppress.store import scripts
from stoppress.store.store import Store
from support import until

PASSWORD = "pw"
SCRIPTS = ("prelude", "commit", "import", "renew")
COMMANDS = sorted(
    {
        command.lower()
        for name in SCRIPTS
        for command in re.findall(
            r"redis\.p?call\('(\w+)'", (files("stoppress.store") / f"{name}.lua").read_text(encoding="utf-8")
        )
    }
)
KEYS = [*PARTS, "idem:*"]
RIGHTS = [*[f"+{command}" for command in COMMANDS], *[f"~{part}" for part in KEYS], "&events"]


class Person:
    """A user of the server with all the rights that Stoppress needs, of which `lose` takes one."""

    def __init__(self, store: Store, name: str) -> None:
        self._admin = store.server.client
        self._prefix = store.settings.prefix
        self.name = f"{self._prefix}-{name}"
        self.settings = dataclasses.replace(
            store.settings,
            redis=f"unix://{self.name}@{where(store)}?password={PASSWORD}",
            store_durable=store.server.durable,
        )

    async def allow(self, *, but: str = "") -> None:
        """Every right, or all but one: a command (+zadd), a key (~order) or the channel (&events)."""
        keys = [f"{self._prefix}:{{*}}:{part}" for part in KEYS if but != f"~{part}"]
        keys += [f"{self._prefix}:{name}" for name in ("stories", "tokens", "schema", "server:*")]
        channels = [f"{self._prefix}:probe:*", f"{self._prefix}:workers"]
        if but != "&events":
            channels.append(f"{self._prefix}:{{*}}:events")
        commands = ["+@all", "-@dangerous", "+info", *([f"-{but[1:]}"] if but.startswith("+") else [])]
        grants = [f"~{key}" for key in keys] + [f"&{channel}" for channel in channels] + commands
        await self._admin.execute_command("ACL", "SETUSER", self.name, "reset", "on", f">{PASSWORD}", *grants)

    async def remove(self) -> None:
        await self._admin.execute_command("ACL", "DELUSER", self.name)


@pytest.fixture
async def person(store: Store) -> AsyncIterator[Person]:
    made = Person(store, "ed")
    await made.allow()
    yield made
    await made.remove()


Step = Callable[[Desk], Awaitable[object]]
KEY_EVENT = {"headline": "One", "body": "x", "is_key_event": True, "id": "one"}
IMPORTED = [
    b'{"id":"old-2","headline":"Second","body":"b","date_published":"2023-03-01T10:00:00.000Z","status":"published"}\n',
    b'{"id":"old-1","headline":"First","body":"a","date_published":"2023-03-01T09:00:00.000Z","status":"published"}\n',
]


def steps() -> dict[str, Step]:
    """Every kind of change, each with its key; each may be repeated, and the second time changes nothing."""
    return {
        "create": lambda desk: desk.create_story({"slug": "flood", "headline": "Flood"}, key="k-create"),
        "publish": lambda desk: desk.publish("fire", KEY_EVENT, key="k-publish"),
        "edit": lambda desk: desk.edit("fire", "a", {"headline": "Better"}, key="k-edit"),
        "withdraw": lambda desk: desk.withdraw("fire", "b", "Wrong.", key="k-withdraw"),
        "purge": lambda desk: desk.delete("fire", "c", purge=True, key="k-purge"),
        "pin": lambda desk: desk.pin("fire", "d", key="k-pin"),
        "import": lambda desk: desk.import_("fire", IMPORTED),
        "import a story": lambda desk: desk.import_("flame", [b'{"story":{"headline":"Flame"}}\n', *IMPORTED]),
        "renew": lambda desk: _renewed(desk.store),
    }


async def _renewed(store: Store) -> str:
    return await store.log.renew("fire", (await store.reads.story("fire")).epoch, force=True)


async def error_of(change: Awaitable[object]) -> StoppressError | None:
    try:
        await change
    except StoppressError as error:
        return error
    return None


async def begin(store: Store) -> None:
    desk = Desk(store)
    await desk.create_story({"slug": "fire", "headline": "Fire"})
    for id in "abcd":
        await desk.publish("fire", {"headline": f"Post {id}", "body": "x", "id": id, "is_key_event": id == "a"})


async def in_order(store: Store) -> None:
    assert await faults_of(store.server.client, store.settings.prefix) == []


@pytest.mark.parametrize("right", RIGHTS)
async def test_a_right_taken_from_an_editor_leaves_nothing_written(store: Store, person: Person, right: str) -> None:
    await begin(store)
    refused = []
    far = await Store.open(person.settings)
    try:
        for name, step in steps().items():
            await person.allow(but=right)
            before = await everything(store.server.client, store.settings.prefix)
            if error := await error_of(step(Desk(far))):
                refused.append(name)
                assert isinstance(error, StoreRightsError), f"{name}: {error!r}"
                assert (error.status, error.exit_code) == (503, 77)
                named = error.extra["right"]
                if right[0] == "+":
                    assert named == right, name
                else:
                    part = right[1:].rstrip("*")
                    assert re.match(rf"{re.escape(right[0])}{store.settings.prefix}:\{{\w+\}}:{part}", named), named
                assert f"lacks the right {named}" in error.detail
                assert f"ACL SETUSER {person.name} " in error.detail
                assert await everything(store.server.client, store.settings.prefix) == before, f"{name} wrote something"
            await in_order(store)
            await person.allow()
            await step(Desk(far))
            await in_order(store)
            if name != "renew":  # each one is a new life
                done = await everything(store.server.client, store.settings.prefix)
                await step(Desk(far))
                assert await everything(store.server.client, store.settings.prefix) == done, f"{name} was done twice"
        # A pin is looked up by ZSCORE only when its post came in an earlier batch of an import.
        assert refused or right == "+zscore", f"nobody needs {right}"
        assert (await store.reads.story("fire")).totals.post_count == 5  # a d one old-1 old-2
    finally:
        await far.aclose()


@pytest.mark.parametrize("right", RIGHTS)
async def test_a_right_taken_from_a_serving_hub_leaves_nothing_written(store: Store, right: str) -> None:
    """As an editor at its API sees it: 503 that names the right, with the key to try again with."""
    await begin(store)
    hub = Person(store, "hub")
    await hub.allow()
    far = await Store.open(hub.settings)
    path, headers = "/api/stories/fire/posts", {"Idempotency-Key": "k-1"}
    try:
        async with running(hub.settings, far) as site:
            editor = await site.as_("editor")
            await hub.allow(but=right)
            before = await everything(store.server.client, store.settings.prefix)
            for _ in range(3):
                answer = await editor.post(path, json={"headline": "Told again"}, headers=headers)
                if answer.status_code in (200, 201):  # not needed for this
                    break
                told = answer.json()
                assert (answer.status_code, told["type"]) == (503, "urn:stoppress:store-rights"), told
                assert (told["key"], answer.headers["retry-after"]) == ("k-1", "1")
                assert right[1:].rstrip("*") in told["right"]
                assert await everything(store.server.client, store.settings.prefix) == before
            await in_order(store)
            await hub.allow()
            for _ in range(2):
                assert (await editor.post(path, json={"headline": "Told again"}, headers=headers)).status_code < 202
            await in_order(store)
            posts, _ = await store.reads.page("fire")
            assert [post.headline for post in posts].count("Told again") == 1
    finally:
        await far.aclose()
        await hub.remove()


async def test_a_user_made_the_ordinary_way_is_told_what_it_lacks(store: Store, person: Person) -> None:
    """Redis 7 gives no channel: three times under one key was three posts."""
    await begin(store)
    prefix = store.settings.prefix
    make = ("ACL", "SETUSER", person.name, "reset", "on", f">{PASSWORD}", f"~{prefix}:*", "+@all")
    await store.server.client.execute_command(*make)
    far = await Store.open(person.settings)
    for _ in range(3):
        with pytest.raises(StoreRightsError, match=rf"the right &{prefix}:\{{fire\}}:events, and nothing was done"):
            await Desk(far).publish("fire", {"headline": "Bridge closed"}, key="kkk")
    await in_order(store)
    # What the sentence says to do is enough.
    await store.server.client.execute_command("ACL", "SETUSER", person.name, f"&{prefix}:*")
    await Desk(far).publish("fire", {"headline": "Bridge closed"}, key="kkk")
    assert (await store.reads.story("fire")).totals.post_count == 5
    await far.aclose()


@pytest.mark.parametrize("right", ["+info", "+evalsha", "+set", "~schema"])
async def test_who_cannot_come_in_is_told_why(store: Store, person: Person, right: str) -> None:
    lost = [f"-{right[1:]}"] if right[0] == "+" else ["resetkeys"]
    await store.server.client.execute_command("ACL", "SETUSER", person.name, *lost)

    async def come_in() -> None:
        far = await Store.open(person.settings)
        try:
            await Desk(far).story("fire")
        finally:
            await far.aclose()

    error = await error_of(come_in())
    assert isinstance(error, StoreRightsError)
    assert error.extra["right"] == (right if right[0] == "+" else f"~{store.settings.prefix}:schema")


async def test_a_wrong_password_is_said_to_be_one(store: Store, person: Person) -> None:
    wrong = dataclasses.replace(person.settings, redis=person.settings.redis.replace(PASSWORD, "nope"))
    with pytest.raises(StoreRightsError, match=r"refuses: user or password are missing or wrong") as raised:
        await Store.open(wrong)
    assert raised.value.exit_code == 77
    assert "nope" not in raised.value.detail


async def test_the_index_is_written_before_the_story(store: Store, person: Person) -> None:
    """A story that is stored and in no list was told as a mistake of ours."""
    await store.server.client.execute_command("ACL", "SETUSER", person.name, "-sadd")
    far = await Store.open(person.settings)
    with pytest.raises(StoreRightsError, match=r"the right \+sadd"):
        await Desk(far).create_story({"slug": "flood", "headline": "Flood"}, key="k")
    assert await everything(store.server.client, store.settings.prefix) == {}
    await person.allow()
    await Desk(far).create_story({"slug": "flood", "headline": "Flood"}, key="k")
    assert [held.story.slug for held in await store.reads.stories()] == ["flood"]
    await in_order(store)
    await far.aclose()


# Memory, disk, replicas


@contextlib.asynccontextmanager
async def out_of_memory(store: Store) -> AsyncIterator[None]:
    await store.server.client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await store.server.client.config_set("maxmemory", 0)


@contextlib.asynccontextmanager
async def replica(store: Store) -> AsyncIterator[None]:
    await store.server.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        await store.server.client.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.asynccontextmanager
async def too_few_copies(store: Store) -> AsyncIterator[None]:
    await store.server.client.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        await store.server.client.config_set("min-replicas-to-write", 0)


@contextlib.asynccontextmanager
async def unsaved(store: Store) -> AsyncIterator[None]:
    """A snapshot that cannot be written: a directory stands where its file belongs."""
    client = store.server.client
    there = f"{(await client.config_get('dir'))['dir']}/dump.rdb"
    saving = (await client.config_get("save"))["save"]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(there)
    os.mkdir(there)
    await client.config_set("save", "3600 1")
    await client.bgsave()

    async def status() -> bool:
        held = await client.info("persistence")
        return not held["rdb_bgsave_in_progress"] and held["rdb_last_bgsave_status"] == "err"

    await until(status)
    try:
        yield
    finally:
        os.rmdir(there)
        await client.config_set("save", saving)
        await client.bgsave()

        async def cured() -> bool:
            held = await client.info("persistence")
            return not held["rdb_bgsave_in_progress"] and held["rdb_last_bgsave_status"] == "ok"

        await until(cured)


LIMITS = {
    "memory": (out_of_memory, "raise maxmemory"),
    "disk": (unsaved, "cannot write to its disk"),
    "replica": (replica, "read-only replica"),
    "copies": (too_few_copies, "too few replicas"),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_what_the_server_refuses_is_refused_whole(store: Store, limit: str) -> None:
    await begin(store)
    trouble, advice = LIMITS[limit]
    for name, step in steps().items():
        before = await everything(store.server.client, store.settings.prefix)
        async with trouble(store):
            with pytest.raises(StoreError, match=advice):
                await step(Desk(store))
            assert await everything(store.server.client, store.settings.prefix) == before, name
        await step(Desk(store))
        await in_order(store)
    assert (await store.reads.story("fire")).totals.post_count == 5


async def test_memory_that_ends_within_a_script_does_not_split_it(store: Store) -> None:
    """Redis lets a script that began go on: so a batch is there whole, or not at all, wherever the limit falls."""
    await begin(store)
    outcomes = set()
    for n in range(12):
        slug = f"story-{n}"
        await Desk(store).create_story({"slug": slug, "headline": "Story"})
        body = "word " * 1000
        lines = [b'{"id":"p%d","headline":"P","body":"%s"}\n' % (m, body.encode()) for m in range(20)]
        used = (await store.server.client.info("memory"))["used_memory"]
        await store.server.client.config_set("maxmemory", used + 150_000 * n)
        try:
            error = await error_of(Desk(store).import_(slug, lines))
            after = (await store.server.client.info("memory"))["used_memory"]
        finally:
            await store.server.client.config_set("maxmemory", 0)
        assert error is None or "raise maxmemory" in error.detail
        count = (await store.reads.story(slug)).totals.post_count
        outcomes.add((count, count == 20 and after > used + 150_000 * n))
        await in_order(store)
    assert {count for count, _ in outcomes} == {0, 20}
    assert (20, True) in outcomes, "no limit fell within a script"


@pytest.mark.parametrize("part", PARTS)
async def test_a_key_of_another_kind_is_named_and_nothing_is_written(store: Store, part: str) -> None:
    await begin(store)
    key = store.keys.of("fire", part)
    await store.server.client.rename(key, "aside:" + key)
    await store.server.client.set(key, "somebody else's")
    before = await everything(store.server.client, store.settings.prefix)
    for change in ("publish", "import"):
        with pytest.raises(StoreError, match=re.escape(f"MISTYPED {key} holds a")):
            await steps()[change](Desk(store))
    assert await everything(store.server.client, store.settings.prefix) == before
    await store.server.client.rename("aside:" + key, key)
    await steps()["publish"](Desk(store))
    await in_order(store)


# What may have been written


def broken(was: str, becomes: str) -> Callable[[str], str]:
    """The text of scripts with a fault planted in them."""

    def planted(name: str) -> str:
        text = scripts.source(name)
        assert was in text
        return text.replace(was, becomes)

    return planted


async def test_what_broke_after_it_began_is_uncertain(settings: Settings, store: Store) -> None:
    await begin(store)
    source = broken("began = true\n", "began = true\n  redis.call('LPUSH', META, 'x')\n")
    far = await Store.open(settings, source=source)
    with pytest.raises(TryAgainError, match="broke halfway") as raised:
        await Desk(far).publish("fire", {"headline": "One"}, key="k")
    assert raised.value.extra["key"] == "k"
    await far.aclose()


async def test_what_broke_before_it_began_is_refused(settings: Settings, store: Store) -> None:
    await begin(store)
    before = await everything(store.server.client, settings.prefix)
    source = broken("add(meta, 'seq', 1)\n", "add(meta, 'seq', 1)\nredis.call('LPUSH', META, 'x')\n")
    far = await Store.open(settings, source=source)
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await Desk(far).publish("fire", {"headline": "One"}, key="k")
    assert await everything(store.server.client, settings.prefix) == before
    await far.aclose()


async def test_hubs_that_cannot_be_woken_do_not_undo_a_change(settings, store, caplog) -> None:
    await begin(store)
    source = broken("redis.pcall('PUBLISH', A.channel, payload)", "redis.pcall('PUBLISH', A.channel)")
    far = await Store.open(settings, source=source)
    for _ in range(2):
        await Desk(far).publish("fire", {"headline": "One"}, key="k")
    assert "the hubs were not woken" in caplog.text
    await in_order(store)
    assert (await store.reads.story("fire")).totals.post_count == 5
    await far.aclose()


async def test_a_refusal_after_a_lost_answer_is_uncertain(store: Store) -> None:
    """The second attempt was refused; of the first nobody knows."""
    await begin(store)
    async with proxying(where(store)) as proxy:
        far = await Store.open(dataclasses.replace(store.settings, redis=f"redis://127.0.0.1:{proxy.port}"))
        desk, revive, lost = Desk(far), far.server.revive, []

        async def revive_full() -> None:
            await store.server.client.config_set("maxmemory", 1)
            await revive()

        def lose(way: str, data: bytes) -> bytes | None:
            if way == UP and b"EVALSHA" in data and b"Twice" in data and not lost:
                lost.append(data)
                return None
            return data

        far.server.revive = revive_full  # type: ignore[method-assign]
        proxy.look = lose
        try:
            with pytest.raises(TryAgainError, match="raise maxmemory") as raised:
                await desk.publish("fire", {"headline": "Twice"}, key="k")
        finally:
            await store.server.client.config_set("maxmemory", 0)
        assert lost
        assert raised.value.extra["key"] == "k"
        await desk.publish("fire", {"headline": "Twice"}, key="k")
        assert (await store.reads.story("fire")).totals.post_count == 5
        await in_order(store)
        await far.aclose()


async def test_what_was_done_and_cannot_be_told_is_uncertain(store: Store, monkeypatch) -> None:
    await begin(store)
    done = await Desk(store).publish("fire", {"headline": "One"}, key="k")
    fingerprint = (await store.server.client.get(store.keys.answer("fire", "k"))).decode().split("\n")[0]

    async def away(*_: object) -> None:
        raise StoreError("the store is away")

    monkeypatch.setattr(store.changes, "answer", away)
    with pytest.raises(TryAgainError, match="the store is away"):
        await store.changes.commit("fire", draft(done.value["id"] + "x"), key="k", fingerprint=fingerprint)
