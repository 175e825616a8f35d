"""The store's promises, on real servers: once, in order, without holes, nothing retracted."""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import orjson
import pytest
from newsdesk import NOW, create, draft

from stoppress.newsroom import rules
from stoppress.newsroom.errors import ConflictError, GoneError, NotFoundError, StoreError, VersionError
from stoppress.newsroom.model import Change, Correction, Post, PostPatch, StoryPatch, Totals
from stoppress.newsroom.times import format_time
from stoppress.settings import Settings
from stoppress.store.store import StaleStoryError, Store


def edited(post: Post, text: str, now: int = 1000) -> Change:
    change = rules.edit(post, PostPatch(body=text), html=f"<p>{text}</p>", text=text, now=NOW + now)
    assert change
    return change


async def heard(store: Store, work) -> list[dict]:
    """The messages published on the story's channel while `work` is awaited."""
    async with store.server.hearer() as pubsub:
        await pubsub.subscribe(store.keys.channel("fire"))
        while (await pubsub.get_message(timeout=5))["type"] != "subscribe":
            pass
        await work
        await store.channels.say(store.keys.channel("fire"), b"null")
        found = []
        while (message := orjson.loads((await pubsub.get_message(timeout=5))["data"])) is not None:
            found.append(message)
    return found


async def test_a_story_and_a_post(store: Store) -> None:
    made = await create(store)
    done = await store.changes.commit("fire", draft("a"))

    assert (made.seq, done.seq, done.epoch == made.epoch) == (1, 2, True)
    assert done.post.id == "a"
    held = await store.reads.story("fire")
    assert (held.seq, held.totals.post_count, held.totals.listed_count, held.totals.version) == (2, 1, 1, 2)
    assert done.totals == held.totals
    assert [one.story.slug for one in await store.reads.stories()] == ["fire"]


async def test_what_is_published_is_what_the_log_tells(store: Store) -> None:
    """Every operation: the channel's messages, and the log read later, are the same events without a hole."""
    await create(store)
    story = (await store.reads.story("fire")).story

    async def work() -> None:
        one = (await store.changes.commit("fire", draft("a", is_key_event=True, pin=True))).post
        two = (await store.changes.commit("fire", draft("b", now=5))).post
        one = (await store.changes.commit("fire", edited(one, "better"))).post
        await store.changes.commit("fire", rules.correct(one, Correction(text="It was the east pier"), NOW + 9))
        pin = rules.edit_story(story, StoryPatch(pinned_post_id="b"), NOW + 10, two)
        await store.changes.commit("fire", pin)
        await store.changes.commit("fire", rules.edit_story(story, StoryPatch(status="ended"), NOW + 11))

    told = await heard(store, work())
    epoch = told[0]["epoch"]

    assert [event["seq"] for event in told] == [2, 3, 4, 5, 6, 7]
    assert told == await store.log.events("fire", epoch, 1)
    assert told[0]["story"]["pinned_post_id"] == "a"
    assert told[4]["pinned"]["id"] == "b"
    assert (told[4]["story"]["pinned_post_id"], told[5]["type"]) == ("b", "story.ended")
    state = await store.reads.load("fire", 10)
    assert (state.seq, state.pinned["id"], [line["id"] for line in state.key_events]) == (7, "b", ["a"])
    assert state.story == told[5]["story"]


async def test_a_key_told_again_changes_nothing(store: Store) -> None:
    await create(store)
    first = await store.changes.commit("fire", draft("a"), key="k", fingerprint="f")
    again = await store.changes.commit("fire", draft("other"), key="k", fingerprint="f")

    assert again == dataclasses.replace(first, replayed=True)
    assert await store.changes.answer("fire", "k", "f") == again
    assert await store.changes.answer("fire", "new", "f") is None
    with pytest.raises(ConflictError, match="another request"):
        await store.changes.commit("fire", draft("b"), key="k", fingerprint="g")
    with pytest.raises(ConflictError, match="another request"):
        await store.changes.answer("fire", "k", "g")
    assert (await store.reads.story("fire")).seq == 2


async def test_one_key_sent_many_times_at_once(store: Store) -> None:
    await create(store)
    done = await asyncio.gather(
        *[store.changes.commit("fire", draft(f"p{n}"), key="k", fingerprint="f") for n in range(16)],
    )
    assert {one.seq for one in done} == {2}
    assert sum(not one.replayed for one in done) == 1
    assert (await store.reads.story("fire")).totals.post_count == 1


