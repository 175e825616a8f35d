"""Times in words: the server's and the browser's are the same, for every zone, through every change of clocks."""

from __future__ import annotations

import pytest

from stoppress.newsroom.times import format_time, parse_time
from stoppress.web.format import full_time, in_zones, local, near_time, zone_table

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

ZONES = [
    *("UTC", "Europe/London", "America/New_York", "Asia/Hong_Kong", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "Asia/Tehran", "Antarctica/Troll"),
    *("Europe/Dublin", "Pacific/Chatham", "America/Nuuk"),
]
SAY = """async ({ zones, cases }) => {
  const { Times } = await import("/assets/times.js");
  const times = new Times(zones);
  return cases.map(({ at, story, day }) => [
    times.local(at, story.time_zone), times.inZones(at, story), times.fullTime(at, story),
    times.nearTime(at, day, story.time_zone),
  ]);
}"""


async def test_the_browser_says_what_the_server_says(site):
    page = await site.open("/")
    now = parse_time("2026-11-22T17:30:00Z")
    start, end = parse_time("2025-01-01T00:00:00Z"), parse_time("2027-12-31T23:59:59Z")
    for n, zone in enumerate(ZONES):
        story = {"time_zone": zone, "display_time_zones": [ZONES[n - 1], ZONES[n - 2], zone]}
        table = zone_table(story, ["2025-06-01T00:00:00.000Z"], now)
        times = {*range(start, end, 71 * 3_600_000 + 61_001)}
        for spans in table.values():
            # Around every change of clocks, to the second.
            times |= {at + by for at, _, _ in spans["spans"] for by in (-1000, -1, 0, 1000, 1_799_000, 3_601_000)}
        cases = [{"at": format_time(at), "story": story, "day": "2026-11-22"} for at in sorted(times) if at > start]
        told = await page.evaluate(SAY, {"zones": table, "cases": cases})
        for case, said in zip(cases, told, strict=True):
            at = case["at"]
            wanted = [
                local(at, zone)._asdict(),
                in_zones(at, story),
                full_time(at, story),
                near_time(at, case["day"], zone),
            ]
            assert said == wanted, f"{at} in {zone}"


async def test_an_unknown_zone_is_shown_by_offset(site):
    page = await site.open("/")
    case = {"at": "2026-11-22T17:58:03.120Z", "story": {"time_zone": "Asia/Kolkata"}, "day": "2026-11-22"}
    said = (await page.evaluate(SAY, {"zones": {}, "cases": [case]}))[0]
    assert said[1] == ["23:28 UTC+5:30"]
