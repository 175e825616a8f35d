"""Explanations: what the driver raises, as errors for people, with the way out.

Owns the sentences. Never decides what to do about an error, and never tells a password.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from redis.exceptions import RedisError

from ..newsroom.errors import StoreError, StoreRightsError, TryAgainError
from .faults import LOST, missing_right, words
from .keys import Keys
from .server import Server


class Explanations:
    """Of what happens on `server`."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    @contextlib.contextmanager
    def ours(self, key: str = "") -> Iterator[None]:
        """The driver's exceptions as ours. `key`: the one that is used within, for who lacks the right to it."""
        try:
            yield
        except LOST as error:
            raise self.unreached(error) from error
        except RedisError as error:
            raise self.refused(error, missing_right(error, key)) from error

    def unreached(self, error: BaseException) -> StoreError:
        """When the server cannot be reached."""
        return StoreError(f"{self._server.place} cannot be reached ({words(error)}): {self._server.advice()}")

    def uncertain(self, key: str, why: str = "") -> TryAgainError:
        """When a change may have been stored or not. `why`: what broke, if not the link."""
        detail = why or f"the link to {self._server.place} broke before the answer came"
        detail += ", and nobody knows if it was done"
        if known := self._server.trouble():
            detail += f"; {known}"
        if key:
            return TryAgainError(f"{detail}: try again with the key {key}", key=key)
        return TryAgainError(f"{detail}: do the same again, nothing is stored twice")

    def refused(self, error: RedisError, right: str = "") -> StoreError:
        """When the server answers, and refuses. `right`: the one that its user lacks."""
        if right:
            return self._forbidden(right)
        said = words(error)
        for mark, (advice, kind) in _REFUSALS.items():
            if mark.lower() in f"{type(error).__name__} {said}".lower():
                return kind(f"{self._server.place} refuses: {advice} ({said})")
        return StoreError(f"{self._server.place} refuses: {said}")

    def _forbidden(self, right: str) -> StoreRightsError:
        user = self._server.user
        return StoreRightsError(
            f"the user {user} of {self._server.place} lacks the right {right}, and nothing was done; "
            f"give it there: ACL SETUSER {user} {self._keys.grant(right)}",
            right=right,
        )


_FULL = "its memory limit is reached; raise maxmemory (with maxmemory-policy noeviction)", StoreError
_REFUSALS: dict[str, tuple[str, type[StoreError]]] = {
    "OutOfMemory": _FULL,
    "OOM ": _FULL,
    "MISCONF": ("it cannot write to its disk; free some space", StoreError),
    "ReadOnly": ("it is a read-only replica; give the address of the primary", StoreError),
    "NOREPLICAS": ("too few replicas copy it; mend them, or lower its min-replicas-to-write", StoreError),
    "Stranger": ("user or password are missing or wrong; write them as redis://user:password@host", StoreRightsError),
    "MISTYPED": ("a key holds what Stoppress never wrote there; move it away with RENAME", StoreError),
}