async def test_a_story_is_made_once(store: Store) -> None:
    first = await create(store, key="k")
    assert (await create(store, key="k")).seq == first.seq
    with pytest.raises(ConflictError, match="exists already"):
        await create(store)


async def test_a_chosen_id_with_the_same_content_is_the_same_post(store: Store) -> None:
    await create(store)
    first = (await store.changes.commit("fire", draft("a"))).post
    newest = (await store.changes.commit("fire", edited(first, "better"))).post

    again = await store.changes.commit("fire", draft("a"))
    assert (again.replayed, again.post, again.seq) == (True, newest, 3)
    with pytest.raises(ConflictError, match="other content"):
        await store.changes.commit("fire", draft("a", "other"))

    await store.changes.commit("fire", rules.delete(newest, NOW, purge=False))
    with pytest.raises(GoneError, match="never returns"):
        await store.changes.commit("fire", draft("a"))


async def test_an_older_version_is_refused(store: Store) -> None:
    await create(store)
    post = (await store.changes.commit("fire", draft("a"))).post
    await store.changes.commit("fire", edited(post, "one"))
    with pytest.raises(VersionError) as raised:
        await store.changes.commit("fire", edited(post, "two"))
    assert raised.value.current_version == 2
    with pytest.raises(NotFoundError):
        await store.changes.commit("fire", edited(Post(id="never", headline="x"), "two"))
    assert (await store.reads.story("fire")).seq == 3


async def test_a_story_decided_on_old_facts_is_refused(store: Store) -> None:
    await create(store)
    story = (await store.reads.story("fire")).story
    await store.changes.commit("fire", rules.edit_story(story, StoryPatch(headline="Two"), NOW))
    with pytest.raises(StaleStoryError):
        await store.changes.commit("fire", rules.edit_story(story, StoryPatch(headline="Three"), NOW))
    assert (await store.reads.story("fire")).story.headline == "Two"


async def test_a_story_written_by_another_release_can_be_edited(store: Store) -> None:
    """The same story in other bytes is the same story."""
    await create(store)
    story = (await store.reads.story("fire")).story
    fields = dict(reversed(list(msgspec.to_builtins(story).items())))
    await store.server.client.hset(store.keys.of("fire", "meta"), "doc", orjson.dumps(fields))
    await store.changes.commit("fire", rules.edit_story(story, StoryPatch(headline="Two"), NOW))
    assert (await store.reads.story("fire")).story.headline == "Two"


async def test_equal_times_move_by_a_millisecond(store: Store) -> None:
    await create(store)
    done = await asyncio.gather(*[store.changes.commit("fire", draft(f"p{n}")) for n in range(8)])
    assert sorted(one.post.sort_time for one in done) == [format_time(NOW + n) for n in range(8)]
    # What was answered is what is stored and told.
    for one in done:
        assert await store.reads.post("fire", one.post.id) == one.post
    told = await store.log.events("fire", done[0].epoch, 1)
    assert {event["post"]["id"]: event["post"]["sort_time"] for event in told} == {
        one.post.id: one.post.sort_time for one in done
    }
    # An edit never moves a post.
    edit = await store.changes.commit("fire", edited(done[0].post, "better"))
    assert edit.post.sort_time == done[0].post.sort_time


async def test_the_callers_change_is_not_touched(store: Store) -> None:
    await create(store)
    await store.changes.commit("fire", draft("a"))
    change = draft("b")
    await store.changes.commit("fire", change)
    assert change.post.sort_time == format_time(NOW)


async def test_sixteen_editors_at_once_leave_no_hole(store: Store, settings) -> None:
    await create(store)
    others = [store, await Store.open(settings)]

    async def editor(name: int) -> None:
        for n in range(6):
            desk = others[name % 2]
            post = (await desk.changes.commit("fire", draft(f"e{name}-{n}", now=name))).post
            await desk.changes.commit("fire", edited(post, "better"))

    await asyncio.gather(*[editor(name) for name in range(16)])
    held = await store.reads.story("fire")
    told = await store.log.events("fire", held.epoch, 0)

    assert [event["seq"] for event in told] == list(range(1, 1 + 1 + 16 * 6 * 2))
    assert (held.totals.post_count, held.totals.version) == (96, 193)
    posts, more = await store.reads.page("fire", limit=200)
    assert len({post.sort_time for post in posts}) == len(posts) == 96
    assert not more
    await others[1].aclose()


