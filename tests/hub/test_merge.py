"""One sample of what all workers tell."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins

from samples import NOW, sample, story
from stoppress.hub.counts import DESCRIPTIONS, Counts, total
from stoppress.hub.histogram import Histogram
from stoppress.hub.merge import latencies, merge
from stoppress.hub.sample import LastSeen


def stories(**those: Any) -> dict[str, Any]:
    return {"stories": those}


def test_readers_add_up_and_the_newest_tells_how_a_story_stands() -> None:
    one = sample("w1", figures={**stories(a=story(7, 2, 1)), "events_per_s": 3, "deliveries_per_s": 6.0})
    two = sample("w2", figures={**stories(a=story(8, 4, 4), b=story(1, 2, 2)), "events_per_s": 4})

    whole = merge([two, one], {}, NOW)

    assert whole["stories"] == to_builtins({"a": story(8, 6, 5), "b": story(1, 2, 2)})
    assert list(whole["workers"]) == ["w1", "w2"]
    assert (whole["readers"], whole["at_head"]) == (8, 0.875)
    assert (whole["events_per_s"], whole["deliveries_per_s"]) == (4, 6.0)  # each hears every event of its stories
    assert whole["store"] == {"status": "ok", "stale_since": None}


@pytest.mark.parametrize(("settled", "at_head"), [(6, 10), (7, 10), (8, 5)])
def test_who_lacks_what_some_worker_had_a_moment_ago_is_not_at_the_head(settled: int, at_head: int) -> None:
    one = sample("w1", figures=stories(a=story(7, 5, 5)))
    two = sample("w2", figures=stories(a=story(9, 5, 5)), settled={"a": settled})

    for samples in ([one, two], [two, one]):
        whole = merge(samples, {}, NOW)
        assert (whole["stories"]["a"]["seq"], whole["stories"]["a"]["at_head"]) == (9, at_head)
        assert whole["at_head"] == at_head / 10


def test_a_worker_is_shown_with_its_own_figures() -> None:
    whole = merge([sample("w1", figures={"readers": 3, "at_head": 0.5}, is_draining=True)], {}, NOW)

    assert whole["workers"]["w1"] == {
        "status": "ok", "name": "w1", "node": "here", "is_draining": True, "readers": 3, "events_per_s": 0.0,
        "deliveries_per_s": 0.0, "at_head": 0.5, "stale_since": None, "at": "2027-01-15T08:00:00.000Z",
        "latency_ms": {stage: {"p50": None, "p95": None, "p99": None} for stage in ("written", "painted")},
    }  # fmt: skip


def test_a_worker_that_is_not_heard_is_named_with_what_is_known_of_it() -> None:
    last = LastSeen(name="w2", node="here", last_heard="2027-01-15T07:59:50.000Z")

    workers = merge([sample("w1")], {"w2": last}, NOW)["workers"]

    assert workers["w1"]["status"] == "ok"
    assert workers["w2"] == {"status": "unknown", "readers": None, **to_builtins(last)}


def test_the_store_is_stale_since_the_first_who_lost_it() -> None:
    at = [f"2027-01-15T07:59:5{n}.000Z" for n in range(2)]
    samples = [sample(f"w{n}", figures={"stale_since": since}) for n, since in enumerate([*at, None])]

    whole = merge(samples, {}, NOW)

    assert whole["store"] == {"status": "stale", "stale_since": at[0]}
    assert [worker["status"] for worker in whole["workers"].values()] == ["stale", "stale", "ok"]


def test_latencies_are_of_all_deliveries_together() -> None:
    """A quantile of quantiles would lie: one worker's 1,000 fast readers outweigh another's slow one."""
    both, parts = Histogram(), []
    for ms, times in ((1, 1000), (500, 1)):
        one = Histogram()
        one.add(ms, times)
        both.add(ms, times)
        parts.append(one.filled())
    samples = [sample(f"w{n}", written=part) for n, part in enumerate(parts)]

    assert both.summary() == {"p50": 1.0, "p95": 1.0, "p99": 1.0}
    assert latencies(samples, "written").buckets == both.buckets
    assert merge(samples, {}, NOW)["latency_ms"] == {"written": both.summary(), "painted": Histogram().summary()}


def test_faults_add_up_by_their_reasons() -> None:
    one = sample("w1", counts=Counts(cuts=1, wrong_tokens=2, refusals={"full": 3}))
    two = sample("w2", counts=Counts(cuts=1, wrong_tokens=2, refusals={"full": 1, "origin": 2}))

    faults = merge([one, two], {}, NOW)["faults"]

    assert faults == {"cuts": 2, "unread": 0, "rude": 0, "wrong_tokens": 4, "refusals": {"full": 4, "origin": 2}}
    assert one.counts.refusals == {"full": 3}


def test_every_count_adds_up_and_says_what_it_is() -> None:
    """Whatever is added: a count needs no other line than its field."""
    names = [name for name in Counts.__struct_fields__ if name != "refusals"]
    one, two = Counts(**{name: 1 + n for n, name in enumerate(names)}), Counts(**dict.fromkeys(names, 100))

    whole = total([one, two])

    assert {name: getattr(whole, name) for name in names} == {name: 101 + n for n, name in enumerate(names)}
    assert all(DESCRIPTIONS[name] for name in Counts.__struct_fields__)


def test_without_any_worker_there_is_a_sample_of_nothing() -> None:
    whole = merge([], {}, NOW)

    assert (whole["readers"], whole["at_head"], whole["events_per_s"], whole["stories"]) == (0, 1.0, 0, {})
