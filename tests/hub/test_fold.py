"""One state: whatever editors do, fold of events = snapshot = the truth, byte for byte, at every seq."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.hub.feed import Feed, Limits
from stoppress.hub.state import StoryState
from stoppress.wire import native
from story_model import Client, Editor, Moment, encoded, histories

BACKLOG = 3
KEEP = 2 * BACKLOG
SIZES = st.sampled_from([1, 400, 700, 10**6])


def snapshot_bytes(feed: Feed) -> bytes:
    (frame,) = feed.snapshot().frames
    return frame.form(native.encode)


@given(history=histories(), size=SIZES, data=st.data())
def test_feed_fold_and_truth_agree_at_every_seq(history: list[Moment], size: int, data: st.DataObject) -> None:
    """A hub that reloads when deletions ate into its backlog, from a state of that moment, before or after it, a
    client from the first event on, and the store's truth say the same."""
    limits = Limits(backlog=BACKLOG, snapshot_bytes=size)
    feed = Feed("a", Editor().load(KEEP), limits)
    client = Client.of(Editor().snapshot(BACKLOG, size))
    for n, moment in enumerate(history):
        feed.apply(moment.event, moment.payload)
        if feed.short and feed._refill is None:
            at = data.draw(st.integers(max(0, n - 3), min(n + 3, len(history) - 1)), label="loaded at")
            assert feed.refill(history[at].truth.load(KEEP))
        client.fold(moment.event)
        truth = moment.truth.snapshot(BACKLOG, size)

        assert encoded(client.snapshot(BACKLOG, size)) == encoded(truth)
        assert len(feed.state.posts) <= KEEP
        if not feed.short:
            assert snapshot_bytes(feed) == encoded(truth)
    assert not feed.short or feed._refill is None


@given(history=histories(), size=SIZES, data=st.data())
def test_a_late_joiner_holds_an_unbroken_run_of_the_truth(
    history: list[Moment], size: int, data: st.DataObject
) -> None:
    """From any snapshot on, a client shows the newest posts without a hole, and everything else exactly."""
    start = data.draw(st.integers(0, len(history) - 1), label="joins after")
    client = Client.of(history[start].truth.snapshot(BACKLOG, size))
    for moment in history[start + 1 :]:
        client.fold(moment.event)
        truth = moment.truth
        whole = truth.snapshot(10**6, 10**9)

        assert client.posts == whole["posts"][: len(client.posts)]
        assert client.has_more == (len(whole["posts"]) > len(client.posts))
        assert client.story == whole["story"]
        assert client.pinned == whole["pinned"]
        assert client.key_events == whole["key_events"]


@given(history=histories(), data=st.data())
def test_a_hub_loaded_at_any_time_agrees(history: list[Moment], data: st.DataObject) -> None:
    """Two workers that met the story at different times give the same bytes, unless one has to reload first."""
    start = data.draw(st.integers(0, len(history) - 1), label="loaded after")
    feed = Feed("a", history[start].truth.load(KEEP), Limits(backlog=BACKLOG))
    for moment in history[start + 1 :]:
        feed.apply(moment.event, moment.payload)
        held = feed.state.posts
        assert held == moment.truth.listed()[: len(held)]  # no hole, not even where a snapshot does not reach
        if not feed.short:
            assert snapshot_bytes(feed) == encoded(moment.truth.snapshot(BACKLOG, 512 * 1024))


def test_short_is_told_at_once_and_a_refill_goes_unnoticed() -> None:
    editor = Editor()
    for _ in range(20):
        editor.publish(0, key=False, pin=False)
    short: list[str] = []
    feed = Feed("a", editor.load(KEEP), Limits(backlog=BACKLOG), on_short=lambda feed: short.append(feed.slug))
    for id in ("p20", "p19", "p18"):
        event = editor.delete(id)
        feed.apply(event, encoded(event))
    assert not short

    event = editor.delete("p17")
    feed.apply(event, encoded(event))

    assert short == ["a"]
    assert feed.refill(editor.load(KEEP))
    assert not feed.short
    assert snapshot_bytes(feed) == encoded(editor.snapshot(BACKLOG, 10**6))


def test_a_refill_may_be_older_or_newer_than_the_feed() -> None:
    """The ring's events are folded into an older one; a newer one waits until the feed is there."""
    editor = Editor()
    for _ in range(20):
        editor.publish(0, key=False, pin=False)
    feed = Feed("a", editor.load(KEEP), Limits(backlog=BACKLOG))
    older = editor.load(KEEP)
    events = [editor.delete(id) for id in ("p20", "p19", "p18", "p17")]
    for event in events[:2]:
        feed.apply(event, encoded(event))

    assert feed.refill(older)
    assert feed.seq == 22
    assert [post["id"] for post in feed.state.posts] == ["p18", "p17", "p16", "p15"]
    assert feed.refill(editor.load(KEEP))
    assert feed.seq == 22
    for event in events[2:]:
        feed.apply(event, encoded(event))
    assert feed.seq == 24
    assert snapshot_bytes(feed) == encoded(editor.snapshot(BACKLOG, 10**6))