async def test_retracted_text_is_in_no_answer_and_not_in_the_log(store: Store) -> None:
    made = await create(store)
    post = (await store.changes.commit("fire", draft("a", "libel"))).post
    post = (await store.changes.commit("fire", edited(post, "libel again"))).post
    other = (await store.changes.commit("fire", draft("b", "slander"))).post
    story = (await store.reads.story("fire")).story
    await store.changes.commit("fire", rules.edit_story(story, StoryPatch(pinned_post_id="a"), NOW, post))
    post = (await store.changes.commit("fire", rules.withdraw(post, "It was not so.", NOW + 9))).post
    await store.changes.commit("fire", rules.delete(other, NOW + 10, purge=False))

    told = await store.log.events("fire", made.epoch, 1)
    assert [event["seq"] for event in told] == [2, 3, 4, 5, 6, 7]
    assert [event["type"] for event in told] == [
        "post.withdrawn",
        "post.withdrawn",
        "post.deleted",
        "story.updated",
        "post.withdrawn",
        "post.deleted",
    ]
    assert told[3]["pinned"]["withdrawal_note"] == "It was not so."
    state = await store.reads.load("fire", 10)
    public = orjson.dumps([told, state.snapshot(50, 1 << 20)])
    log = repr(await store.server.client.xrange(store.keys.of("fire", "log"))).encode()
    for word in (b"libel", b"slander"):
        assert word not in public
        assert word not in log
    assert b"It was not so." in public

    back = rules.restore(post, await store.reads.revision("fire", "a", 2), NOW + 11)
    await store.changes.commit("fire", back)
    told = await store.log.events("fire", made.epoch, 1)
    assert told[0]["post"]["content_html"] == "<p>libel</p>"


async def test_deleting_the_pinned_post_unpins_it_in_the_same_seq(store: Store) -> None:
    made = await create(store)
    post = (await store.changes.commit("fire", draft("a", pin=True))).post
    done = await store.changes.commit("fire", rules.delete(post, NOW, purge=False))
    assert done.totals.pinned_post_id is None
    assert (await store.log.events("fire", made.epoch, 2))[0]["story"]["pinned_post_id"] is None
    assert (await store.reads.load("fire", 5)).pinned is None


async def test_a_purge_erases_text_and_revisions(store: Store) -> None:
    await create(store)
    post = (await store.changes.commit("fire", draft("a", "secret"), key="k", fingerprint="f")).post
    post = (await store.changes.commit("fire", edited(post, "secret too"))).post
    assert [one.post.version for one in await store.reads.revisions("fire", "a")] == [1, 2]
    gone = await store.changes.commit("fire", rules.delete(post, NOW, purge=True))

    assert [(one.post.version, one.post.status) for one in await store.reads.revisions("fire", "a")] == [(3, "deleted")]
    with pytest.raises(NotFoundError):
        await store.reads.revision("fire", "a", 1)
    assert (await store.changes.answer("fire", "k", "f")).post == gone.post
    for part in ("posts", "revisions", "log", "meta", "created"):
        held = repr(await store.server.client.dump(store.keys.of("fire", part)))
        assert "secret" not in held
    assert (await store.log.events("fire", gone.epoch, 1))[0]["type"] == "post.deleted"


async def test_pages_go_back_without_repeats(store: Store) -> None:
    await create(store)
    for n in range(7):
        await store.changes.commit("fire", draft(f"p{n}", now=n))
    first, more = await store.reads.page("fire", limit=3)
    assert ([post.id for post in first], more) == (["p6", "p5", "p4"], True)
    # The post a page ended with may be deleted meanwhile.
    await store.changes.commit("fire", rules.delete(first[-1], NOW, purge=False))
    second, more = await store.reads.page("fire", "p4", 4)
    assert ([post.id for post in second], more) == (["p3", "p2", "p1", "p0"], False)
    with pytest.raises(NotFoundError):
        await store.reads.page("fire", "never")


