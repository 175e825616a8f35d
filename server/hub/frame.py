"""Frame and Batch: a message and its encoded forms, each made once and shared by every reader.

Pure. A dialect is a function from a frame to its wire form (`wire/`); the hub knows no dialect. Frames are cells: a
redaction swaps the message in place, so a batch that waits for a slow reader never brings a retracted text back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..newsroom.events import Event, Message
from ..newsroom.times import stored_ms

Form = TypeVar("Form", str, bytes)


class Frame:
    """One message: an event, a snapshot, a resume or a notice.

    `raw`: the message's JSON as the store made it, if it did. `frames`: the events inside a `resumed`.
    `written_ms`: when it was first written live to some reader; 0 = not yet.
    """

    __slots__ = ("__weakref__", "_at_ms", "_forms", "frames", "message", "raw", "written_ms")

    def __init__(self, message: Message, raw: bytes | None = None, frames: tuple[Frame, ...] = ()) -> None:
        self.message = message
        self.raw = raw
        self.frames = frames
        self.written_ms = 0
        self._at_ms = -1
        self._forms: dict[Any, Any] = {}

    @property
    def type(self) -> str:
        return self.message["type"]

    @property
    def event(self) -> Event:
        """The message of a frame that a ring holds."""
        return cast(Event, self.message)

    @property
    def at_ms(self) -> int:
        """When an event happened, by the store's word; 0 for messages that are not events."""
        if self._at_ms < 0:
            self._at_ms = stored_ms(self.message["at"]) if "at" in self.message else 0
        return self._at_ms

    def form(self, encode: Callable[[Frame], Form]) -> Form:
        """`encode(self)`, remembered."""
        form = self._forms.get(encode)
        if form is None:
            form = self._forms[encode] = encode(self)
        return form

    def redact(self, message: Message) -> None:
        """Say this instead from now on."""
        self.message = message
        self.raw = None
        self._forms.clear()


class Forms(dict[Callable[[Frame], bytes], bytes]):
    """Frames in one piece, by encoder: each form is made when it is first looked up.

    A mapping, because a look-up is all that a fan-out pays per reader for its bytes: no call of ours.
    """

    __slots__ = ("_frames",)

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self._frames = frames

    def __missing__(self, encode: Callable[[Frame], bytes]) -> bytes:
        form = self[encode] = b"".join([frame.form(encode) for frame in self._frames])
        return form


class Batch:
    """Frames that leave together; shared by all readers who miss the same ones. `aside`: a notice that leaves
    behind them, when they are handed over. `forms`: all of it, for dialects whose messages may be joined."""

    __slots__ = ("aside", "forms", "frames", "is_live")

    def __init__(self, frames: tuple[Frame, ...], *, is_live: bool, aside: Frame | None = None) -> None:
        self.frames = frames
        self.aside = aside
        self.is_live = is_live  # events as they happen, not an opening (snapshot, resumed)
        self.forms = Forms((*frames, aside) if aside else frames)
