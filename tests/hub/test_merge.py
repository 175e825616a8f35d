"""One sample of what all workers told."""

from __future__ import annotations

from typing import Any

from stoppress.hub.hub import Hub
from stoppress.hub.merge import merged, whole
from stoppress.hub.stats import Histogram

NOW = 1_800_000_000_000


def told(name: str, **more: Any) -> dict[str, Any]:
    sample = {**Hub().sample(NOW), **more.pop("sample", {})}
    counts = {"cuts": 1, "unread": 0, "rude": 0, "wrong_tokens": 2, "refusals": {}}
    return {
        "worker": name, "node": "here", "name": name, "sample": sample, "counts": counts, "written": [],
        "painted": [], "is_draining": False, **more,
    }  # fmt: skip


def story(seq: int, readers: int, at_head: int) -> dict[str, Any]:
    return {"epoch": "e", "seq": seq, "readers": readers, "at_head": at_head, "post_count": seq, "status": "live"}


def test_readers_add_up_and_the_newest_tells_how_a_story_stands() -> None:
    one = told("w1", sample={"stories": {"a": story(7, 2, 1)}, "events_per_s": 3, "deliveries_per_s": 6.0})
    two = told("w2", sample={"stories": {"a": story(8, 4, 4), "b": story(1, 2, 2)}, "events_per_s": 4})

    sample = merged(NOW, {"w1": one, "w2": two}, {})

    assert sample["stories"] == {"a": story(8, 6, 5), "b": story(1, 2, 2)}
    assert (sample["readers"], sample["at_head"]) == (8, 0.875)
    assert (sample["events_per_s"], sample["deliveries_per_s"]) == (4, 6.0)  # each hears every event of its stories
    assert sample["store"] == {"status": "ok", "stale_since": None}


def test_who_lacks_what_some_worker_had_a_moment_ago_is_not_at_the_head() -> None:
    one = told("w1", sample={"stories": {"a": story(7, 2, 2)}}, settled={"a": 8})
    two = told("w2", sample={"stories": {"a": story(8, 4, 4)}}, settled={"a": 6})

    assert merged(NOW, {"w1": one, "w2": two}, {})["stories"]["a"]["at_head"] == 4


def test_a_worker_that_is_not_heard_is_named_with_what_is_known_of_it() -> None:
    last = {"name": "w2", "node": "here", "last_heard": "2027-01-15T07:59:50.000Z"}

    workers = merged(NOW, {"w1": told("w1")}, {"w2": last})["workers"]

    assert workers["w1"]["status"] == "ok"
    assert workers["w2"] == {"status": "unknown", "readers": None, **last}


def test_the_store_is_stale_since_the_first_who_lost_it() -> None:
    at = [f"2027-01-15T07:59:5{n}.000Z" for n in range(2)]
    deaf = {f"w{n}": told(f"w{n}", sample={"stale_since": since}) for n, since in enumerate([*at, None])}

    sample = merged(NOW, deaf, {})

    assert sample["store"] == {"status": "stale", "stale_since": at[0]}
    assert [worker["status"] for worker in sample["workers"].values()] == ["stale", "stale", "ok"]


def test_latencies_are_of_all_deliveries_together() -> None:
    both = Histogram()
    parts = []
    for times in ([5, 5, 700], [40]):
        one = Histogram()
        for ms in times:
            one.add(ms)
            both.add(ms)
        parts.append([[n, count] for n, count in enumerate(one.buckets) if count])

    assert whole(parts).summary() == both.summary()
    workers = {f"w{n}": told(f"w{n}", written=part) for n, part in enumerate(parts)}
    assert merged(NOW, workers, {})["latency_ms"] == {"written": both.summary(), "painted": Histogram().summary()}


def test_faults_add_up_by_their_reasons() -> None:
    one, two = told("w1"), told("w2")
    one["counts"]["refusals"] = {"full": 3}
    two["counts"]["refusals"] = {"full": 1, "origin": 2}

    faults = merged(NOW, {"w1": one, "w2": two}, {})["faults"]

    assert faults == {"cuts": 2, "unread": 0, "rude": 0, "wrong_tokens": 4, "refusals": {"full": 4, "origin": 2}}


def test_without_any_worker_there_is_a_sample_of_nothing() -> None:
    sample = merged(NOW, {}, {})

    assert (sample["readers"], sample["at_head"], sample["events_per_s"], sample["stories"]) == (0, 1.0, 0, {})
