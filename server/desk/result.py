"""What a change answers, at this desk and at one far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """`value` as the API shows it; `created` False when nothing was stored now (a retry, or it said so already)."""

    value: dict[str, Any]
    created: bool
    position: str  # EPOCH:SEQ after the change


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Posts stored now, and posts that were stored already."""

    added: int
    skipped: int
