"""Health: are readers reached? One sentence for the whole, and one for each thing that is the matter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from .merge import Whole
from .sample import Incident
from .tally import KEPT_AWAY

LOST_SHARE, LOST_LEAST = 0.25, 20  # of the readers of the last minute: fewer come and go by themselves
GONE_SHARE = 0.05  # the same after a worker died: most of them come back within seconds
CUT_SHARE, CUT_LEAST = 0.01, 10  # of all: some lines are always slow
RECENT_MS = 60_000
REACHED, NOBODY = "Readers are reached", "No readers are connected"


class Health(TypedDict):
    """`text`: the first of `troubles`, or that all is well."""

    reached: bool
    text: str
    troubles: list[str]


def health(
    whole: Whole,
    incidents: Iterable[Incident],
    now_ms: int,
    *,
    peak: int,
    gone: bool,
    missing: Iterable[str],
    behind: float,
) -> Health:
    """`incidents`: joined over the workers. `peak`: most readers in the last minute, in which a worker with readers
    died if `gone`. `missing`: names of workers that should run; `behind`: share of readers that have been behind the
    newest event for seconds."""
    recent = [incident for incident in incidents if now_ms - incident.until_ms < RECENT_MS]
    troubles = [*_store(whole), *_workers(whole, missing), *_readers(whole, recent, peak, gone, behind)]
    text = troubles[0] if troubles else (REACHED if whole["readers"] else NOBODY)
    return {"reached": not troubles, "text": text, "troubles": troubles}


def _store(whole: Whole) -> Iterable[str]:
    since = whole["store"]["stale_since"]
    if since is None:
        return
    living = [worker for worker in whole["workers"].values() if worker["status"] != "unknown"]
    deaf = [worker for worker in living if worker["status"] == "stale"]
    if len(deaf) == len(living):
        yield f"The store has not been heard since {_clock(since)}: readers see the last state"
    else:
        names = [name_of(worker, whole["workers"]) for worker in deaf]
        yield f"{_list('Worker', names)} not heard the store since {_clock(since)}"


def _workers(whole: Whole, missing: Iterable[str]) -> Iterable[str]:
    workers = whole["workers"]
    for worker in workers.values():
        if worker["status"] == "unknown":
            yield f"Worker {name_of(worker, workers)} has not answered since {_clock(worker['last_heard'])}"
    for name in missing:
        yield f"Worker {name} does not run"


def _readers(whole: Whole, recent: list[Incident], peak: int, gone: bool, behind: float) -> Iterable[str]:
    readers = whole["readers"]
    lost = peak - readers
    is_draining = any(worker.get("is_draining") for worker in whole["workers"].values())
    least = max(1, GONE_SHARE * peak) if gone else max(LOST_LEAST, LOST_SHARE * peak)
    if lost >= least and not is_draining:
        yield f"{lost:,} of {peak:,} readers lost in the last minute"
    away = sum(one.count for one in recent if one.kind == "refusals" and one.reason in KEPT_AWAY)
    if away:
        yield f"{away:,} reader{'s' if away > 1 else ''} refused in the last minute"
    cut = sum(one.count for one in recent if one.kind == "cuts")
    if cut >= max(CUT_LEAST, CUT_SHARE * peak):
        yield f"{cut:,} readers cut off in the last minute"
    if behind:
        yield f"{behind:.0%} of readers are behind the newest event"


def name_of(worker: Mapping[str, Any], workers: Mapping[str, Mapping[str, Any]]) -> str:
    """As short as tells it from the others: w2, or with its node if there are several."""
    is_one_node = len({one["node"] for one in workers.values()}) == 1
    return worker["name"] if is_one_node else f"{worker['name']} of {worker['node']}"


def _clock(at: str) -> str:
    return f"{at[11:19]} UTC"


def _list(noun: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{noun} {names[0]} has"
    return f"{noun}s {', '.join(names[:3])}{' and others' if len(names) > 3 else ''} have"
