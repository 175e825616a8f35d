"""What readers are told out of band, and the numbers about it."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from stoppress.hub import notices
from stoppress.hub.feed import Feed
from stoppress.hub.frame import Batch, Frame
from stoppress.hub.histogram import Histogram, Recent
from stoppress.hub.hub import ASIDE_MS, Hub
from stoppress.hub.position import Position
from stoppress.hub.reader import Reader
from stoppress.hub.sample import StoryFigures
from stoppress.wire import native
from story_model import Editor, encoded

START = 1_000_000
CLOCK = count(START, 1000).__next__  # time enough between any two fan-outs


class Listener(Reader):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.notices: list[dict[str, Any]] = []

    def wake(self) -> None:
        self.log.append("wake")

    def note(self, notice: Frame) -> None:
        self.log.append(notice.type)
        self.notices.append(notice.message)

    def cut(self) -> None:
        self.log.append("cut")


class Ready(Listener):
    """Its line is always free."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = b""

    def hand(self, batch: Batch) -> None:
        self.log += [frame.type for frame in batch.frames]
        self.bytes += batch.forms[native.encode]


def story(hub: Hub, slug: str = "a", readers: int = 0) -> tuple[Editor, Feed, list[Listener]]:
    editor = Editor()
    feed = hub.add(slug, editor.load(8))
    listeners = [Listener() for _ in range(readers)]
    for listener in listeners:
        feed.join(listener)
        feed.take(listener)
    return editor, feed, listeners


def tell(editor: Editor, feed: Feed) -> None:
    event = editor.publish(0, key=False, pin=False)
    feed.apply(event, encoded(event))


def work(hub: Hub, slice_count: int = 200) -> int:
    return sum(1 for _ in hub.work(CLOCK, slice_count))


def settled(hub: Hub) -> None:
    """Past the first reader count and the first look at the silence."""
    hub.sweep(START)
    hub.sweep(START + ASIDE_MS)
    work(hub)


def test_hello_is_shared_by_all_who_join_within_a_second() -> None:
    hub = Hub()
    _, feed, _ = story(hub, readers=1)

    first = hub.hello(feed, START)
    assert hub.hello(feed, START + 999) is first
    assert hub.hello(feed, START + 1000) is not first
    hub.stale(5)
    assert hub.hello(feed, START + 1000).message["stale_since"] == "1970-01-01T00:00:00.005Z"


def test_of_many_readers_a_share_reports_painting() -> None:
    hub = Hub(seen_readers=1000)
    _, feed, _ = story(hub, readers=2)
    assert hub.hello(feed, 0).message["sample"] == 1

    feed.elsewhere = 9_998

    assert hub.hello(feed, 1000).message["sample"] == 0.1
    assert hub.hello(feed, 1000).message["readers"] == 10_000


def test_readers_are_told_once_that_the_store_is_lost_and_once_that_it_is_back() -> None:
    hub = Hub()
    _, _, (listener,) = story(hub, readers=1)
    hub.live()  # it was never lost
    hub.stale(5)
    hub.stale(6)
    work(hub)
    assert listener.notices == [{"type": "stale", "since": "1970-01-01T00:00:00.005Z"}]
    assert hub.stale_since == 5

    hub.live()
    hub.live()
    work(hub)
    assert listener.notices[1:] == [{"type": "live"}]
    assert hub.figures(0).stale_since is None


@pytest.mark.parametrize(("most", "is_full"), [(0, False), (3, False), (2, True), (1, True)])
def test_a_hub_is_full_when_it_has_as_many_readers_as_it_may(most: int, is_full: bool) -> None:
    """Over all its stories; 0 = any number."""
    hub = Hub(max_readers=most)
    story(hub, "a", readers=1)
    _, feed, (_, leaves) = story(hub, "b", readers=2)
    feed.leave(leaves)

    assert hub.readers == 2
    assert hub.is_full is is_full


def test_under_load_events_of_a_few_milliseconds_leave_together() -> None:
    """The first at once; a second within 10 ms of it waits for the rest of them, and others get their turn."""
    hub = Hub()
    editor, feed, (listener,) = story(hub, readers=1)
    now = START
    tell(editor, feed)
    assert list(hub.work(lambda: now)) == [0]
    tell(editor, feed)
    now += 4
    steps = hub.work(lambda: now)
    assert [next(steps), next(steps)] == [0.006, 0.006]
    assert listener.log == ["wake"]

    tell(editor, feed)
    now += 6

    assert list(steps) == [0]
    assert listener.log == ["wake", "wake"]
    now -= 3_600_000  # a clock that is set back holds nobody
    tell(editor, feed)
    assert list(hub.work(lambda: now)) == [0]


