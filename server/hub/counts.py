"""Counts: what a worker counts from its start on. One field here is all that a new count needs.

Pure. A field's description is its line in `/metrics`; samples carry it, `total` adds it up over workers, and a sample
of a release that does not know it counts as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, get_type_hints

from msgspec import Meta, Struct, field

# No real figure is higher, and those of as many workers as are listened to stay below 64 bits, the most JSON can hold.
Total = Annotated[int, Meta(ge=0, le=2**50)]
Reason = Annotated[str, Meta(max_length=100)]
FAULTS = ("cuts", "unread", "rude", "wrong_tokens")  # besides refusals: something is wrong with who does this


class Counts(Struct):
    """Totals since the worker started."""

    connects: Annotated[Total, Meta(description="Readers that joined a story")] = 0
    disconnects: Annotated[Total, Meta(description="Readers that left")] = 0
    resumes: Annotated[Total, Meta(description="Readers whose position was honoured")] = 0
    snapshots: Annotated[Total, Meta(description="Snapshots written")] = 0
    events: Annotated[Total, Meta(description="Events of stories heard from the store")] = 0
    deliveries: Annotated[Total, Meta(description="Messages written to readers")] = 0
    cuts: Annotated[Total, Meta(description="Readers cut off because they took nothing for too long")] = 0
    unread: Annotated[Total, Meta(description="Answers cut off because their readers took nothing for too long")] = 0
    rude: Annotated[Total, Meta(description="Readers closed for saying what nobody asked for (1008, 1009)")] = 0
    seen: Annotated[Total, Meta(description="Reports of an event painted on a page")] = 0
    wrong_tokens: Annotated[Total, Meta(description="Requests with a token that is unknown or was revoked")] = 0
    refusals: Annotated[dict[Reason, Total], Meta(description="Connections refused, by reason")] = field(
        default_factory=dict
    )

    def refuse(self, reason: str) -> None:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def faults(self) -> dict[tuple[str, str], int]:
        """Those that something is wrong with, by kind and reason."""
        plain = {(name, ""): getattr(self, name) for name in FAULTS}
        return plain | {("refusals", reason): count for reason, count in self.refusals.items()}


DESCRIPTIONS = {
    name: next(meta.description for meta in kind.__metadata__ if meta.description)
    for name, kind in get_type_hints(Counts, include_extras=True).items()
}
PLAIN = tuple(name for name in DESCRIPTIONS if name != "refusals")


def total(parts: Iterable[Counts]) -> Counts:
    """Of several workers."""
    whole = Counts()
    for part in parts:
        for name in PLAIN:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        add(whole.refusals, part.refusals)
    return whole


def add(whole: dict[str, int], part: Mapping[str, int]) -> None:
    for name, count in part.items():
        whole[name] = whole.get(name, 0) + count
