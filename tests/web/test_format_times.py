"""Times on a page: dates where they are needed, headings that are true, and far times that cost no megabyte."""

from __future__ import annotations

import time
from itertools import pairwise

import orjson
import pytest

from stoppress.newsroom.times import parse_time
from stoppress.web.format import day_name, full_time, heading_days, in_zones, near_time, this_year, zone_table

NOW = parse_time("2026-11-22T17:30:00Z")
ZONES = [
    *("America/New_York", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"),
    *("Africa/Casablanca", "Asia/Tehran", "Europe/Dublin", "America/St_Johns", "Pacific/Chatham"),
]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_the_ends_of_the_calendar_have_words(at, zone):
    assert full_time(at, {"time_zone": zone, "display_time_zones": ["UTC"]})


def test_a_far_time_does_not_make_the_table_of_zones_long():
    story = {"time_zone": "UTC", "display_time_zones": ZONES}
    every = [f"{year}-06-01T00:00:00.000Z" for year in range(1900, 2201)]
    began = time.process_time()
    table = zone_table(story, every, NOW)
    assert time.process_time() - began < 5
    assert len(orjson.dumps(table)) < 50_000
    for spans in table.values():
        assert any(start <= NOW < end for start, end, _, _ in spans)
        assert all(one[1] == other[0] for one, other in pairwise(spans)), "no hole"


def test_an_old_year_is_in_the_table_without_those_between():
    table = zone_table({"time_zone": "America/New_York"}, ["1987-07-01T12:00:00.000Z"], NOW)["America/New_York"]

    (found,) = [span for span in table if span[0] <= parse_time("1987-07-01T12:00:00Z") < span[1]]
    assert found[2:] == (-240, "EDT")
    assert not [span for span in table if span[0] <= parse_time("1999-07-01T12:00:00Z") < span[1]]


@pytest.mark.parametrize(
    ("at", "day", "said"),
    [
        ("2026-11-22T22:58:00.000Z", "2026-11-22", "17:58 EST"),
        ("2026-11-22T22:58:00.000Z", "2026-11-21", "22 November, 17:58 EST"),
        ("2026-11-22T22:58:00.000Z", "", "22 November, 17:58 EST"),
        ("2023-03-24T21:58:00.000Z", "2023-03-24", "24 March 2023, 17:58 EDT"),
        ("2023-03-24T21:58:00.000Z", "2026-11-22", "24 March 2023, 17:58 EDT"),
        ("2026-01-01T04:59:00.000Z", "", "31 December 2025, 23:59 EST"),
        ("2027-01-01T05:00:00.000Z", "", "1 January 2027, 00:00 EST"),
    ],
)
def test_a_date_is_said_where_nothing_nearby_does_and_its_year_if_it_is_another(at, day, said):
    assert near_time(at, day, "2026", "America/New_York") == said


def test_a_year_begins_where_the_story_is():
    new_year = parse_time("2027-01-01T00:00:00Z")

    assert this_year(new_year, "UTC") == "2027"
    assert this_year(new_year, "America/New_York") == "2026"
    assert this_year(new_year - 1, "Pacific/Auckland") == "2027"
    story = {"time_zone": "America/New_York", "display_time_zones": ["Europe/London"]}
    assert in_zones("2027-01-01T02:00:00.000Z", story) == ["21:00 EST", "02:00 GMT, 1 January 2027"]


def posts(*dates: str) -> list[dict[str, str]]:
    """Newest first by place. "24": published that day; "~24": last changed then; "": unknown."""
    made = []
    for n, date in enumerate(dates):
        name = "date_modified" if date.startswith("~") else "date_published"
        known = {name: f"2023-03-{date.removeprefix('~')}T12:00:00.000Z"} if date else {}
        made.append({"id": str(n), "sort_time": f"2026-11-25T10:00:{59 - n:02}.000Z", **known})
    return made


@pytest.mark.parametrize(
    ("dates", "headings"),
    [
        (["24", "24", "22"], ["24", "24", "22"]),
        (["", "24", "", "22", ""], ["24", "24", "24", "22", "22"]),
        (["24", "~26", "22"], ["24", "24", "22"]),  # it was changed later than those around it were published
        (["~26", "24"], ["26", "24"]),
        (["24", "~23", "22"], ["24", "23", "22"]),
        (["24", "22", "23"], ["", "", ""]),
        (["24", "~22", "23", ""], ["", "", "", ""]),
        (["", ""], ["", ""]),
        ([], []),
    ],
)
def test_headings_are_of_the_posts_own_days(dates, headings):
    wanted = {str(n): f"2023-03-{day}" if day else "" for n, day in enumerate(headings)}

    assert heading_days(posts(*dates), "UTC") == wanted
    assert heading_days(posts(*dates)[::-1], "UTC") == wanted


def test_a_day_has_a_name():
    assert day_name("2023-03-24") == "Friday 24 March 2023"