def test_notices_leave_while_events_are_held() -> None:
    hub = Hub()
    editor, feed, (listener,) = story(hub, readers=1)
    tell(editor, feed)
    list(hub.work(lambda: START))
    tell(editor, feed)
    hub.stale(1)

    steps = hub.work(lambda: START + 1)
    assert [next(steps), next(steps)] == [0, 0.009]
    assert listener.log == ["wake", "stale"]


def test_a_beat_comes_after_silence_and_only_then() -> None:
    hub = Hub(beat_s=20)
    editor, feed, (listener,) = story(hub, readers=1)
    settled(hub)
    listener.log.clear()
    for second in range(1, 20):
        hub.sweep(START + second * 1000)
    work(hub)
    assert listener.log == []
    tell(editor, feed)
    for second in range(20, 40):
        hub.sweep(START + second * 1000)
    work(hub)
    assert listener.log == ["wake"]

    hub.sweep(START + 40_000)
    work(hub)

    assert listener.log == ["wake", "beat"]
    assert listener.notices[-1]["seq"] == 1


def test_events_go_before_notices() -> None:
    hub = Hub()
    editor, feed, listeners = story(hub, readers=3)
    hub.stale(1)
    tell(editor, feed)

    assert work(hub, slice_count=1) > 3

    assert [listener.log for listener in listeners] == [["wake", "stale"]] * 3


def test_a_busy_reader_is_spared_what_would_be_late() -> None:
    hub = Hub(beat_s=1)
    _, _, (free, busy) = story(hub, readers=2)
    busy.busy_since = START
    hub.sweep(START)
    hub.sweep(START + 2000)
    hub.stale(1)
    hub.sweep(START + 2000 + ASIDE_MS)
    work(hub)

    assert free.log == ["beat", "stale", "beat", "readers"]
    assert busy.log == ["stale"]


def test_the_reader_count_is_told_rarely_and_only_if_it_moved() -> None:
    hub = Hub(beat_s=60)
    _, feed, (listener, *_) = story(hub, readers=100)
    settled(hub)
    assert listener.notices.pop() == {"type": "readers", "count": 100}

    feed.elsewhere = 50  # 50 % more, 9 s later
    hub.sweep(START + 9000)
    feed.elsewhere = 2  # 2 %, not more
    hub.sweep(START + 10_000)
    work(hub)
    assert listener.notices == []
    feed.elsewhere = 3
    hub.sweep(START + 11_000)
    hub.sweep(START + 11_000 + ASIDE_MS)
    work(hub)
    assert listener.notices == [{"type": "readers", "count": 103}]


def test_the_reader_count_leaves_with_an_event_if_one_comes_soon() -> None:
    """It would cost each reader a write of its own: as much as the event."""
    hub = Hub(beat_s=60)
    editor, feed, (waiting,) = story(hub, readers=1)
    ready = Ready()
    feed.join(ready)
    feed.take(ready)
    ready.is_ready = True
    settled(hub)
    waiting.log.clear()
    ready.log.clear()
    feed.elsewhere = 5
    hub.sweep(START + 10_000)

    tell(editor, feed)
    work(hub)

    assert ready.bytes.count(b"post.published") == 1
    assert ready.bytes.endswith(b'{"type":"readers","count":7}')
    assert ready.log == ["post.published"], "one write for both"
    # Who writes in its own time is told beside the event, and finds the event alone when it asks.
    assert waiting.log == ["wake", "readers"]
    batch = feed.take(waiting)
    assert batch is not None
    assert b"readers" not in batch.forms[native.encode]

    tell(editor, feed)
    work(hub)
    hub.sweep(START + 10_000 + ASIDE_MS)
    work(hub)
    assert ready.bytes.count(b"readers") == 1
    assert waiting.log == ["wake", "readers", "wake"], "and it is told once"


def test_a_stuck_reader_is_cut_once() -> None:
    hub = Hub(send_timeout_s=30)
    _, _, (listener, other) = story(hub, readers=2)
    listener.busy_since = START
    hub.sweep(START + 30_000)
    assert listener.log == []

    hub.sweep(START + 30_001)
    hub.sweep(START + 31_000)

    assert listener.log == ["cut"]
    assert other.log == []
    assert hub.counts.cuts == 1


def test_who_leaves_between_two_slices_is_not_told() -> None:
    hub = Hub()
    editor, feed, (first, second) = story(hub, readers=2)
    tell(editor, feed)
    hub.stale(1)
    steps = hub.work(CLOCK, 1)
    next(steps)
    feed.leave(second)
    for _ in steps:
        pass

    assert first.log == ["wake", "stale"]
    assert second.log == []


