"""Reader: whoever is connected, reduced to one number: the seq last handed to it.

Pure. A transport subclasses it and gives it a way to be woken; the feed never holds a message for it.
"""

from __future__ import annotations

from .frame import Batch, Frame

UNPROVEN = -1  # nothing is known of what this reader holds: it needs a snapshot


class Reader:
    """One connection to one story.

    `seq`: last seq handed over, or UNPROVEN. `is_fresh`: nothing was handed over yet. `live_from`: seq of its last
    snapshot or resume; later ones reached it live. `busy_since`: when the write under way began, in ms; 0 = idle.
    `is_watched`: the hub cuts it off when it is busy for too long; False = its transport looks closer.
    `is_ready`: opened, and its line is free: live events may be given to `hand` instead of a `wake`.
    """

    is_watched = True
    __slots__ = ("__weakref__", "busy_since", "is_fresh", "is_ready", "live_from", "seq")

    def __init__(self) -> None:
        self.seq = UNPROVEN
        self.is_fresh = True
        self.is_ready = False
        self.live_from = 0
        self.busy_since = 0

    def wake(self) -> None:
        """The feed has something: call `feed.take(self)` when the line is free. Cheap, never blocks, may repeat."""
        raise NotImplementedError

    def hand(self, batch: Batch) -> None:
        """Write these live events now; its number is at the head already. Only for who is ready."""
        raise NotImplementedError

    def note(self, notice: Frame) -> None:
        """Say this out of band, after anything `take` gives; of two notices of a kind only the newer need be said."""
        raise NotImplementedError

    def cut(self) -> None:
        """It took nothing for too long: drop the connection without a farewell."""
        raise NotImplementedError