def test_a_refill_of_another_epoch_or_from_below_the_ring_is_refused() -> None:
    editor = Editor()
    state = editor.load(KEEP)
    feed = Feed("a", Editor().load(KEEP), Limits(ring_events=1))
    for _ in range(3):
        event = editor.publish(0, key=False, pin=False)
        feed.apply(event, encoded(event))

    assert not feed.refill(state)
    assert not feed.refill(Editor(epoch="e2", seq=3).load(KEEP))


def test_an_old_version_loses() -> None:
    """A redacted resume may bring the newest version early; what follows must not undo it."""
    editor = Editor()
    editor.publish(0, key=True, pin=True)
    old = editor.posts["p1"]
    editor.edit("p1", key=True)
    state = editor.load(KEEP)
    event = {**editor._event("post.updated", post=old, story=editor.totals()), "seq": editor.seq + 1}

    state.apply(event)

    assert state.posts == [editor.posts["p1"]]
    assert state.pinned == editor.posts["p1"]


def test_a_pin_stays_while_other_posts_change() -> None:
    """Also one whose post is too old to be held."""
    editor = Editor()
    editor.publish(0, key=False, pin=True)
    editor.publish(0, key=False, pin=False)
    state = editor.load(1)

    state.apply(editor.publish(0, key=False, pin=False))

    assert state.pinned == editor.posts["p1"]


def places(state: StoryState) -> list[str]:
    return [post["id"] for post in state.posts]


def test_a_post_from_the_past_is_held_only_where_no_hole_could_be_before_it() -> None:
    """Not below the oldest held one while the store has more; and what is too many goes at the old end."""
    editor = Editor()
    for _ in range(KEEP):
        editor.publish(0, key=False, pin=False)
    whole, part = editor.load(KEEP + 1), editor.load(KEEP - 1)
    for event in (editor.publish(20, key=False, pin=False), editor.publish(2, key=False, pin=False)):
        whole.apply(event)
        part.apply(event)

    assert places(whole) == ["p6", "p8", "p5", "p4", "p3", "p2", "p1"]
    assert places(part) == ["p6", "p8", "p5", "p4", "p3"]
    assert whole.posts == editor.listed()[: KEEP + 1]
    for event in (editor.delete("p8"), editor.delete("p6"), editor.publish(7, key=False, pin=False)):
        part.apply(event)
    assert places(part) == ["p5", "p4", "p3"], "not even where there is room"


def test_a_moved_post_takes_its_new_place_or_none() -> None:
    editor = Editor()
    for _ in range(KEEP):
        editor.publish(0, key=True, pin=False)
    whole, part = editor.load(KEEP), editor.load(KEEP - 1)
    for event in (editor.move("p3", 0), editor.move("p5", 20)):
        whole.apply(event)
        part.apply(event)

    assert places(whole) == [post["id"] for post in editor.listed()] == ["p3", "p6", "p4", "p2", "p1", "p5"]
    assert places(part) == ["p3", "p6", "p4", "p2"]
    assert whole.key_events == part.key_events == editor.key_events()


def test_deleting_what_is_not_held_takes_only_its_key_event() -> None:
    editor = Editor()
    for _ in range(4):
        editor.publish(0, key=True, pin=False)
    state = editor.load(2)

    state.apply(editor.delete("p1"))

    assert places(state) == ["p4", "p3"]
    assert [entry["id"] for entry in state.key_events] == ["p4", "p3", "p2"]


def test_a_snapshot_has_as_many_posts_as_fit_but_one_at_least() -> None:
    editor = Editor()
    for _ in range(3):
        editor.publish(0, key=False, pin=False)
    state = editor.load(KEEP)
    sizes = [len(encoded(post)) for post in state.posts]

    def shown(max_bytes: int) -> int:
        snapshot = state.snapshot(3, max_bytes)
        assert snapshot["has_more"] is (len(snapshot["posts"]) < 3)
        return len(snapshot["posts"])

    assert [shown(size) for size in (1, sum(sizes[:2]) - 1, sum(sizes[:2]), sum(sizes))] == [1, 1, 2, 3]


def test_a_pin_without_its_post_is_found_among_the_held() -> None:
    """A redacted resume may have lost it; so may another server's event."""
    editor = Editor()
    editor.publish(0, key=False, pin=False)
    state = editor.load(KEEP)
    event = editor.pin("p1")
    del event["pinned"]

    state.apply(event)

    assert state.pinned == editor.posts["p1"]


@pytest.mark.parametrize(("epoch", "seq"), [("e1", 2), ("e1", 0), ("e2", 1)])
def test_a_state_refuses_what_does_not_follow(epoch: str, seq: int) -> None:
    state: StoryState = Editor().load(KEEP)
    event = Editor().publish(0, key=False, pin=False)

    with pytest.raises(ValueError, match="does not follow"):
        state.apply({**event, "epoch": epoch, "seq": seq})
    assert state.seq == 0


def test_a_snapshot_stays_as_it_was_taken() -> None:
    """It may be encoded only when a slow line is free, and the state moves on meanwhile."""
    editor = Editor()
    feed = Feed("a", editor.load(KEEP))
    event = editor.publish(0, key=True, pin=True)
    feed.apply(event, encoded(event))
    taken = feed.snapshot().frames[0]
    then = encoded(editor.snapshot(50, 10**6))

    event = editor.edit("p1", key=False)
    feed.apply(event, encoded(event))

    assert taken.form(native.encode) == then
