"""Times and zones as they come in: RFC 3339, all of it and nothing else."""

from __future__ import annotations

import pytest

from stoppress.newsroom.errors import InvalidError
from stoppress.newsroom.model import PostDraft, StoryDraft
from stoppress.newsroom.record import read
from stoppress.newsroom.times import check_zone, format_time, kept_time, normal_time, parse_time, stored_ms


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-22t10:00:00z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22 10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22T10:00:00.5-05:00", "2026-11-22T15:00:00.500Z"),
        ("2026-11-22T10:00:00.123456789Z", "2026-11-22T10:00:00.123Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000Z"),
        ("2026-12-31T18:59:60.25-05:00", "2027-01-01T00:00:00.250Z"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00.000Z"),
        ("2200-12-31T23:59:59.999Z", "2200-12-31T23:59:59.999Z"),
    ],
)
def test_rfc_3339_is_taken(given, kept):
    assert normal_time(given) == kept
    assert normal_time(kept) == kept


@pytest.mark.parametrize(
    "given",
    [
        *("2026-W47-7T10:00Z", "20261122T100000Z", "2026-11-22T10Z", "2026-11-22T10:00Z", "2026-11-22"),
        *("2026-11-22T10:00:00,5Z", "2026-11-22T10:00:00+0500", "2026-13-01T00:00:00Z", "2026-11-22T24:00:01Z"),
        *("2026-11-22T10:00:60Z", "2026-11-22T10:00:61Z", "\u0662026-11-22T10:00:00Z", "2026-11-22T10:00:00Z\n"),
        *("2026-11-22T10:00:00.Z", "now", "0" * 100_000),
    ],
)
def test_what_is_not_rfc_3339_is_refused(given):
    with pytest.raises(InvalidError) as caught:
        normal_time(given, "sort_time")
    assert caught.value.field == "sort_time"
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    "given",
    [
        *("0001-01-01T00:00:00Z", "1899-12-31T23:59:59.999Z", "2201-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"),
        *("1900-01-01T00:00:00+01:00", "2200-12-31T23:59:59.9999Z", "2200-12-31T23:59:60Z"),
    ],
)
def test_only_years_from_1900_to_2200_are_kept(given):
    for kind, fields, name in [
        (PostDraft, {"headline": "h", "sort_time": given}, "sort_time"),
        (PostDraft, {"headline": "h", "date_published": given}, "date_published"),
        (StoryDraft, {"slug": "s", "headline": "h", "coverage_start_time": given}, "coverage_start_time"),
    ]:
        with pytest.raises(InvalidError, match="must lie in the years 1900 to 2200") as caught:
            read(kind, fields)
        assert caught.value.field == name


def test_a_neighbour_of_the_last_moment_is_refused():
    last = parse_time("2200-12-31T23:59:59.999Z")
    assert kept_time(last) == "2200-12-31T23:59:59.999Z"
    with pytest.raises(InvalidError, match="1900 to 2200"):
        kept_time(last + 1)


def test_a_time_without_a_zone_is_no_moment():
    with pytest.raises(InvalidError, match="needs a zone: end it with Z or an offset"):
        parse_time("2026-11-22T18:00:00")


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:60Z"])
def test_what_leaves_the_calendar_on_its_way_to_utc_is_refused(given):
    with pytest.raises(InvalidError, match="years 1 to 9999"):
        parse_time(given)


@pytest.mark.parametrize("ms", [0, 1, -1, 1_795_370_283_120, -2_208_988_800_000])
def test_a_kept_time_is_read_back(ms):
    assert stored_ms(format_time(ms)) == parse_time(format_time(ms)) == ms


@pytest.mark.parametrize("name", ["UTC", "Europe/London", "America/Argentina/Buenos_Aires", "GMT", "EST5EDT"])
def test_zones_of_the_database_are_taken(name):
    check_zone(name, "time_zone")


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "Europe", "Mars/Base", "../etc/passwd", "", "\0", "x" * 5_000]
)
def test_what_is_no_zone_everywhere_is_refused(name):
    with pytest.raises(InvalidError, match="not an IANA time zone"):
        check_zone(name, "time_zone")
