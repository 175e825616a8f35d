"""How the application stops."""

from __future__ import annotations

import asyncio

from stoppress.web import app


async def test_a_task_that_loses_a_cancellation_still_ends(monkeypatch):
    """Python 3.11's `wait_for` gives back an answer that comes together with a cancellation, and forgets the latter."""
    monkeypatch.setattr(app, "END_S", 0.01)
    lost = 0

    async def work() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await app.end([task])

    assert task.cancelled()
