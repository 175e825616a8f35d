"""What another worker tells is a sample or nonsense: anybody who has the store's address may publish there."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import orjson
import pytest

from samples import sample, story
from stoppress.hub.counts import Counts
from stoppress.hub.histogram import BUCKETS
from stoppress.hub.sample import Incident, LastSeen, Sample, Word, read_sample

AT = "2027-01-15T08:00:00.000Z"
INCIDENT = Incident(kind="cuts", text="3 readers cut off", at_ms=1, until_ms=2, worker="w1", names={"192-0-2-1": 3})
FULL = sample(
    "w1",
    figures={"stories": {"flood": story(7, 2, 1)}, "stale_since": AT},
    settled={"flood": 6},
    written=[(3, 2)],
    counts=Counts(cuts=3, refusals={"full": 1}),
    incidents=[INCIDENT],
    unknown={"w9": LastSeen(last_heard=AT, name="w9", node="there")},
)


def altered(path: str = "", value: Any = None, *, without: bool = False) -> bytes:
    """FULL as JSON, with another value at the path, or without it."""
    whole = at = copy.deepcopy(orjson.loads(msgspec.json.encode(FULL)))
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        at = at[step]
    if without:
        del at[last]
    elif path:
        at[last] = value
    return orjson.dumps(whole)


def test_what_one_worker_tells_another_reads() -> None:
    assert read_sample(msgspec.json.encode(FULL)) == FULL
    assert orjson.loads(altered())["sample"]["readers"] == 0  # the name that supervisors and earlier releases read


def test_two_words_need_no_sample() -> None:
    assert read_sample(b'{"worker":"w1","bye":true}') == Word(worker="w1", bye=True)
    assert read_sample(b'{"worker":"w1","hello":true}') == Word(worker="w1", hello=True)
    assert msgspec.json.encode(Word(worker="w1", bye=True)) == b'{"worker":"w1","bye":true}'


def test_a_newer_release_s_sample_is_read_and_an_earlier_one_s_counts_are_0() -> None:
    newer = orjson.loads(altered())
    for part in (newer, newer["sample"], newer["sample"]["stories"]["flood"], newer["counts"], newer["incidents"][0]):
        part["frost"] = {"of": ["another", "release"]}
    assert read_sample(orjson.dumps(newer)) == FULL
    earlier = read_sample(altered("counts.wrong_tokens", without=True))
    assert isinstance(earlier, Sample)
    assert earlier.counts.wrong_tokens == 0


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"null", b'{"worker":"x"}', b'{"worker":7}', b"\xff", b"["])
def test_what_is_no_sample_at_all(data: bytes) -> None:
    assert read_sample(data) is None


def test_a_deep_well_is_no_way_to_make_a_worker_deaf() -> None:
    """In a field that nobody reads, too: who skips it must go down all the same."""
    well = b"[" * 100_000
    for data in (well, b'{"worker":"x","well":' + well, altered()[:-1] + b',"well":' + well):
        assert read_sample(data) is None


NUMBERS = (
    "sample.readers", "sample.stories.flood.seq", "sample.stories.flood.readers", "sample.stories.flood.at_head",
    "sample.stories.flood.post_count", "settled.flood", "written.0.0", "written.0.1", "counts.cuts",
    "counts.refusals.full", "resident_bytes", "peak", "gone", "incidents.0.at_ms", "incidents.0.until_ms",
    "incidents.0.count", "incidents.0.names.192-0-2-1",
)  # fmt: skip
RATES = ("began", "cpu_s", "sample.events_per_s", "sample.deliveries_per_s", "sample.at_head")
TEXTS = (
    "worker", "node", "name", "place", "members.0", "sample.stories.flood.epoch", "sample.stories.flood.status",
    "incidents.0.kind", "incidents.0.reason", "incidents.0.text", "incidents.0.worker", "unknown.w9.name",
    "unknown.w9.node",
)  # fmt: skip
MOMENTS = ("sample.at", "sample.stale_since", "unknown.w9.last_heard")


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [-1, 1.0, 1.5, True, "1", None, [], 2**63, 2**50 + 1])
def test_a_number_that_is_none(path: str, value: Any) -> None:
    assert read_sample(altered(path, value)) is None


@pytest.mark.parametrize("path", RATES)
@pytest.mark.parametrize("value", [-1, True, "1", None, {}, 1e300])
def test_a_rate_that_is_none(path: str, value: Any) -> None:
    assert read_sample(altered(path, value)) is None


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("value", [7, None, [], "x" * 2_001])
def test_a_text_that_is_none(path: str, value: Any) -> None:
    assert read_sample(altered(path, value)) is None


@pytest.mark.parametrize("path", MOMENTS)
@pytest.mark.parametrize("value", ["", "now", AT + "\n", AT[:-1], AT.replace("2", "٢"), 7])
def test_a_time_that_is_none(path: str, value: Any) -> None:
    assert read_sample(altered(path, value)) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("members", "w1"), ("members", None), ("sample", []), ("sample.stories", []), ("sample.stories.flood", {}),
        ("sample.latency_ms", {}), ("written", [[1]]), ("written", [[BUCKETS, 1]]), ("written", [[1, 2, 3]]),
        ("painted", {"1": 1}), ("counts", []), ("is_draining", "yes"), ("is_draining", 0), ("unknown", []),
        ("incidents", [7]), ("incidents", {}), ("settled", []),
        ("incidents.0.at_ms", 253_402_300_800_000),  # the year 10000, which no time here can say
    ],
)  # fmt: skip
def test_a_shape_that_is_none(path: str, value: Any) -> None:
    assert read_sample(altered(path, value)) is None


@pytest.mark.parametrize("name", [*Sample.__struct_fields__])
def test_nothing_may_be_missing(name: str) -> None:
    assert read_sample(altered({"figures": "sample"}.get(name, name), without=True)) is None


def test_half_a_character_is_no_text() -> None:
    """It could not be encoded again, for `/stats`."""
    assert read_sample(altered().replace(b"3 readers", rb"\ud800 readers")) is None
