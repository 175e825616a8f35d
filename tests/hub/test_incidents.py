"""What happened lately, of all workers."""

from __future__ import annotations

from typing import Any

from samples import NOW
from stoppress.hub.incidents import SHOWN, joined, public
from stoppress.hub.sample import Incident
from stoppress.hub.tally import Tally


def incident(kind: str, count: int = 1, *, worker: str = "w1", ago_s: float = 5, **more: Any) -> Incident:
    until_ms = round(NOW - ago_s * 1000)
    plain = {"text": "", "at_ms": until_ms - 2000, "until_ms": until_ms}
    return Incident(kind=kind, count=count, worker=worker, **plain | more)


def test_bursts_of_several_workers_at_one_time_are_one() -> None:
    parts = [
        incident("cuts", 500, worker="w1"),
        incident("cuts", 503, worker="w2", ago_s=4),
        incident("cuts", 7, worker="w1", ago_s=60),
        incident("", worker="here", ago_s=30, text="worker w1 ended"),
        incident("", worker="there", ago_s=29, text="worker w2 ended"),
    ]
    assert [one.text for one in joined(Tally(30), parts)] == [
        "1,003 readers cut off in 3 s: took nothing for 30 s",
        "worker w2 ended",
        "worker w1 ended",
        "",
    ]


def test_a_burst_of_three_workers_is_one_and_a_second_one_of_the_same_worker_is_not() -> None:
    parts = [incident("cuts", 1, worker=worker, ago_s=9 - n) for n, worker in enumerate(("w1", "w2", "w3", "w2"))]
    assert [one.count for one in joined(Tally(), parts)] == [1, 3]


def test_other_reasons_and_other_times_are_other_bursts() -> None:
    parts = [
        incident("refusals", 1, reason="full", worker="w1", ago_s=5),
        incident("refusals", 2, reason="pace", worker="w2", ago_s=4.5),
        incident("refusals", 4, reason="full", worker="w3", ago_s=60),
    ]
    assert [one.count for one in joined(Tally(), parts)] == [2, 1, 4]


def test_workers_that_did_not_hear_the_store_together_are_one_silence() -> None:
    parts = [
        incident("silence", worker="w1", ago_s=20),
        incident("silence", worker="w2", ago_s=19),
        incident("frost", worker="w1", text="a kind of another release"),
        incident("frost", worker="w2", text="and once more"),
    ]
    texts = [one.text for one in joined(Tally(), parts)]
    assert texts == ["and once more", "a kind of another release", "The store was not heard for 3 s"]


def test_whom_a_burst_is_about_is_added_up_over_the_workers() -> None:
    parts = [
        incident("wrong_tokens", 3, worker="w1", names={"192.0.2.1": 3}),
        incident("wrong_tokens", 4, worker="w2", names={"192.0.2.1": 2, "192.0.2.2": 2}),
    ]
    (one,) = joined(Tally(), parts)
    assert one.names == {"192.0.2.1": 5, "192.0.2.2": 2}
    assert one.text == "7 wrong tokens in 2 s from 192.0.2.1, 192.0.2.2"
    assert parts[0].names == {"192.0.2.1": 3}


def test_one_worker_s_two_bursts_stay_two() -> None:
    parts = [incident("cuts", 500), incident("cuts", 503, ago_s=4)]
    assert [one.count for one in joined(Tally(), parts)] == [503, 500]


def test_the_latest_are_shown() -> None:
    parts = [incident("", count=n, ago_s=n) for n in range(1, 2 * SHOWN)]
    assert [one.count for one in joined(Tally(), parts)] == list(range(1, SHOWN + 1))


def test_people_see_times_and_words_and_nobody_s_address_apart() -> None:
    shown = public(incident("wrong_tokens", 3, text="3 wrong tokens", ago_s=0, names={"192.0.2.1": 3}))
    assert shown == {
        "at": "2027-01-15T07:59:58.000Z", "until": "2027-01-15T08:00:00.000Z", "kind": "wrong_tokens", "reason": "",
        "count": 3, "text": "3 wrong tokens",
    }  # fmt: skip