def test_a_story_with_readers_is_not_dropped() -> None:
    hub = Hub()
    _, feed, (listener,) = story(hub, readers=1)

    assert not hub.drop("a")
    feed.leave(listener)
    assert hub.drop("a")
    assert hub.drop("a")
    assert hub.feeds == {}


def test_loading_a_story_again_replaces_its_state() -> None:
    hub = Hub()
    _, feed, (listener,) = story(hub, readers=1)

    assert hub.add("a", Editor(epoch="e2").load(8)) is feed
    work(hub)

    assert listener.log == ["wake"]
    assert feed.position == Position("e2", 0)


def test_work_is_asked_for_only_when_there_is_some() -> None:
    hub = Hub()
    asked: list[int] = []
    hub.on_work = lambda: asked.append(1)
    editor, feed, _ = story(hub)
    hub.stale(1)
    hub.live()
    assert asked == []  # nobody to tell

    tell(editor, feed)
    assert asked == [1]


def test_latencies_count_what_was_written_live() -> None:
    hub = Hub()
    editor, feed, (listener,) = story(hub, readers=1)
    tell(editor, feed)
    batch = feed.take(listener)
    assert batch is not None
    at_ms = batch.frames[0].at_ms

    hub.wrote(batch, at_ms + 40)
    assert hub.seen(feed, listener, 1, at_ms + 90)
    assert not hub.seen(feed, listener, 2, at_ms + 90)
    assert not hub.seen(feed, listener, 1, at_ms + 40 + 60_001)

    hub.wrote(feed.snapshot(), at_ms + 5_000)  # an opening is no news

    latencies = hub.figures(at_ms + 100).latency_ms
    assert 40 <= (latencies.written.p50 or 0) <= 44
    assert 90 <= (latencies.painted.p99 or 0) <= 99
    assert (hub.counts.deliveries, hub.written.read(at_ms + 5_000).count) == (2, 1)


def test_figures_say_who_is_behind_and_how_fast_it_goes() -> None:
    hub = Hub()
    editor, feed, (one, _) = story(hub, readers=2)
    hub.figures(START)
    for _ in range(4):
        tell(editor, feed)
    feed.take(one)

    figures = hub.figures(START + 2000)
    again = hub.figures(START + 2100)

    assert figures.readers == 2
    assert figures.at_head == 0.5
    assert figures.stories == {"a": StoryFigures(epoch="e1", seq=4, readers=2, at_head=1, post_count=4, status="live")}
    assert figures.events_per_s == again.events_per_s == 2
    assert Hub().figures(0).at_head == 1.0


def test_quantiles_are_within_a_tenth_and_add_up() -> None:
    one, two = Histogram(), Histogram()
    for ms in range(1, 501):
        one.add(ms)
        two.add(ms + 500)
    one.merge(two)

    for share in (0.5, 0.95, 0.99):
        quantile = one.quantile(share)
        assert quantile is not None
        assert share * 1000 <= quantile <= share * 1000 * 1.1
    assert Histogram().summary() == {"p50": None, "p95": None, "p99": None}
    one.add(-5)
    one.add(10**9)
    assert one.count == 1002


def test_old_latencies_are_forgotten_within_two_minutes() -> None:
    recent = Recent()
    recent.add(5, START)

    assert recent.read(START + 59_999).count == 1
    assert recent.read(START + 60_001).count == 1
    assert recent.read(START + 120_002).count == 0


def test_positions_are_read_or_ignored() -> None:
    assert Position.parse("e:7") == Position("e", 7)
    assert str(Position("e", 7)) == "e:7"
    for text in (
        "",
        "e",
        "e:",
        ":7",
        "e:-1",
        "e:1.0",
        "e:²",
        "e: 1",
        "e:" + "9" * 17,
        "e:9999999999999999",
        "x" * 65 + ":1",
    ):
        assert Position.parse(text) is None


def test_notices_have_the_contract_s_shapes() -> None:
    said = [
        notices.hello(0, 3, 0.5, None),
        notices.hello(0, 3, 1, 5),
        notices.beat(7, 1),
        notices.readers(4),
        notices.stale(2),
        notices.live(),
        notices.bye(900),
    ]

    moment = "1970-01-01T00:00:00.00"
    assert [frame.message for frame in said] == [
        {"type": "hello", "server_time": f"{moment}0Z", "readers": 3, "sample": 0.5, "stale_since": None},
        {"type": "hello", "server_time": f"{moment}0Z", "readers": 3, "sample": 1, "stale_since": f"{moment}5Z"},
        {"type": "beat", "seq": 7, "server_time": f"{moment}1Z"},
        {"type": "readers", "count": 4},
        {"type": "stale", "since": f"{moment}2Z"},
        {"type": "live"},
        {"type": "bye", "retry_ms": 900},
    ]
