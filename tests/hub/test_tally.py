"""What goes wrong many times is one sentence; what goes wrong for long is one a minute."""

from __future__ import annotations

import pytest

from stoppress.hub.counts import Counts
from stoppress.hub.hub import Hub
from stoppress.hub.tally import KEPT_AWAY, QUIET_MS, REFUSALS, Tally

CUTS = ("cuts", "")


def told(tally: Tally, counts: Counts, seconds: range) -> list[str]:
    """The sentences of bursts that are over, looking once a second."""
    found = []
    for second in seconds:
        for burst in tally.look(counts.faults(), second * 1000):
            found.append(tally.sentence(burst.key, burst.count, burst.last_ms - burst.began_ms, burst.names))
    return found


def test_a_thousand_readers_cut_off_in_twelve_seconds_are_one_sentence() -> None:
    tally, counts = Tally(30), Counts()
    said = told(tally, counts, range(5))
    for second in range(5, 18):
        counts.cuts += 1000 // 13 + (second < 5 + 1000 % 13)
        said += told(tally, counts, range(second, second + 1))
    assert said == []
    assert [burst.count for burst in tally.under_way] == [1000]
    said = told(tally, counts, range(18, 40))
    assert said == ["1,000 readers cut off in 12 s: took nothing for 30 s"]
    assert tally.under_way == []


def test_what_goes_on_is_told_once_a_minute() -> None:
    tally, counts = Tally(), Counts()
    said = []
    for second in range(180):
        counts.refuse("full")
        said += told(tally, counts, range(second, second + 1))
    assert len(said) == 2
    assert said[0] == "61 connections refused in 60 s: 503, this server has as many readers as it takes"


def test_two_bursts_are_two_sentences_and_one_is_no_flood() -> None:
    tally, counts = Tally(), Counts()
    counts.cuts += 1
    first = told(tally, counts, range(20))
    counts.cuts += 3
    assert first == ["1 reader cut off: took nothing for 30 s"]
    assert told(tally, counts, range(20, 40)) == ["3 readers cut off in 1 s: took nothing for 30 s"]


def test_what_was_before_the_first_look_counts_too() -> None:
    tally, counts = Tally(), Counts()
    counts.rude += 2
    assert told(tally, counts, range(1 + QUIET_MS // 1000)) == ["2 readers closed in 1 s: said what nobody asked for"]


def test_addresses_are_named_the_worst_first_and_few() -> None:
    tally, counts = Tally(), Counts()
    for n in range(300):
        counts.wrong_tokens += 1
        tally.name("wrong_tokens", f"198.51.100.{min(n, 280) // 56}")
    said = told(tally, counts, range(10))
    assert said == [
        "300 wrong tokens in 1 s from 198.51.100.0, 198.51.100.1, 198.51.100.2 and 3 more addresses",
    ]
    counts.wrong_tokens += 1
    tally.name("wrong_tokens", "2001:db8::/64")
    assert told(tally, counts, range(10, 20)) == ["1 wrong token from 2001:db8::/64"]


def test_a_hub_names_whose_token_was_wrong() -> None:
    hub = Hub()
    hub.wrong_token("192.0.2.1")
    hub.wrong_token("192.0.2.1")
    (burst,) = [burst for second in (0, 9) for burst in hub.tally.look(hub.counts.faults(), second * 1000)]
    assert (burst.key, burst.count, burst.names) == (("wrong_tokens", ""), 2, {"192.0.2.1": 2})


def test_whose_token_it_was_may_be_unknown() -> None:
    assert Tally().sentence(("wrong_tokens", ""), 2, 3000) == "2 wrong tokens in 3 s"


def test_a_million_addresses_take_no_memory() -> None:
    tally, counts = Tally(), Counts()
    for n in range(5000):
        counts.wrong_tokens += 1
        tally.name("wrong_tokens", str(n))
    tally.look(counts.faults(), 0)
    assert len(tally.under_way[0].names) == 1000


@pytest.mark.parametrize("reason", REFUSALS)
def test_every_reason_has_words(reason: str) -> None:
    assert len(Tally().sentence(("refusals", reason), 2, 0).partition(": ")[2]) > 8


def test_a_stop_and_what_strangers_send_is_nothing_to_mend() -> None:
    tally, counts = Tally(), Counts()
    for reason in ("stopping", "408", *KEPT_AWAY, "origin"):
        counts.refuse(reason)
    counts.cuts += 1
    tally.look(counts.faults(), 0)
    assert {burst.key[1] for burst in tally.under_way if burst.is_expected} == {"stopping", "408"}
