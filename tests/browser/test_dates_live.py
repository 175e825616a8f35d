"""An open page of an archive, of undated posts, of posts without headlines, over New Year: it ends like a fresh one."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

TEXT = "<p>The bridge is shut. A lorry hit a pillar.</p>"
OLD = [
    {"id": "u0", "headline": "Undated"},
    {"id": "m1", "content_html": TEXT, "date_modified": "2014-10-30T06:05:00Z", "is_key_event": True},
    {"id": "u1", "content_html": TEXT, "is_key_event": True},
    {"id": "m2", "headline": "Changed later than the one above", "date_modified": "2014-11-02T10:00:00Z"},
    {"id": "p1", "headline": "Published", "content_html": TEXT, "date_published": "2014-10-29T21:00:00Z"},
    {
        "id": "p2",
        "images": [{"url": "/assets/icon.svg"}],
        "date_published": "1987-07-01T12:00:00Z",
        "is_key_event": True,
    },
    {"id": "w1", "status": "withdrawn", "headline": "SECRET", "withdrawal_note": "No."},
]
ZONES = {"time_zone": "America/New_York", "display_time_zones": ["Europe/London"]}


async def imported(site, slug, rows):
    await site.desk.import_(slug, [orjson.dumps(row) for row in rows])


async def same(site, page, slug, said="", path=""):
    """The page shows what a fresh load does."""
    served = await site.served(page, path or f"/live/{slug}")
    if await site.normal(page) != served:  # it may still be fetching a table of zones
        await site.holds(page, "!document.querySelector('#story').textContent.includes('UTC-')")
    assert await site.normal(page) == served, said


async def test_what_is_imported_into_an_open_page_is_told_like_a_fresh_load(site):
    slug = await site.story(**ZONES)
    await site.post(slug, "Today")
    page = await site.reader(f"/live/{slug}")
    await imported(site, slug, OLD)
    await site.holds(page, "document.querySelectorAll('#posts article').length === 8")
    await same(site, page, slug, "import")
    headings = await page.locator("#posts .day-name").all_inner_texts()
    assert headings[1:] == ["Thursday 30 October 2014", "Wednesday 29 October 2014", "Wednesday 1 July 1987"]
    assert await page.locator("#post-p2 .when").inner_text() == "1 July 1987\n08:00\nEDT"
    desk, late = site.desk, []
    ended = {"coverage_start_time": "2014-10-29T20:00:00Z", "coverage_end_time": "2014-11-01T00:00:00Z"}
    for name, step in [
        ("edit", lambda: desk.edit(slug, "u1", {"body": "Dr. Lee says so. More."})),
        ("mark", lambda: desk.edit(slug, "p1", {"is_key_event": True})),
        ("unmark", lambda: desk.edit(slug, "m1", {"is_key_event": False})),
        ("mark again", lambda: desk.edit(slug, "m1", {"is_key_event": True})),
        ("correct", lambda: desk.correct(slug, "u0", "It was 12.")),
        (
            "out of order",
            lambda: desk.publish(
                slug,
                {"headline": "Late", "date_published": "2015-01-01T00:00:00Z", "sort_time": "2014-01-01T00:00:00Z"},
            ),
        ),
        ("in order", lambda: desk.delete(slug, late[0])),
        ("pin", lambda: desk.pin(slug, "p1")),
        ("withdraw", lambda: desk.withdraw(slug, "p1", "No.")),
        ("end", lambda: desk.edit_story(slug, {"status": "ended", **ended})),
    ]:
        done = await step()
        if name == "out of order":
            late.append(done.value["id"])
        await site.at(page, done.position)
        await same(site, page, slug, name)
        assert await page.locator("#posts .day-name").count() == (0 if name == "out of order" else 4), name
    await page.click("text=Oldest first")
    await same(site, page, slug, "oldest", f"/live/{slug}?sort=oldest")
    assert "Dr. Lee says so." in await page.locator("#keys").inner_text()
    assert site.said == []


async def test_a_permalink_is_titled_by_its_post(site):
    slug = await site.story()
    await imported(site, slug, [{"id": "k", "content_html": TEXT}])
    page = await site.reader(f"/live/{slug}/posts/k")
    assert await page.title() == "The bridge is shut. · The river rises"
    await site.at(page, (await site.desk.edit(slug, "k", {"body": "It is open again. So."})).position)
    assert await page.title() == "It is open again. · The river rises"
    await site.at(page, (await site.desk.withdraw(slug, "k", "No.")).position)
    assert await page.title() == "Withdrawn post · The river rises"
    assert site.said == []


async def test_a_post_without_a_headline_is_a_heading_for_those_who_listen(site):
    slug = await site.story()
    await imported(site, slug, [{"id": "k", "content_html": TEXT, "date_published": "2014-10-29T21:00:00Z"}])
    page = await site.reader(f"/live/{slug}")
    heading = page.get_by_role("heading", name="The bridge is shut.", level=3)
    assert await heading.count() == 1
    assert await page.get_by_role("article", name="The bridge is shut.").count() == 1
    box = await heading.bounding_box()
    assert box is not None
    assert box["width"] * box["height"] <= 1


async def test_an_open_page_says_the_year_from_new_year_on(site):
    slug = await site.story()
    await site.post(slug, "Old news")
    year = datetime.now(UTC).year
    page = await site.browser.new_page()
    await page.clock.install(time=datetime(year, 12, 31, 23, 59, 50, tzinfo=UTC))
    await page.goto(f"{site.address}/live/{slug}")
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    said = page.locator("#posts .when time")
    assert str(year) not in await said.inner_text()
    await page.clock.fast_forward(20_000)
    await site.holds(page, f"document.querySelector('#posts .when time').textContent.includes(' {year}, ')")


@pytest.mark.parametrize("width", [320, 390, 620, 1280])
async def test_a_date_with_its_year_breaks_no_layout(site, width):
    slug = await site.story()
    rows = [
        {"headline": "h", "content_html": TEXT, "date_modified": f"2014-09-{day}T21:00:00Z", "is_key_event": True}
        for day in (30, 29)
    ]
    await imported(site, slug, [*rows, {"headline": "Undated", "is_key_event": True}])
    page = await site.reader(f"/live/{slug}", width=width)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    for article in await page.locator("#posts article").all():
        when = await article.locator(".permalink").bounding_box()
        main = await article.locator(".main").bounding_box()
        assert when is not None
        assert main is not None
        beside = when["x"] + when["width"] <= main["x"]
        above = when["y"] + when["height"] <= main["y"]
        assert beside or above
        assert when["height"] < 110
