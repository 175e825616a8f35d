"""The promises of a feed: order without gap or repeat for readers of any speed, and nothing retracted told again."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.hub import notices
from stoppress.hub.feed import Feed, Limits
from stoppress.hub.frame import Batch, Frame
from stoppress.hub.position import Position
from stoppress.hub.reader import Reader
from stoppress.wire import native, sse
from story_model import Client, Editor, Moment, encoded, histories

KEEP = 8


class Page(Reader):
    """A reader whose line takes one message at a time, whenever the test says; it folds and checks what it gets.

    `room`: up to so many messages wait on its line before it is busy; 0 = it wants to be woken for each.
    """

    def __init__(self, client: Client | None = None, room: int = 0) -> None:
        super().__init__()
        self.client = client
        self.room = room
        self.is_awake = False
        self.line: deque[Frame] = deque()
        self.told: list[int] = []
        self.notes: list[str] = []

    def wake(self) -> None:
        self.is_awake = True

    def note(self, notice: Frame) -> None:
        self.notes.append(notice.type)

    def hand(self, batch: Batch) -> None:
        assert self.is_ready
        assert not self.is_fresh, "not before it was opened"
        self.line.extend(batch.frames)
        self.is_ready = len(self.line) < self.room

    def take(self, feed: Feed) -> None:
        if not self.line:
            self.is_awake = False
            batch = feed.take(self)
            self.line.extend(batch.frames if batch else ())
            self.is_ready = len(self.line) < self.room

    def read(self) -> None:
        """One message arrives, encoded when it leaves."""
        if not self.line:
            return
        message = json.loads(self.line.popleft().form(native.encode))
        if not self.line and self.room:
            self.is_awake = True  # as a transport does that has room again
        if message["type"] == "snapshot":
            self.client = Client.of(message)
            self.told.append(-message["seq"])
            return
        assert self.client is not None, "neither snapshot nor a position of its own"
        for event in message["events"] if message["type"] == "resumed" else [message]:
            self.client.fold(event)  # asserts that the seq is the next
            self.told.append(event["seq"])
        if message["type"] == "resumed":
            assert (self.client.epoch, self.client.seq) == (message["epoch"], message["seq"])


def forms_of(feed: Feed) -> bytes:
    """Everything the feed could still tell anybody, in every dialect, built just now."""
    reader = Page()
    frames: list[Frame] = []
    for seq in range(feed.floor, feed.seq + 1):
        frames += feed.resumed(seq).frames
        reader.seq, reader.is_fresh = seq, False
        batch = feed.take(reader)
        frames += batch.frames if batch else ()
    frames += feed.snapshot().frames
    return b"".join(frame.form(native.encode) + frame.form(sse.encode) for frame in frames)


@given(history=histories(most=25, may_end=True), data=st.data())
def test_any_interleaving_keeps_order_without_gap_or_repeat(history: list[Moment], data: st.DataObject) -> None:
    """Joins, leaves, events, wakes, takes and reads between any two of each other; the ring is far too small."""
    limits = Limits(backlog=4, ring_events=data.draw(st.sampled_from([1, 3, 100]), label="ring"))
    epochs = {"e1": [Editor(), *[moment.truth for moment in history]]}
    todo: deque[Moment] = deque(history)
    feed = Feed("a", Editor().load(KEEP), limits)
    pages: list[Page] = []
    pumps: list[Any] = []
    truth = Editor()

    def join() -> None:
        page = Page(room=data.draw(st.sampled_from([0, 1, 3, 100]), label="room"))
        start = data.draw(st.integers(-1, feed.seq + 1), label="joins from")
        position = Position(feed.epoch, start) if start >= 0 else None
        if 0 <= start <= feed.seq and feed.epoch in epochs:
            page.client = Client.of(epochs[feed.epoch][start].snapshot(4, 10**6))
        proven = feed.join(page, position)
        assert proven == (position is not None and feed.floor <= start <= feed.seq)
        if not proven:
            page.client = None
        pages.append(page)

    for _ in range(data.draw(st.integers(5, 60), label="steps")):
        step = data.draw(st.sampled_from(["event", "event", "event", "join", "leave", "pump", "step", "take", "read"]))
        if step == "event" and todo:
            moment = todo.popleft()
            feed.apply(moment.event, moment.payload)
            truth = moment.truth
        elif step == "join":
            join()
        elif step == "leave" and pages:
            feed.leave(pages.pop(data.draw(st.integers(0, len(pages) - 1))))
        elif step == "pump" and feed.is_dirty:
            pumps.append(feed.pump(1))
        elif step == "step" and pumps:
            next(pumps[0], None) or None
        elif step == "take" and pages:
            data.draw(st.sampled_from(pages)).take(feed)
        elif step == "read" and pages:
            data.draw(st.sampled_from(pages)).read()

    for pump in [*pumps, feed.pump(1)]:
        for _ in pump:
            pass
    for page in pages:
        owed = page.is_fresh or page.seq != feed.seq
        assert page.is_awake or page.is_fresh or not owed, "behind, and nobody woke it"
        while page.line or owed:
            page.take(feed)
            page.read()
            owed = page.is_fresh or page.seq != feed.seq
        assert page.client is not None
        assert page.client.seq == feed.seq
        assert page.client.story == truth.snapshot(4, 10**6)["story"]
        assert page.client.posts == truth.listed()[: len(page.client.posts)]
        assert page.client.pinned == truth.snapshot(4, 10**6)["pinned"]
        for earlier, later in zip(page.told, page.told[1:], strict=False):
            assert later < 0 or later == abs(earlier) + 1


@given(history=histories(most=25, may_end=True), data=st.data())
def test_what_was_retracted_is_told_nowhere(history: list[Moment], data: st.DataObject) -> None:
    """Not in a frame, a batch, a resume or a snapshot, and not by a batch that waits for a slow reader."""
    feed = Feed("a", Editor().load(KEEP), Limits(backlog=4))
    slow = Page()
    feed.join(slow, feed.position)
    waiting: list[Batch] = []
    for moment in history:
        feed.apply(moment.event, moment.payload)
        forms_of(feed)  # warms every cache
        if data.draw(st.booleans(), label="taken by a slow reader") and (batch := feed.take(slow)) and batch.is_live:
            waiting.append(batch)

        told = forms_of(feed).decode()
        told += b"".join(frame.form(native.encode) for batch in waiting for frame in batch.frames).decode()
        assert not [secret for secret in moment.truth.secrets() if secret in told]


@given(history=histories(most=25))
def test_the_ring_is_bounded_and_redaction_keeps_its_books(history: list[Moment]) -> None:
    feed = Feed("a", Editor().load(KEEP), Limits(ring_events=5, ring_bytes=2000))
    for moment in history:
        feed.apply(moment.event, moment.payload)
        held = [len(frame.raw or b"") for frame in feed._ring]

        assert feed._ring_bytes == sum(held)
        assert len(held) == 1 or (len(held) <= 5 and sum(held) <= 2000)
        assert feed.floor == feed.seq - len(held)


def published(count: int, **limits: Any) -> tuple[Editor, Feed]:
    editor = Editor()
    feed = Feed("a", editor.load(KEEP), Limits(**limits))
    for _ in range(count):
        event = editor.publish(0, key=False, pin=False)
        feed.apply(event, encoded(event))
    return editor, feed


def test_readers_at_the_same_seq_share_one_batch_and_its_bytes() -> None:
    """What a reader costs does not grow with what it missed."""
    _, feed = published(5)
    first, second = Page(), Page()
    for page in (first, second):
        feed.join(page, Position("e1", 2))
        page.is_fresh = False

    one, two = feed.take(first), feed.take(second)

    assert one is two
    assert one is not None
    assert [frame.message["seq"] for frame in one.frames] == [3, 4, 5]
    assert one.forms[sse.encode] is one.forms[sse.encode]
    assert feed.take(first) is None


def test_joiners_share_one_snapshot_and_one_resume_until_the_next_event() -> None:
    editor, feed = published(5)
    pages = [Page() for _ in range(4)]
    for page, position in zip(pages, [None, None, Position("e1", 3), Position("e1", 3)], strict=True):
        feed.join(page, position)
    snapshot, same, resumed, alike = [feed.take(page) for page in pages]

    assert snapshot is same
    assert resumed is alike
    assert feed.counts.snapshots == feed.counts.resumes == 2
    event = editor.publish(0, key=False, pin=False)
    feed.apply(event, encoded(event))
    assert feed.snapshot() is not snapshot


def test_an_event_passes_through_with_the_very_bytes_of_the_store() -> None:
    editor, feed = published(0)
    page = Page()
    feed.join(page, feed.position)
    feed.take(page)
    event = editor.publish(0, key=False, pin=False)
    payload = json.dumps(event, indent=1).encode()

    assert feed.apply(event, payload)
    batch = feed.take(page)

    assert batch is not None
    assert batch.frames[0].form(native.encode) is payload


def test_a_quiet_story_resumes_with_nothing_missed() -> None:
    """However long it was quiet, and on a hub that has just loaded it."""
    editor, _ = published(3)
    feed = Feed("a", editor.load(KEEP))
    page = Page()

    assert feed.join(page, Position("e1", 3))
    batch = feed.take(page)

    assert batch is not None
    assert json.loads(batch.frames[0].form(native.encode)) == {"type": "resumed", "epoch": "e1", "seq": 3, "events": []}


@pytest.mark.parametrize(
    "position",
    [None, Position("e2", 5), Position("e1", 6), Position("e1", 2)],
    ids=["none", "another epoch", "ahead", "below the ring"],
)
def test_what_cannot_be_proved_gets_a_snapshot(position: Position | None) -> None:
    _, feed = published(5, ring_events=2)
    page = Page()

    assert not feed.join(page, position)
    page.take(feed)
    assert [frame.type for frame in page.line] == ["snapshot"]


def test_replaced_state_is_a_snapshot_for_every_reader_once() -> None:
    _, feed = published(5)
    pages = [Page(), Page()]
    for page in pages:
        feed.join(page, feed.position)
        feed.take(page)
    other = Editor(epoch="e2")
    other.publish(0, key=False, pin=False)

    feed.replace(other.load(KEEP))
    for _ in feed.pump():
        pass

    for page in pages:
        assert page.is_awake
        page.take(feed)
        page.read()
        assert page.client is not None
        assert (page.client.epoch, page.client.seq) == ("e2", 1)
        page.take(feed)
        assert not page.line


@given(history=histories(), data=st.data())
def test_what_the_log_recalls_serves_like_what_was_heard(history: list[Moment], data: st.DataObject) -> None:
    """A worker that loaded the story late resumes readers of one that died, and tells nothing retracted."""
    loaded = data.draw(st.integers(0, len(history) - 1))
    truth = history[loaded].truth
    late = Feed("a", truth.load(KEEP), Limits(backlog=KEEP))
    behind = data.draw(st.integers(0, loaded))
    other = Feed("a", (history[behind - 1].truth if behind else Editor()).load(KEEP), Limits(backlog=KEEP))
    for moment in history[behind : loaded + 1]:
        other.apply(moment.event, moment.payload)
    log = other.resumed(history[behind].event["seq"] - 1).frames[0].frames
    older = [(frame.message, encoded(frame.message)) for frame in log]
    recalled_at = data.draw(st.integers(loaded, len(history) - 1))
    for n, moment in enumerate(history[loaded + 1 :], loaded + 1):
        if n == recalled_at + 1:
            late.recall(older)
        late.apply(moment.event, moment.payload)
    if not late.is_recalled:
        late.recall(older)

    assert late.floor == history[behind].event["seq"] - 1
    assert late.join(Page(), Position(late.epoch, late.floor))
    told = forms_of(late).decode()
    assert not [secret for secret in history[-1].truth.secrets() if secret in told]


def test_recalling_leaves_what_was_restored_after_its_retraction() -> None:
    editor = Editor()
    first = editor.publish(0, key=False, pin=False)
    feed = Feed("a", editor.load(KEEP), Limits(backlog=KEEP))
    for event in (editor.withdraw("p1"), editor.restore("p1")):
        feed.apply(event, encoded(event))

    feed.recall([(first, encoded(first))])

    assert [frame.type for frame in feed.resumed(0).frames[0].frames] == [
        "post.withdrawn",  # told as it may still be told
        "post.withdrawn",
        "post.published",
    ]


def test_what_does_not_end_at_the_floor_is_not_recalled() -> None:
    _, feed = published(3)

    feed.recall([({"epoch": feed.epoch, "seq": 7}, b"{}")])

    assert feed.floor == 0
    assert feed.is_recalled


@pytest.mark.parametrize(
    ("position", "is_answered"),
    [
        (Position("e2", 9), True),  # with a snapshot, whatever the store says
        (Position("e1", 2), False),  # the log may reach further back
        (Position("e1", 3), True),
        (Position("e1", 5), True),
        (Position("e1", 6), False),  # the store may be ahead
    ],
    ids=["another epoch", "below the ring", "at the floor", "at the head", "ahead"],
)
def test_the_store_is_asked_only_for_what_the_ring_does_not_prove(position: Position, is_answered: bool) -> None:
    _, feed = published(5, ring_events=2)

    assert feed.answers(position) is is_answered


def test_nothing_follows_a_state_in_doubt_and_no_position_is_honoured_until_it_is_replaced() -> None:
    editor, feed = published(3)
    feed.doubt()
    event = editor.publish(0, key=False, pin=False)

    with pytest.raises(ValueError, match="does not follow"):
        feed.apply(event, encoded(event))
    assert not feed.join(Page(), Position("e1", 3))
    assert not feed.refill(editor.load(KEEP))
    feed.replace(editor.load(KEEP))
    assert feed.join(Page(), Position("e1", 4))


def test_who_is_far_behind_may_take_a_state_instead_of_its_history() -> None:
    """If that is less: of two posts shown, three events are more, and two are not."""
    _, feed = published(5, backlog=2)
    page = Page()
    for seq, type_ in [(2, "snapshot"), (3, "post.published")]:
        page.seq, page.is_fresh = seq, False
        batch = feed.take(page, conflate=True)
        assert batch is not None
        assert batch.frames[0].type == type_
        assert page.seq == 5


def test_a_fan_out_says_what_was_handed_over_and_to_how_many() -> None:
    """By what each missed, in the order they stand; the notice leaves behind the events, in the same write."""
    editor, feed = published(2)
    ready = [Page(room=9) for _ in range(4)]
    waiting = Page()
    for page in (waiting, *ready):
        feed.join(page, feed.position)
        page.take(feed)
        page.line.clear()
    for page in ready:
        page.is_ready = True
    event = editor.publish(0, key=False, pin=False)
    feed.apply(event, encoded(event))
    for page, seq in zip(ready, [1, 2, 2, 1], strict=True):
        page.seq = seq
    feed.aside = notices.readers(5)

    (handed,) = feed.pump()

    seqs = [([frame.message["seq"] for frame in batch.frames], count) for batch, count in handed]
    assert seqs == [([2, 3], 1), ([3], 2), ([2, 3], 1)]
    assert handed[0][0] is handed[2][0], "one batch for all who missed the same, wherever they stand"
    assert all(batch.forms[native.encode].endswith(b'{"type":"readers","count":5}') for batch, _ in handed)
    assert all(page.seq == 3 and not page.is_awake for page in ready)
    assert (waiting.is_awake, waiting.notes, waiting.seq) == (True, ["readers"], 2)


def test_after_a_fan_out_everybody_is_left_alone() -> None:
    """Who is at the head, and who left while others were served."""
    editor, feed = published(1)
    pages = [Page() for _ in range(3)]
    for page in pages:
        feed.join(page, feed.position)
        page.take(feed)
        page.is_awake = False
    event = editor.publish(0, key=False, pin=False)
    feed.apply(event, encoded(event))
    pages[0].seq = 2  # it took by itself
    slices = feed.pump(1)

    next(slices)
    feed.leave(pages[2])
    assert list(slices) == [[], []], "nothing was written to anybody"
    assert [page.is_awake for page in pages] == [False, True, False]


def test_a_pinned_post_that_was_retracted_is_gone_from_the_event_that_pinned_it() -> None:
    editor, feed = published(1)
    event = editor.pin("p1")
    feed.apply(event, encoded(event))
    event = editor.delete("p1")

    feed.apply(event, encoded(event))

    told = [json.loads(frame.form(native.encode)) for frame in feed.resumed(0).frames[0].frames]
    assert [message["type"] for message in told] == ["post.deleted", "story.updated", "post.deleted"]
    assert "pinned" not in told[1]
    assert told[1]["story"]["pinned_post_id"] == "p1"  # as it was: positions keep their meaning


def test_an_overlap_is_dropped_and_a_hole_refused() -> None:
    editor, feed = published(2)
    old = editor.publish(0, key=False, pin=False)
    feed.apply(old, encoded(old))
    editor.publish(0, key=False, pin=False)
    hole = editor.publish(0, key=False, pin=False)

    assert not feed.apply(old, encoded(old))
    with pytest.raises(ValueError, match="does not follow"):
        feed.apply(hole, encoded(hole))
    assert feed.seq == 3


def test_a_deleted_story_keeps_nothing_but_that() -> None:
    editor, feed = published(5)
    page = Page()
    feed.join(page, Position("e1", 4))
    event = editor.delete_story()
    feed.apply(event, encoded(event))

    assert feed.deleted
    assert feed.floor == feed.seq - 1
    page.take(feed)
    page.read()
    assert page.client is not None
    assert page.client.posts == []
    assert feed.snapshot().frames[0].message["has_more"] is False


def test_only_what_was_written_live_may_be_reported_as_seen() -> None:
    editor, feed = published(3)
    page = Page()
    feed.join(page, Position("e1", 1))
    feed.take(page)
    event = editor.publish(0, key=False, pin=False)
    feed.apply(event, encoded(event))
    assert feed.written_at(page, 4) is None  # not taken yet
    feed.take(page)

    assert [feed.written_at(page, seq) is not None for seq in (0, 1, 2, 3, 4, 5)] == [False] * 4 + [True, False]
    found = feed.written_at(page, 4)
    assert found is not None
    assert found.message["seq"] == 4


def test_leaving_twice_counts_once() -> None:
    _, feed = published(0)
    page = Page()
    feed.join(page)

    feed.leave(page)
    feed.leave(page)

    assert (feed.counts.connects, feed.counts.disconnects) == (1, 1)
    assert not feed.readers
