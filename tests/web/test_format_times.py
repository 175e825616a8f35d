"""Far times on a page: shown, and paid for with neither an error nor a megabyte."""

from __future__ import annotations

import time

import orjson
import pytest

from stoppress.newsroom.times import parse_time
from stoppress.web.format import full_time, zone_table

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
    began = time.process_time()
    table = zone_table(story, ["1900-01-01T00:00:00.000Z", "2200-12-31T23:59:59.999Z"], NOW)
    assert time.process_time() - began < 5
    assert len(orjson.dumps(table)) < 50_000
    for zone in table.values():
        assert zone["from"] <= NOW < zone["to"]
