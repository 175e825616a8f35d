"""Incidents: what happened lately, of all workers, where bursts of one kind at one time are one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from ..newsroom.times import format_time
from .counts import add
from .sample import Incident
from .tally import WORDED, Tally

TOGETHER_MS = 5_000  # bursts of several workers that are no further apart are one
SHOWN = 20


def joined(tally: Tally, parts: Iterable[Incident]) -> list[Incident]:
    """What happened, as each worker and supervisor tells it, newest first; bursts of one kind at one time are one."""
    whole: list[tuple[Incident, set[str]]] = []  # with the workers it is of
    for part in sorted(parts, key=lambda part: part.at_ms):
        same = next((n for n in reversed(range(len(whole))) if _is_one(*whole[n], part)), None)
        if same is None:
            whole.append((part, {part.worker}))
            continue
        incident, workers = whole[same]
        until_ms, count, names = max(incident.until_ms, part.until_ms), incident.count + part.count, {**incident.names}
        add(names, part.names)
        text = tally.sentence((part.kind, part.reason), count, until_ms - incident.at_ms, names)
        more = structs.replace(incident, until_ms=until_ms, count=count, names=names, text=text)
        whole[same] = more, workers | {part.worker}
    return [incident for incident, _ in reversed(whole)][:SHOWN]


def _is_one(whole: Incident, workers: set[str], part: Incident) -> bool:
    """The same burst: told by another worker, at one time."""
    return (
        part.kind in WORDED
        and (whole.kind, whole.reason) == (part.kind, part.reason)
        and part.at_ms - whole.until_ms <= TOGETHER_MS
        and part.worker not in workers
    )


def public(incident: Incident) -> dict[str, Any]:
    """As `/stats` shows it: whom a burst is about stands in its text, for people."""
    return {
        "at": format_time(incident.at_ms),
        "until": format_time(incident.until_ms),
        "kind": incident.kind,
        "reason": incident.reason,
        "count": incident.count,
        "text": incident.text,
    }
