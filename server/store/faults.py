"""Faults: the one place where the driver's exceptions are told apart. Never finds words for people: `explanations.py`.

Whatever a call on a connection raises is one of these, and there are no others:

    an answer      ResponseError: the server answers, and refuses; `began_to_write` and `missing_right` read it
    not sent       UnreachedError, and the pool's own ConnectionError: nothing was sent, so nothing happened
    lost           LostError: the connection broke, perhaps after something was sent on it

Any exception that nobody thought of is a broken connection too, and the connection is thrown away: uvloop raises a
bare RuntimeError ("the handler is closed") from the next write after a reset, and parsers raise what they like when a
stream is out of step.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from redis.asyncio import Connection
from redis.connection import HiredisRespSerializer
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import TimeoutError as LateError

LOST = (LinkError, LateError)  # what a broken link raises, sent or not; everything else is an answer
_PACKER = HiredisRespSerializer()
_ANSWERS = (ResponseError, BusyLoadingError)


class UnreachedError(LinkError):
    """No connection stood, so nothing was sent and nothing happened."""


class LostError(LinkError):
    """A connection broke that stood: what was asked may have been done or not."""


class StrangerError(ResponseError):
    """The server does not let us in: user or password are missing or wrong."""


class Guarded:
    """Makes a connection class of redis-py raise nothing but the above."""

    socket_timeout: float | None

    async def connect(self) -> None:
        if self.is_connected:  # type: ignore[attr-defined]
            return
        try:
            await super().connect()  # type: ignore[misc]
        except _ANSWERS:
            raise
        except Exception as error:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # a greeting that failed leaves it open
            if isinstance(error.__cause__, ResponseError):  # what was answered to a greeting over a Unix socket
                raise error.__cause__ from None
            raise UnreachedError(words(error)) from error

    async def can_read(self) -> bool:
        """The pool asks this of a connection before it gives it out, and opens another one if it raises."""
        if self._is_closed():
            raise UnreachedError("the server closed the connection")
        return await super().can_read()  # type: ignore[misc, no-any-return]

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        if self._is_closed():
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise UnreachedError("the server closed the connection")
        # Its own deadline is Python's `wait_for`, which in 3.11 loses a cancellation that meets its end (CPython
        # gh-86296): the task would go on, and write, as if nobody had wanted it to stop. So it gets another one.
        timeout_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(timeout_s):
                await super().send_packed_command(*arguments, **options)  # type: ignore[misc]
        except (*_ANSWERS, UnreachedError):  # it connects first if it has to
            raise
        except TimeoutError as error:
            raise LostError("Timeout writing to socket") from error
        except Exception as error:
            raise LostError(words(error)) from error
        finally:
            self.socket_timeout = timeout_s

    def pack_command(self, *arguments: Any) -> list[bytes]:
        """The driver's own way of the other half of it: its asyncio half packs in Python, argument by argument."""
        return _PACKER.pack(*arguments)  # type: ignore[no-any-return]

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)  # type: ignore[misc]
        except _ANSWERS:
            raise
        except (AuthenticationError, AuthorizationError) as error:  # ConnectionErrors by name, answers by nature
            raise StrangerError(words(error)) from error
        except Exception as error:
            raise LostError(words(error)) from error

    def _is_closed(self) -> bool:
        """Whether the transport heard of an end that the stream does not tell: after a reset it is not at its end."""
        writer = self._writer  # type: ignore[attr-defined]
        return writer is not None and writer.is_closing()


def guarded(kind: type[Connection]) -> type[Connection]:
    return type(kind.__name__, (Guarded, kind), {})


def words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def began_to_write(error: ResponseError) -> bool:
    """Whether a script broke after it began to write. Every other error answer means that nothing was written."""
    return str(error).startswith("HALFWAY ")


def missing_right(error: RedisError, key: str = "") -> str:
    """The right that the server's user lacks, as its ACL would grant it; "" if the error is of another kind.

    `key`: the key or channel that the refused command named; the server does not say it.
    """
    text = words(error)
    if text.startswith("NORIGHT "):
        return text.split()[1]
    if not isinstance(error, NoPermissionError):
        return ""
    # Redis: "this user has no permissions to run the 'info' command", "… to access one of the keys used as arguments";
    # Valkey: "User ed has no permissions to run the 'info' command", "No permissions to access a key".
    if command := re.search(r"run the '([^']+)'", text):
        return f"+{command[1]}"
    return f"{'&' if 'channel' in text else '~'}{key}"
