"""What `watch` says of events: what happened, where that is proved."""

from __future__ import annotations

import pytest

from stoppress.cli.chronicle import Chronicle
from stoppress.desk.desk import Desk
from stoppress.store.store import Store


@pytest.fixture
async def desk(store: Store) -> Desk:
    desk = Desk(store)
    await desk.create_story({"slug": "night", "headline": "Night", "status": "upcoming", "time_zone": "Asia/Tokyo"})
    await desk.publish("night", {"headline": "One", "body": "Words.", "id": "p1"})
    return desk


async def everything(desk: Desk) -> None:
    await desk.publish("night", {"headline": "Two", "id": "p2", "pin": True})
    await desk.edit("night", "p1", {"headline": "Uno", "body": "More words.", "change_note": "More."})
    await desk.edit("night", "p1", {"is_breaking": True, "minor": True})
    await desk.correct("night", "p1", "Not one.")
    await desk.correct("night", "p1", "Of Ohio.", "clarification")
    await desk.withdraw("night", "p1", "Wrong.")
    await desk.restore("night", "p1")
    await desk.unpin("night")
    await desk.pin("night", "p1")
    await desk.edit_story("night", {"status": "live"})
    await desk.edit_story("night", {"headline": "Long night", "summary_points": ["So far."]})
    await desk.edit_story("night", {"status": "ended"})
    await desk.edit_story("night", {"status": "live"})
    await desk.delete("night", "p2")


async def test_everything_that_can_happen_has_its_word(desk: Desk) -> None:
    store, chronicle = desk.store, Chronicle()
    state = await store.reads.load("night", 10)
    chronicle.begin(state.snapshot(10, 100_000))
    await everything(desk)
    # Each as it was told at its time: a log tells retracted ones as retracted.
    rows = [chronicle.row(event)[1:] for event in await store.log.events("night", state.epoch, state.seq)]
    assert rows == [
        ("gone", "p2", ""),  # it is deleted by now, and what this was cannot be known
        ("edited", "p1", "Uno (headline, body; More.)"),
        ("edited", "p1", "Uno (breaking)"),
        ("corrected", "p1", "Uno: Not one."),
        ("clarification", "p1", "Uno: Of Ohio."),
        ("withdrawn", "p1", "Wrong."),
        ("restored", "p1", "Uno"),
        ("unpinned", "p2", ""),
        ("pinned", "p1", "Uno"),
        ("started", "night", "Night"),
        ("edited", "night", "Long night (headline, summary)"),
        ("ended", "night", "Long night"),
        ("reopened", "night", "Long night"),
        ("gone", "p2", ""),
    ]
    assert chronicle.zone == "Asia/Tokyo"


async def test_live_a_deletion_is_one(desk: Desk) -> None:
    store, chronicle = desk.store, Chronicle()
    state = await store.reads.load("night", 10)
    chronicle.begin(state.snapshot(10, 100_000))
    await desk.publish("night", {"headline": "Two", "id": "p2", "pin": True})
    (published,) = await store.log.events("night", state.epoch, state.seq)
    assert chronicle.row(published)[1:] == ("published", "p2", "Two (pinned)")
    await desk.delete("night", "p2")
    (deleted,) = await store.log.events("night", state.epoch, state.seq + 1)
    assert chronicle.row(deleted)[1:] == ("deleted", "p2", "Two")


async def test_without_what_was_no_more_is_said_than_the_event_proves(desk: Desk) -> None:
    store = desk.store
    state = await store.reads.load("night", 10)
    await everything(desk)
    unknowing = [Chronicle().row(event)[1] for event in await store.log.events("night", state.epoch, 0)]
    assert unknowing == [
        *("created", "published", "gone", "edited", "edited", "corrected", "clarification", "withdrawn", "restored"),
        *("changed", "pinned", "changed", "changed", "ended", "reopened", "gone"),
    ]


async def test_the_history_of_a_post_that_is_withdrawn_is_not_told_as_withdrawals(desk: Desk) -> None:
    store = desk.store
    state = await store.reads.load("night", 10)
    await desk.edit("night", "p1", {"headline": "Uno"})
    await desk.withdraw("night", "p1", "Wrong.")
    rows = [Chronicle().row(event)[1] for event in await store.log.events("night", state.epoch, state.seq)]
    assert rows == ["changed", "withdrawn"]
