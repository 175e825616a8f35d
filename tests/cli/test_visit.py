"""A visit to the event loop, and Ctrl-C at each of its moments."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, suppress

import pytest

from stoppress.cli import asking, visit
from stoppress.newsroom.errors import TryAgainError


@asynccontextmanager
async def nothing():
    yield "opened"


async def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(10)


async def lost_ctrl_c() -> None:
    """What swallows it, as a driver's own deadline does."""
    with suppress(asyncio.CancelledError):
        await ctrl_c()


def test_a_visit_has_its_outcome_and_is_over():
    async def act(opened):
        return opened

    assert visit.look(nothing, act) == visit.write(nothing, act) == "opened"
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@pytest.mark.parametrize("how", [visit.look, visit.write])
@pytest.mark.parametrize("stop", [ctrl_c, lost_ctrl_c])
def test_stopped_while_it_opens_nothing_is_begun(how, stop):
    begun = []

    @asynccontextmanager
    async def opening():
        await stop()
        yield

    async def act(opened):
        begun.append(True)

    with pytest.raises(KeyboardInterrupt):
        how(opening, act)
    assert not begun


def test_a_look_that_is_stopped_is_only_stopped():
    with pytest.raises(KeyboardInterrupt):
        visit.look(nothing, lambda opened: ctrl_c())


def test_a_write_that_is_stopped_may_have_been_done():
    with pytest.raises(TryAgainError):
        visit.write(nothing, lambda opened: ctrl_c())


def test_a_write_that_was_done_all_the_same_is_done():
    async def act(opened):
        await lost_ctrl_c()
        return "done"

    assert visit.write(nothing, act) == "done"


def test_a_write_whose_outcome_is_there_is_done_whatever_stops_the_closing():
    @asynccontextmanager
    async def closing():
        yield
        await ctrl_c()

    async def act(opened):
        return "done"

    assert visit.write(closing, act) == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_as_ctrl_c_does(number):
    async def act(opened):
        signal.raise_signal(number)
        await asyncio.sleep(10)

    with visit.endings() as ending:
        with pytest.raises(KeyboardInterrupt):
            visit.look(nothing, act)
        assert ending.number == number
        with pytest.raises(visit.Terminated):
            signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_is_written_within_the_loop_can_be_stopped_at_once():
    async def act(opened):
        with visit.at_once():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt):
        visit.look(nothing, act)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: asking.standard_input("it"),
        lambda: asking.edit("file"),
        lambda: asking.copy_input(None, None),
    ],
)
def test_nobody_is_asked_within_a_loop(ask):
    """So that no later command can bring back what this room is against."""

    async def act(opened):
        ask()

    with pytest.raises(AssertionError, match="between two visits"):
        visit.look(nothing, act)
