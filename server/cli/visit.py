"""Visit: a command's turn in the event loop, which is over when it returns.

It never asks and never prints.

A command looks, asks, and writes. No terminal is read while a loop runs: there Ctrl-C only cancels a task that does
not run, and what was being asked goes on. Between two visits Ctrl-C is Python's own, and no later visit begins.
SIGTERM and SIGHUP end a command as Ctrl-C does, so that it can say where a text was kept.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import FrameType
from typing import TypeVar

from ..newsroom.errors import TryAgainError

S = TypeVar("S")
T = TypeVar("T")
Open = Callable[[], AbstractAsyncContextManager[S]]
Act = Callable[[S], Awaitable[T]]
_ENDING = [signal.SIGTERM, signal.SIGHUP]


def look(open_: Open[S], act: Act[S, T]) -> T:
    """`act` on what `open_` opens; KeyboardInterrupt when it was stopped."""
    return asyncio.run(_visit(open_, act))


def write(open_: Open[S], act: Act[S, T]) -> T:
    """The same for what changes something: KeyboardInterrupt only when nothing was sent.

    What was stopped later is TryAgainError, because nobody knows if it was done; or its outcome, if that is there.
    """
    found: list[T] = []
    began: list[bool] = []

    async def begun(opened: S) -> T:
        began.append(True)
        found.append(await act(opened))
        return found[0]

    try:
        return asyncio.run(_visit(open_, begun))
    except KeyboardInterrupt:
        if found:
            return found[0]
        if not began:
            raise
        raise Stopped("stopped before the answer came") from None


@contextmanager
def at_once() -> Iterator[None]:
    """Around what is written to a pipe within the loop: there Ctrl-C ends the command, also while the pipe is full."""
    cancels = signal.getsignal(signal.SIGINT)
    if not callable(cancels):  # it is ignored, or not Python's
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, cancels)


async def _visit(open_: Open[S], act: Act[S, T]) -> T:
    async with open_() as opened:
        task = asyncio.current_task()
        if task and task.cancelling():  # lost while that was opened (Python 3.11)
            raise asyncio.CancelledError
        return await act(opened)


class Stopped(TryAgainError):
    """A change was stopped on its way: it may have been done or not."""


class Terminated(KeyboardInterrupt):
    """Ended by another signal than Ctrl-C's."""


class Ending:
    """Which signal ended the command: its number for the exit code."""

    number: int = signal.SIGINT


@contextmanager
def endings() -> Iterator[Ending]:
    """SIGTERM and SIGHUP do what Ctrl-C would do at that moment. (Who ignores SIGHUP, as nohup does, goes on.)"""
    ending = Ending()

    def end(number: int, frame: FrameType | None) -> None:
        ending.number = number
        interrupt = signal.getsignal(signal.SIGINT)
        if interrupt is signal.default_int_handler or not callable(interrupt):
            raise Terminated
        interrupt(signal.SIGINT, frame)  # asyncio's, while a loop runs: it cancels

    before = {}
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