async def test_events_are_complete_or_none(store: Store) -> None:
    made = await create(store)
    for n in range(5):
        await store.changes.commit("fire", draft(f"p{n}"))
    assert await store.log.events("fire", made.epoch, 6) == []
    assert await store.log.events("fire", made.epoch, 7) is None  # ahead of the store
    assert await store.log.events("fire", "another", 3) is None
    await store.server.client.xtrim(store.keys.of("fire", "log"), maxlen=3, approximate=False)
    assert [event["seq"] for event in await store.log.events("fire", made.epoch, 3)] == [4, 5, 6]
    assert await store.log.events("fire", made.epoch, 2) is None
    await store.server.client.xdel(store.keys.of("fire", "log"), "5-0")
    assert await store.log.events("fire", made.epoch, 3) is None


async def test_the_log_is_bounded_and_the_rest_is_kept(store: Store, settings: Settings) -> None:
    small = await Store.open(dataclasses.replace(settings, log_events=100))
    await create(store)
    for n in range(110):
        await small.changes.commit("fire", draft(f"p{n}", now=n))
    await small.aclose()
    assert await store.server.client.xlen(store.keys.of("fire", "log")) == 100
    assert (await store.reads.story("fire")).totals.post_count == 110


async def test_a_deleted_story_is_gone(store: Store) -> None:
    await create(store)
    await store.changes.commit("fire", rules.delete_story((await store.reads.story("fire")).story, NOW))
    for call in (
        store.reads.story("fire"),
        store.reads.load("fire", 5),
        store.changes.commit("fire", draft("a")),
        create(store),
    ):
        with pytest.raises(GoneError):
            await call
    assert await store.reads.stories() == []
    with pytest.raises(NotFoundError):
        await store.reads.story("never")
    with pytest.raises(NotFoundError):
        await store.changes.commit("never", draft("a"))


async def test_tops(store: Store) -> None:
    made = await create(store)
    assert await store.log.top(["fire", "never"]) == [(made.epoch, 1), ("", 0)]
    assert await store.log.top([]) == []


async def test_a_lost_index_entry_is_found_again(store: Store) -> None:
    await create(store, "fire")
    await create(store, "flood")
    await store.server.client.delete(store.keys.stories)
    assert await store.reads.stories() == []
    assert await store.index.repair() == 2
    assert [one.story.slug for one in await store.reads.stories()] == ["fire", "flood"]
    assert await store.index.repair() == 0


async def test_another_server_run_renews_the_epoch_once(store: Store) -> None:
    """Unless the store is durable, another run_id means that events may have been lost."""
    store.server.durable = False
    made = await create(store)
    await store.changes.commit("fire", draft("a"))
    await store.server.client.hset(store.keys.of("fire", "meta"), "run_id", "0" * 40)

    positions = await asyncio.gather(*[store.reads.story("fire") for _ in range(12)])
    assert len({held.epoch for held in positions}) == 1
    assert positions[0].epoch != made.epoch
    assert positions[0].seq == 0
    assert await store.log.events("fire", made.epoch, 2) is None
    done = await store.changes.commit("fire", draft("b"))
    assert (done.epoch, done.seq) == (positions[0].epoch, 1)
    assert len(await store.log.events("fire", done.epoch, 0)) == 1

    store.server.durable = True
    await store.server.client.hset(store.keys.of("fire", "meta"), "run_id", "0" * 40)
    assert (await store.reads.story("fire")).epoch == done.epoch


async def test_writers_that_find_another_run_renew_it_once(store: Store) -> None:
    store.server.durable = False
    made = await create(store)
    await store.server.client.hset(store.keys.of("fire", "meta"), "run_id", "0" * 40)
    done = await asyncio.gather(*[store.changes.commit("fire", draft(f"p{n}", now=n)) for n in range(12)])
    assert len({one.epoch for one in done} | {made.epoch}) == 2
    assert sorted(one.seq for one in done) == list(range(1, 13))


async def test_a_lost_log_renews_the_epoch(store: Store) -> None:
    store.server.durable = True
    made = await create(store)
    await store.server.client.delete(store.keys.of("fire", "log"))
    done = await store.changes.commit("fire", draft("a"))
    assert (done.epoch != made.epoch, done.seq) == (True, 1)
    # Nobody's word renews an epoch whose log is in order.
    assert await store.log.renew("fire", done.epoch) == done.epoch
    # Of all who hold proof of a fork one renews it, and the others hear the epoch that stands.
    renewed = await asyncio.gather(*[store.log.renew("fire", done.epoch, force=True) for _ in range(5)])
    assert len({*renewed, done.epoch}) == 2


