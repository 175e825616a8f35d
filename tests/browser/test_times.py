"""Times in words: the server's and the browser's are the same, in every zone, at every change of clocks or year."""

from __future__ import annotations

import random

import pytest

from stoppress.newsroom.times import format_time, parse_time
from stoppress.web.format import (
    day_name,
    full_time,
    heading_days,
    in_zones,
    local,
    near_time,
    this_year,
    zone_table,
)

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
    times.nearTime(at, day, "2026", story.time_zone), times.thisYear(Date.parse(at), story.time_zone),
  ]);
}"""
HEAD = """async ({ zones, zone, lists }) => {
  const { dayName, Times } = await import("/assets/times.js");
  const times = new Times(zones);
  return lists.map((posts) => [...times.headingDays(posts, zone)].map(([id, day]) => [id, day, day && dayName(day)]));
}"""


async def test_the_browser_says_what_the_server_says(site):
    page = await site.open("/")
    now = parse_time("2026-11-22T17:30:00Z")
    start, end = parse_time("2025-01-01T00:00:00Z"), parse_time("2027-12-31T23:59:59Z")
    for n, zone in enumerate(ZONES):
        story = {"time_zone": zone, "display_time_zones": [ZONES[n - 1], ZONES[n - 2], zone]}
        table = zone_table(story, ["2025-06-01T00:00:00.000Z", "1994-06-01T00:00:00.000Z"], now)
        times = {*range(start, end, 71 * 3_600_000 + 61_001)}
        # Around every change of clocks, to the second.
        changes = {at for spans in table.values() for at, *_ in spans}
        times |= {at + by for at in changes for by in (-1000, -1, 0, 1000, 1_799_000, 3_601_000)}
        for year in range(2025, 2028):
            # Around every New Year, wherever it is.
            begins = parse_time(f"{year}-01-01T00:00:00Z")
            times |= {begins + quarter * 900_000 + by for quarter in range(-56, 57) for by in (-1, 0)}
        times = {at for at in times if any(first <= at < last for first, last, *_ in table[zone])}
        cases = [{"at": format_time(at), "story": story, "day": "2026-11-22"} for at in sorted(times)]
        told = await page.evaluate(SAY, {"zones": table, "cases": cases})
        for case, said in zip(cases, told, strict=True):
            at = case["at"]
            wanted = [
                local(at, zone)._asdict(),
                in_zones(at, story),
                full_time(at, story),
                near_time(at, case["day"], "2026", zone),
                this_year(parse_time(at), zone),
            ]
            assert said == wanted, f"{at} in {zone}"


async def test_the_browser_makes_the_headings_that_the_server_makes(site):
    page = await site.open("/")
    dice = random.Random(4)
    for zone in ("UTC", "America/New_York", "Pacific/Chatham"):
        lists = []
        for _ in range(300):
            posts = []
            hour = 24 * 40
            for n in range(dice.randrange(9)):
                hour -= dice.choice([0, 3, 20, 50])
                at = format_time(parse_time("2025-12-10T00:00:00Z") + hour * 3_600_000)
                wrong = format_time(parse_time(at) + dice.choice([-1, 1]) * dice.choice([1, 30]) * 3_600_000)
                known = [{"date_published": at}] * 6 + [{"date_published": wrong}, {"date_modified": wrong}, {}]
                post = {"id": f"p{n}", "sort_time": f"2026-11-22T10:00:{59 - n}.000Z", **dice.choice(known)}
                posts.insert(0 if dice.random() < 0.5 else n, post)
            lists.append(posts)
        table = zone_table({"time_zone": zone}, ["2025-12-01T00:00:00.000Z"], parse_time("2026-01-01T00:00:00Z"))
        told = await page.evaluate(HEAD, {"zones": table, "zone": zone, "lists": lists})
        for posts, said in zip(lists, told, strict=True):
            wanted = heading_days(posts, zone)
            assert {id: day for id, day, _ in said} == wanted, posts
            assert all(name == (day and day_name(day)) for _, day, name in said)


async def test_an_unknown_zone_is_shown_by_offset(site):
    page = await site.open("/")
    case = {"at": "2026-11-22T17:58:03.120Z", "story": {"time_zone": "Asia/Kolkata"}, "day": "2026-11-22"}
    said = (await page.evaluate(SAY, {"zones": {}, "cases": [case]}))[0]
    assert said[1] == ["23:28 UTC+5:30"]
