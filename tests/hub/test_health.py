"""Are readers reached? The first words turn with the first fault, and name it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from samples import NOW, sample, story
from stoppress.hub.health import health
from stoppress.hub.hub import Hub
from stoppress.hub.merge import merge
from stoppress.hub.sample import Incident, LastSeen, Sample


def worker(name: str, readers: int = 100, *, stale: bool = False, **more: Any) -> Sample:
    hub = Hub()
    if stale:
        hub.stale(NOW - 60_000)
    return sample(name, hub=hub, figures={"stories": {"a": story(1, readers, readers)}}, **more)


def judged(
    *workers: Sample,
    unknown: dict[str, LastSeen] | None = None,
    peak: int = 0,
    incidents: tuple[Incident, ...] = (),
    **more: Any,
) -> list[str]:
    more = {"gone": False, "missing": (), "behind": 0, **more}
    found = health(merge(workers, unknown or {}, NOW), incidents, NOW, peak=peak, **more)
    assert found["reached"] == (not found["troubles"])
    return [found["text"], *found["troubles"][1:]]


def burst(kind: str, count: int, *, reason: str = "", ago_s: float = 5) -> Incident:
    until_ms = round(NOW - ago_s * 1000)
    return Incident(
        kind=kind, reason=reason, count=count, at_ms=until_ms - 2000, until_ms=until_ms, worker="w", text=""
    )


def test_all_is_well() -> None:
    assert judged(worker("w1"), worker("w2"), peak=210) == ["Readers are reached"]
    assert judged(worker("w1", 0)) == ["No readers are connected"]


def test_a_store_that_is_not_heard() -> None:
    words = judged(worker("w1", stale=True), worker("w2", stale=True))
    assert words == ["The store has not been heard since 07:59:00 UTC: readers see the last state"]
    assert judged(worker("w1"), worker("w2", stale=True)) == ["Worker w2 has not heard the store since 07:59:00 UTC"]
    deaf = [worker(f"w{n}", stale=True) for n in range(2, 6)]
    assert judged(worker("w1"), *deaf[:2]) == ["Workers w2, w3 have not heard the store since 07:59:00 UTC"]
    assert judged(worker("w1"), *deaf) == ["Workers w2, w3, w4 and others have not heard the store since 07:59:00 UTC"]


def test_a_worker_that_does_not_answer_is_named_as_short_as_can_be() -> None:
    last = LastSeen(name="w2", node="here", last_heard="2027-01-15T07:59:50.000Z")
    assert judged(worker("w1"), unknown={"x": last}) == ["Worker w2 has not answered since 07:59:50 UTC"]
    assert judged(worker("w1"), unknown={"x": replace(last, node="there")}) == [
        "Worker w2 of there has not answered since 07:59:50 UTC"
    ]
    assert judged(worker("w1"), missing=["w2"]) == ["Worker w2 does not run"]


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
    assert judged(worker("w1", now), peak=peak) == [says]


def test_few_that_a_dead_worker_had_are_said_too_until_they_are_back() -> None:
    assert judged(worker("w1", 34), peak=50, gone=True) == ["16 of 50 readers lost in the last minute"]
    assert judged(worker("w1", 0), peak=1, gone=True) == ["1 of 1 readers lost in the last minute"]
    assert judged(worker("w1", 3900), peak=4000, gone=True) == ["Readers are reached"]


def test_who_is_told_to_come_back_is_not_lost() -> None:
    assert judged(worker("w1", 0), worker("w1b", 0, is_draining=True), peak=4000) == ["No readers are connected"]


@pytest.mark.parametrize(
    ("incident", "says"),
    [
        (burst("refusals", 20_211, reason="full"), "20,211 readers refused in the last minute"),
        (burst("refusals", 1, reason="store"), "1 reader refused in the last minute"),
        (burst("refusals", 50, reason="full", ago_s=61), "Readers are reached"),
        (burst("refusals", 50, reason="408"), "Readers are reached"),
        (burst("cuts", 1000), "1,000 readers cut off in the last minute"),
        (burst("cuts", 3), "Readers are reached"),
        (burst("wrong_tokens", 300), "Readers are reached"),
    ],
)
def test_bursts_that_keep_readers_away_turn_the_words(incident: Incident, says: str) -> None:
    assert judged(worker("w1"), incidents=(incident,)) == [says]


def test_readers_that_stay_behind() -> None:
    assert judged(worker("w1"), behind=0.304) == ["30% of readers are behind the newest event"]


def test_the_worst_is_said_first_and_the_rest_after_it() -> None:
    words = judged(worker("w1", 10, stale=True), peak=4000, missing=["w2"])
    assert words[0].startswith("The store")
    assert words[1:] == ["Worker w2 does not run", "3,990 of 4,000 readers lost in the last minute"]
