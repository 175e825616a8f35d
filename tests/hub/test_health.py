"""Are readers reached? The first words turn with the first fault, and name it."""

from __future__ import annotations

from typing import Any

import pytest

from stoppress.hub.health import health, joined
from stoppress.hub.hub import Hub
from stoppress.hub.merge import merged
from stoppress.hub.stats import Counts
from stoppress.hub.tally import Tally

NOW = 1_800_000_000_000


def told(
    name: str, readers: int = 100, *, node: str = "here", stale: bool = False, leaves: bool = False
) -> dict[str, Any]:
    hub = Hub()
    if stale:
        hub.stale(NOW - 60_000)
    sample = hub.sample(NOW)
    sample["stories"] = {"a": {"seq": 1, "readers": readers, "at_head": readers}}
    counts = {"cuts": 0, "unread": 0, "rude": 0, "wrong_tokens": 0, "refusals": {}}
    return {
        "worker": f"{node}-{name}", "node": node, "name": name, "sample": sample, "counts": counts, "written": [],
        "painted": [], "is_draining": leaves,
    }  # fmt: skip


def judged(
    *workers: dict[str, Any], unknown: tuple = (), peak: int = 0, incidents: tuple = (), **more: Any
) -> list[str]:
    whole = merged(NOW, {one["worker"]: one for one in workers}, dict(unknown))
    more = {"gone": False, "missing": (), "behind": 0, **more}
    found = health(whole, incidents, NOW, peak=peak, **more)
    assert found["reached"] == (not found["troubles"])
    return [found["text"], *found["troubles"][1:]]


def happened(
    kind: str, count: int, *, reason: str = "", ago_s: float = 5, worker: str = "w", at_ms: int = 0
) -> dict[str, Any]:
    until = at_ms or round(NOW - ago_s * 1000)
    return {
        "kind": kind, "reason": reason, "count": count, "at_ms": until - 2000, "until_ms": until, "worker": worker,
        "text": "", "names": {},
    }  # fmt: skip


def test_all_is_well() -> None:
    assert judged(told("w1"), told("w2"), peak=210) == ["Readers are reached"]
    assert judged(told("w1", 0)) == ["No readers are connected"]


def test_a_store_that_is_not_heard() -> None:
    words = judged(told("w1", stale=True), told("w2", stale=True))
    assert words == ["The store has not been heard since 07:59:00 UTC: readers see the last state"]
    assert judged(told("w1"), told("w2", stale=True)) == ["Worker w2 has not heard the store since 07:59:00 UTC"]
    deaf = [told(f"w{n}", stale=True) for n in range(2, 6)]
    assert judged(told("w1"), *deaf[:2]) == ["Workers w2, w3 have not heard the store since 07:59:00 UTC"]
    assert judged(told("w1"), *deaf) == ["Workers w2, w3, w4 and others have not heard the store since 07:59:00 UTC"]


def test_a_worker_that_does_not_answer_is_named_as_short_as_can_be() -> None:
    last = {"name": "w2", "node": "here", "last_heard": "2027-01-15T07:59:50.000Z"}
    assert judged(told("w1"), unknown=(("x", last),)) == ["Worker w2 has not answered since 07:59:50 UTC"]
    assert judged(told("w1"), unknown=(("x", {**last, "node": "there"}),)) == [
        "Worker w2 of there has not answered since 07:59:50 UTC"
    ]
    assert judged(told("w1"), missing=["w2"]) == ["Worker w2 does not run"]


@pytest.mark.parametrize(
    ("peak", "now", "says"),
    [
        (4000, 2000, "2,000 of 4,000 readers lost in the last minute"),
        (4000, 3100, "Readers are reached"),
        (20, 5, "Readers are reached"),
        (20, 0, "20 of 20 readers lost in the last minute"),
    ],
)
def test_half_of_the_readers_lost(peak: int, now: int, says: str) -> None:
    assert judged(told("w1", now), peak=peak) == [says]


def test_few_that_a_dead_worker_had_are_said_too_until_they_are_back() -> None:
    assert judged(told("w1", 34), peak=50, gone=True) == ["16 of 50 readers lost in the last minute"]
    assert judged(told("w1", 0), peak=1, gone=True) == ["1 of 1 readers lost in the last minute"]
    assert judged(told("w1", 3900), peak=4000, gone=True) == ["Readers are reached"]


