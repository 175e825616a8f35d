"""Work without an end goes on, whatever it dies of."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from stoppress import tasks
from stoppress.tasks import Backoff, Ticks, end, endless, keep
from support import until


async def test_work_that_fails_is_done_again_and_that_is_said_once(caplog) -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) < 4:
            raise RuntimeError("the handler is closed")
        if len(done) == 4:
            return  # it should not; that is no reason to stop
        await asyncio.Event().wait()

    task = keep("the test's work", work)
    await until(lambda: len(done) == 5)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in said] == ["the test's work failed; it is tried again until it works"]
    assert said[0].exc_info


async def test_what_was_expected_is_said_by_others_and_the_rest_once(caplog) -> None:
    errors = iter([OSError(), KeyError("first"), OSError(), KeyError("second")])

    async def work() -> None:
        if error := next(errors, None):
            raise error
        await asyncio.Event().wait()

    task = keep("the test's work", work, delays_s=(0.001,), expected=OSError)
    await until(lambda: next(errors, "none left") == "none left" and bool(caplog.records))
    await end([task])
    assert [str(record.exc_info[1]) for record in caplog.records] == ["'first'"]


async def test_who_wants_to_hear_of_failures_hears_of_each(caplog) -> None:
    told: list[tuple[str, int]] = []

    async def work() -> None:
        await asyncio.sleep(0.02 if len(told) == 2 else 0)
        raise ValueError(str(len(told)))

    async def failed(error: Exception, failures: int) -> None:
        told.append((str(error), failures))

    task = asyncio.create_task(endless("work", work, steady_s=0.015, failed=failed))
    await until(lambda: len(told) >= 4)
    task.cancel()
    assert told[:4] == [("0", 0), ("1", 1), ("2", 0), ("3", 1)]  # the third stood long enough to begin anew
    assert not caplog.records


async def test_pauses_grow_and_begin_anew(monkeypatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(tasks.asyncio, "sleep", sleep)
    backoff = Backoff((1, 2, 4))
    for _ in range(5):
        await backoff.pause()
    assert [most / 2 <= pause <= most for pause, most in zip(slept, (1, 2, 4, 4, 4), strict=True)] == [True] * 5
    backoff.reset()
    await backoff.pause()
    assert slept[-1] <= 1


async def test_a_suspended_process_has_not_waited() -> None:
    ticks = Ticks(0.01)
    running = asyncio.create_task(ticks.run())
    await until(lambda: ticks.seconds >= 0.05)
    ticks.reset()
    time.sleep(0.5)  # noqa: ASYNC251 -- nothing of a process runs that got SIGSTOP
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ticks.seconds < 0.1
    running.cancel()


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same(monkeypatch) -> None:
    """As Python 3.11's `wait_for` does when its answer comes with it."""
    monkeypatch.setattr(tasks, "END_S", 0.02)
    lost: list[int] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if lost:
                raise
            lost.append(1)

    task = keep("work", work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end([task])
    assert (task.cancelled(), lost) == (True, [1])
