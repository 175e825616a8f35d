"""A change that somebody stopped before it was sent does not happen, whatever swallows the cancellation."""

from __future__ import annotations

import asyncio

import pytest

from stoppress.desk.desk import Desk


@pytest.mark.parametrize("what", ["publish", "edit", "delete", "withdraw", "edit_story", "import_"])
async def test_a_cancelled_change_changes_nothing(store, what):
    desk = Desk(store)
    await desk.create_story({"slug": "night", "headline": "Night"})
    await desk.publish("night", {"headline": "One", "id": "p1"})
    before = (await store.log.top(["night"]))[0]
    arguments = {
        "publish": [{"headline": "Two"}],
        "edit": ["p1", {"headline": "Two"}],
        "delete": ["p1"],
        "withdraw": ["p1", "Wrong."],
        "edit_story": [{"headline": "Two"}],
        "import_": [[b'{"headline": "Two"}']],
    }[what]

    async def change():
        asyncio.current_task().cancel()
        await getattr(desk, what)("night", *arguments)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(change())
    assert (await store.log.top(["night"]))[0] == before
