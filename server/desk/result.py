"""What a change answers, at this desk and at one far away. It never says who asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """`value` as the API shows it; `created` False when nothing was stored now (a retry, or it said so already)."""

    value: dict[str, Any]
    created: bool
    position: str  # EPOCH:SEQ after the change
    warnings: tuple[str, ...] = ()  # what was left out or changed of what was given, or looks wrong


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Posts stored now, and posts that were stored already.

    `warnings`: what could not be kept of a post or was moved, as `{"line", "id", "kind", "text"}`; the first 1,000,
    then how many `more`. `ids`: foreign ids → the ones they have here.
    """

    added: int
    skipped: int
    warnings: list[dict[str, Any]] = field(default_factory=list)
    more: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """As the API and `--json` tell it, what is empty left out; `of` reads it again."""
        told = {"warnings": self.warnings, "more": self.more, "ids": self.ids}
        return {"added": self.added, "skipped": self.skipped, **{name: held for name, held in told.items() if held}}

    @classmethod
    def of(cls, told: dict[str, Any]) -> ImportReport:
        """From another version's too."""
        return cls(**{name: told[name] for name in cls.__slots__ if name in told})
