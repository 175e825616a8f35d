"""Health: are readers reached? One sentence for the whole, and one for each thing that is the matter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .tally import KEPT_AWAY, TOLD, Tally

LOST_SHARE, LOST_LEAST = 0.25, 20  # of the readers of the last minute: fewer come and go by themselves
GONE_SHARE = 0.05  # the same after a worker died: most of them come back within seconds
CUT_SHARE, CUT_LEAST = 0.01, 10  # of all: some lines are always slow
RECENT_MS = 60_000
TOGETHER_MS = 5_000  # bursts of several workers that are no further apart are one
SHOWN = 20
REACHED, NOBODY = "Readers are reached", "No readers are connected"


def health(
    sample: Mapping[str, Any],
    incidents: Iterable[Mapping[str, Any]],
    now_ms: int,
    *,
    peak: int,
    gone: bool,
    missing: Iterable[str],
    behind: float,
) -> dict[str, Any]:
    """`sample`: of all workers. `peak`: most readers in the last minute, in which a worker with readers died if `gone`.
    `missing`: names of workers that should run;
    `behind`: share of readers that have been behind the newest event for seconds."""
    recent = [one for one in incidents if now_ms - one["until_ms"] < RECENT_MS]
    found = [*_store(sample), *_workers(sample, missing), *_readers(sample, recent, peak, gone, behind)]
    words = found[0] if found else (REACHED if sample["readers"] else NOBODY)
    return {"reached": not found, "text": words, "troubles": found}


def _store(sample: Mapping[str, Any]) -> Iterable[str]:
    living = [worker for worker in sample["workers"].values() if worker["status"] != "unknown"]
    deaf = [worker for worker in living if worker["status"] == "stale"]
    if deaf and len(deaf) == len(living):
        yield f"The store has not been heard since {_clock(sample['store']['stale_since'])}: readers see the last state"
    elif deaf:
        names = [name_of(worker, sample["workers"]) for worker in deaf]
        yield f"{_list('Worker', names)} not heard the store since {_clock(sample['store']['stale_since'])}"


def _workers(sample: Mapping[str, Any], missing: Iterable[str]) -> Iterable[str]:
    workers = sample["workers"]
    for worker in workers.values():
        if worker["status"] == "unknown":
            yield f"Worker {name_of(worker, workers)} has not answered since {_clock(worker['last_heard'])}"
    for name in missing:
        yield f"Worker {name} does not run"


def _readers(
    sample: Mapping[str, Any], recent: list[Mapping[str, Any]], peak: int, gone: bool, behind: float
) -> Iterable[str]:
    readers = sample["readers"]
    lost = peak - readers
    is_draining = any(worker.get("is_draining") for worker in sample["workers"].values())
    least = max(1, GONE_SHARE * peak) if gone else max(LOST_LEAST, LOST_SHARE * peak)
    if lost >= least and not is_draining:
        yield f"{lost:,} of {peak:,} readers lost in the last minute"
    away = sum(one["count"] for one in recent if one["kind"] == "refusals" and one["reason"] in KEPT_AWAY)
    if away:
        yield f"{away:,} reader{'s' if away > 1 else ''} refused in the last minute"
    cut = sum(one["count"] for one in recent if one["kind"] == "cuts")
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


def joined(tally: Tally, parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What happened, as each worker and supervisor told it, newest first; bursts of one kind at one time are one."""
    found: list[dict[str, Any]] = []
    for part in sorted(parts, key=lambda part: part["at_ms"]):
        same = next(
            (
                one
                for one in reversed(found)
                if one["kind"] in TOLD
                and (one["kind"], one["reason"]) == (part["kind"], part["reason"])
                and part["at_ms"] - one["until_ms"] <= TOGETHER_MS
                and part["worker"] not in one["workers"]
            ),
            None,
        )
        if same is None:
            found.append({**part, "workers": [part["worker"]], "names": dict(part.get("names", {}))})
            continue
        same["until_ms"] = max(same["until_ms"], part["until_ms"])
        same["count"] += part["count"]
        same["workers"].append(part["worker"])
        for name, times in part.get("names", {}).items():
            same["names"][name] = same["names"].get(name, 0) + times
        span = same["until_ms"] - same["at_ms"]
        same["text"] = tally.sentence((same["kind"], same["reason"]), same["count"], span, same["names"])
    return found[::-1][:SHOWN]