def test_who_is_told_to_come_back_is_not_lost() -> None:
    assert judged(told("w1", 0), told("w1b", 0, leaves=True), peak=4000) == ["No readers are connected"]


@pytest.mark.parametrize(
    ("incident", "says"),
    [
        (happened("refusals", 20_211, reason="full"), "20,211 readers refused in the last minute"),
        (happened("refusals", 1, reason="store"), "1 reader refused in the last minute"),
        (happened("refusals", 50, reason="full", ago_s=61), "Readers are reached"),
        (happened("refusals", 50, reason="408"), "Readers are reached"),
        (happened("cuts", 1000), "1,000 readers cut off in the last minute"),
        (happened("cuts", 3), "Readers are reached"),
        (happened("wrong_tokens", 300), "Readers are reached"),
    ],
)
def test_bursts_that_keep_readers_away_turn_the_words(incident: dict[str, Any], says: str) -> None:
    assert judged(told("w1"), incidents=(incident,)) == [says]


def test_readers_that_stay_behind() -> None:
    assert judged(told("w1"), behind=0.304) == ["30% of readers are behind the newest event"]


def test_the_worst_is_said_first_and_the_rest_after_it() -> None:
    words = judged(told("w1", 10, stale=True), peak=4000, missing=["w2"])
    assert words[0].startswith("The store")
    assert words[1:] == ["Worker w2 does not run", "3,990 of 4,000 readers lost in the last minute"]


def test_bursts_of_several_workers_at_one_time_are_one() -> None:
    parts = [
        happened("cuts", 500, worker="w1"),
        happened("cuts", 503, worker="w2", ago_s=4),
        happened("cuts", 7, worker="w1", ago_s=60),
        {**happened("", 1, ago_s=30), "text": "worker w1 ended"},
        {**happened("", 1, ago_s=29), "text": "worker w2 ended"},
    ]
    found = joined(Tally(30), parts)
    assert [one["text"] for one in found] == [
        "1,003 readers cut off in 3 s: took nothing for 30 s",
        "worker w2 ended",
        "worker w1 ended",
        "",
    ]


def test_workers_that_did_not_hear_the_store_together_are_one_silence() -> None:
    parts = [
        happened("silence", 1, worker="w1", ago_s=20),
        happened("silence", 1, worker="w2", ago_s=19),
        {**happened("frost", 1, worker="w1"), "text": "a kind of another release"},
        {**happened("frost", 1, worker="w2"), "text": "and once more"},
    ]
    found = joined(Tally(), parts)
    assert [one["text"] for one in found][:2] == ["and once more", "a kind of another release"]
    assert [(one["workers"], one["text"]) for one in found[2:]] == [(["w1", "w2"], "The store was not heard for 3 s")]


def test_whom_a_burst_is_about_is_added_up_over_the_workers() -> None:
    parts = [
        {**happened("wrong_tokens", 3, worker="w1"), "names": {"192.0.2.1": 3}},
        {**happened("wrong_tokens", 4, worker="w2"), "names": {"192.0.2.1": 2, "192.0.2.2": 2}},
    ]
    (one,) = joined(Tally(), parts)
    assert one["names"] == {"192.0.2.1": 5, "192.0.2.2": 2}
    assert one["text"] == "7 wrong tokens in 2 s from 192.0.2.1, 192.0.2.2"


def test_one_worker_s_two_bursts_stay_two() -> None:
    parts = [happened("cuts", 500), happened("cuts", 503, ago_s=4)]
    assert [one["count"] for one in joined(Tally(), parts)] == [503, 500]


def test_faults_are_told_with_their_reasons() -> None:
    counts = Counts(cuts=2, wrong_tokens=3)
    counts.refuse("full")
    counts.refuse("full")
    counts.refuse("origin")
    assert counts.faults() == {
        ("cuts", ""): 2,
        ("unread", ""): 0,
        ("rude", ""): 0,
        ("wrong_tokens", ""): 3,
        ("refusals", "full"): 2,
        ("refusals", "origin"): 1,
    }