async def test_import_in_batches(store: Store) -> None:
    await create(store, "source")
    story = (await store.reads.story("source")).story
    story = msgspec.structs.replace(story, slug="fire")
    posts = [draft(f"p{n}", now=n * 10, is_key_event=n == 3).post for n in range(10)]
    posts[4] = msgspec.structs.replace(posts[4], version=1_000_000_000)
    totals = Totals(version=40, date_modified=format_time(NOW + 777), pinned_post_id="p1")
    marks = [f"c{n}" for n in range(10)]

    assert await store.changes.import_batch("fire", story, totals, posts[:6], marks[:6], False) == (6, 0)
    # Interrupted here, then run again from the start.
    assert await store.changes.import_batch("fire", story, totals, posts[:6], marks[:6], False) == (0, 6)
    assert await store.changes.import_batch("fire", None, totals, posts[6:], marks[6:], True) == (4, 0)

    held = await store.reads.story("fire")
    assert held.story == story
    assert held.totals == Totals(
        version=40, post_count=10, listed_count=10, date_modified=totals.date_modified, pinned_post_id="p1"
    )
    assert [post.id for post in (await store.reads.page("fire"))[0]] == [f"p{n}" for n in reversed(range(10))]
    assert [line["id"] for line in (await store.reads.load("fire", 5)).key_events] == ["p3"]
    assert await store.log.events("fire", held.epoch, 0) is None  # barriers lie between
    assert await store.reads.imported("fire", ["p1", "never"]) == {"p1": (posts[1], "c1")}
    with pytest.raises(ConflictError):
        await store.changes.import_batch("fire", None, totals, posts[:1], ["else"], True)
    # A post of version one thousand million can be purged without counting down to one.
    await store.changes.commit("fire", rules.delete(posts[4], NOW, purge=True))


async def test_imported_ties_are_moved_apart(store: Store) -> None:
    await create(store)
    await store.changes.commit("fire", draft("a"))
    posts = [draft(f"p{n}").post for n in range(5)]
    await store.changes.import_batch("fire", None, Totals(), posts, ["c"] * 5, True)
    held, _ = await store.reads.page("fire")
    assert sorted(post.sort_time for post in held) == [format_time(NOW + n) for n in range(6)]


@pytest.mark.parametrize("field", ["version", "post_count", "listed_count"])
@pytest.mark.parametrize("held", [2**63 - 1, 2**53, "1.5", "many", ""])
async def test_a_counter_that_cannot_go_on_stops_a_change_before_it_begins(store: Store, field: str, held) -> None:
    await create(store)
    await store.changes.commit("fire", draft("a"))
    meta = store.keys.of("fire", "meta")
    await store.server.client.hset(meta, field, held)
    everything = [store.keys.of("fire", part) for part in ("posts", "order", "log", "revisions", "versions", "created")]
    before = [await store.server.client.dump(key) for key in (meta, *everything)]

    for change in (draft("b"), rules.delete(draft("a").post, NOW, purge=True)):
        with pytest.raises(StoreError, match=f"nothing was (stored|done): the {field}"):
            await store.changes.commit("fire", change)
    with pytest.raises(StoreError, match=f"nothing was (stored|done): the {field}"):
        await store.changes.import_batch("fire", None, Totals(), [draft("c").post], ["c"], True)

    assert [await store.server.client.dump(key) for key in (meta, *everything)] == before


async def test_an_imported_version_that_cannot_be_counted_is_refused(store: Store) -> None:
    await create(store)
    with pytest.raises(StoreError, match="nothing was stored"):
        await store.changes.import_batch("fire", None, Totals(version=2**63 - 1), [draft("c").post], ["c"], True)
    assert (await store.reads.page("fire"))[0] == []


async def test_tokens(store: Store) -> None:
    await store.tokens.put("ab" * 32, b'{"name":"cms"}')
    assert await store.tokens.get("ab" * 32) == b'{"name":"cms"}'
    assert await store.tokens.all() == {"ab" * 32: b'{"name":"cms"}'}
    assert await store.tokens.remove("ab" * 32)
    assert not await store.tokens.remove("ab" * 32)
    assert await store.tokens.get("ab" * 32) is None
