"""Position: a place in a story's log, as readers carry it. Positions compare only within one epoch."""

from __future__ import annotations

from typing import NamedTuple

_LARGEST = 2**53 - 1  # what a browser can count to


class Position(NamedTuple):
    """`epoch` names one life of the log; `seq` events of it were seen."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Of `EPOCH:SEQ`; None for anything else: an unreadable position is no position, never an error."""
        epoch, _, seq = text.partition(":")
        return cls.of(epoch, seq)

    @classmethod
    def of(cls, epoch: str, seq: str) -> Position | None:
        """Of the two parts as text."""
        if not (0 < len(epoch) <= 64 and 0 < len(seq) <= 16 and seq.isascii() and seq.isdigit()):
            return None
        number = int(seq)
        return cls(epoch, number) if number <= _LARGEST else None
