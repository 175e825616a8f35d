"""A key answers what it answered first, for every kind of change, also when nothing was stored."""

from __future__ import annotations

import pytest

from stoppress.desk.desk import Desk
from stoppress.newsroom.errors import ConflictError
from stoppress.store.store import Store


@pytest.fixture
async def desk(store: Store) -> Desk:
    desk = Desk(store)
    await desk.create_story({"slug": "storm", "headline": "One"})
    await desk.publish("storm", {"id": "p1", "headline": "A1"})
    return desk


async def test_a_request_that_changed_nothing_changes_nothing_later(desk: Desk) -> None:
    first = await desk.edit("storm", "p1", {"headline": "A1"}, key="k")
    await desk.edit("storm", "p1", {"headline": "A2"})

    again = await desk.edit("storm", "p1", {"headline": "A1"}, key="k")

    assert again == first
    assert (await desk.post("storm", "p1"))["headline"] == "A2"
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        await desk.edit("storm", "p1", {"headline": "A3"}, key="k")


async def test_the_same_content_under_the_same_id_is_answered_by_its_key_for_ever(desk: Desk) -> None:
    first = await desk.publish("storm", {"id": "p1", "headline": "A1"}, key="k")
    await desk.edit("storm", "p1", {"headline": "A2"})

    assert await desk.publish("storm", {"id": "p1", "headline": "A1"}, key="k") == first


async def test_a_story_change_is_answered_as_it_was(desk: Desk) -> None:
    first = await desk.edit_story("storm", {"headline": "Two"}, key="e1")
    await desk.edit_story("storm", {"headline": "Three"})
    same = await desk.edit_story("storm", {"headline": "Three"}, key="e2")
    await desk.pin("storm", "p1")

    again = await desk.edit_story("storm", {"headline": "Two"}, key="e1")
    assert (again.value, again.position, again.created) == (first.value, first.position, False)
    assert again.value["headline"] == "Two"
    assert await desk.edit_story("storm", {"headline": "Three"}, key="e2") == same
    await desk.delete_story("storm", key="d")
    assert (await desk.edit_story("storm", {"headline": "Two"}, key="e1")).value == first.value
    assert (await desk.delete_story("storm", key="d")).value == {"slug": "storm", "status": "deleted"}
