"""An open page, changed by every operation there is, without a reload: it ends like a page that was just loaded."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

IMAGE = {
    "url": "/assets/icon.svg",
    "alt": "A page",
    "caption": "The page, <b>drawn</b>.",
    "credit_text": "Stoppress",
    "width": 320,
    "height": 320,
}
OTHER = {"url": "/assets/icon.svg?again", "alt": "The same"}
ADA = {"name": "Ada Byron", "url": "https://example.org/ada", "job_title": "Data editor"}
BO = {"name": "Bo Diaz"}
STORY = {
    "description": "Water, hour by hour.",
    "summary_points": ["Two bridges are shut", "Schools stay open"],
    "authors": [ADA, BO],
    "time_zone": "America/New_York",
    "display_time_zones": ["Europe/London", "Asia/Hong_Kong", "Asia/Kathmandu"],
}
ZONES = {"time_zone": "Australia/Lord_Howe", "display_time_zones": ["UTC"]}
BODY = """The river *rose* by **40 cm**.

- one [link](https://example.org/a?b=1&c=2)
- two

> Quoted.

## A heading

`code` and <b>raw</b>
"""


def steps(site: Any, slug: str) -> list[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Every operation of the newsroom, one after another, in an order in which each changes something."""
    desk = site.desk
    full = {
        "id": "full",
        "headline": "Water over the quay & “into” the market",
        "body": BODY,
        "byline": "From Ada Byron in Marston",
        "authors": [ADA, BO],
        "contributors": [ADA, {"name": "Cy"}, {"name": "Di"}],
        "credit_note": "Reporting by Ada Byron.",
        "dateline": "MARSTON",
        "images": [IMAGE, OTHER],
        "is_key_event": True,
        "is_breaking": True,
        "keywords": ["flood"],
    }
    old = "2026-03-08T06:59:00Z"  # the minute before New York's clocks go forward
    return [
        ("first post", lambda: desk.publish(slug, {"id": "plain", "headline": "Plain", "body": "Text."})),
        ("full post", lambda: desk.publish(slug, full)),
        ("dated post", lambda: desk.publish(slug, {"id": "old", "headline": "Old", "body": "x", "sort_time": old})),
        (
            "own time",
            lambda: desk.publish(
                slug, {"id": "own", "headline": "Own", "body": "x", "date_published": old, "pin": True}
            ),
        ),
        (
            "edit",
            lambda: desk.edit(slug, "plain", {"headline": "Plainer", "body": "More.", "change_note": "More."}),
        ),
        ("minor edit", lambda: desk.edit(slug, "plain", {"body": "More text.", "minor": True})),
        ("edit pictures", lambda: desk.edit(slug, "full", {"images": [OTHER], "body": BODY + "\n\nEnd."})),
        ("revert", lambda: desk.revert(slug, "full", 1)),
        ("unmark", lambda: desk.edit(slug, "full", {"is_key_event": False, "is_breaking": False})),
        ("mark", lambda: desk.edit(slug, "full", {"is_key_event": True, "is_breaking": True, "is_summary": True})),
        ("correct", lambda: desk.correct(slug, "plain", "It said less.\nIt was wrong.")),
        ("clarify", lambda: desk.correct(slug, "plain", "It meant the river.", "clarification")),
        ("pin", lambda: desk.pin(slug, "full")),
        ("edit the pinned", lambda: desk.edit(slug, "full", {"body": "Short now.", "images": []})),
        ("withdraw the pinned", lambda: desk.withdraw(slug, "full", "We were wrong.")),
        ("restore the pinned", lambda: desk.restore(slug, "full")),
        ("pin another", lambda: desk.pin(slug, "old")),
        ("delete the pinned", lambda: desk.delete(slug, "old")),
        ("restore the deleted", lambda: desk.restore(slug, "old")),
        ("withdraw without a note", lambda: desk.withdraw(slug, "own", "")),
        ("key event", lambda: desk.edit(slug, "plain", {"is_key_event": True})),
        ("delete the key event", lambda: desk.delete(slug, "full")),
        ("pin again", lambda: desk.pin(slug, "plain")),
        ("unpin", lambda: desk.unpin(slug)),
        ("purge", lambda: desk.delete(slug, "own", purge=True)),
        (
            "story edit",
            lambda: desk.edit_story(slug, {"headline": "It falls", "description": "", "authors": []}),
        ),
        ("story points", lambda: desk.edit_story(slug, {"summary_points": ["One"], "lead_image": IMAGE})),
        (
            "story zone",
            lambda: desk.edit_story(slug, ZONES),
        ),
        ("story language", lambda: desk.edit_story(slug, {"language": "ar", "headline": "النهر يرتفع"})),
        ("end", lambda: desk.edit_story(slug, {"status": "ended"})),
        ("correct after the end", lambda: desk.correct(slug, "old", "The year.", "retraction")),
        ("reopen", lambda: desk.edit_story(slug, {"status": "live"})),
        ("last post", lambda: desk.publish(slug, {"id": "last", "headline": "Last", "body": "x"})),
    ]


async def test_every_operation_leaves_the_page_as_a_fresh_load_has_it(site):
    slug = await site.story(**STORY)
    newest = await site.reader(f"/live/{slug}")
    oldest = await site.reader(f"/live/{slug}?sort=oldest")
    flipped = await site.reader(f"/live/{slug}")
    await flipped.click("text=Oldest first")
    for page in (newest, oldest, flipped):
        await page.evaluate("window.untouched = true")
    for name, step in steps(site, slug):
        done = await step()
        assert done.created, name
        for page, sort in ((newest, "newest"), (oldest, "oldest")):
            await site.at(page, done.position)
            if name == "story zone":  # the page fetches the table of the new zone
                await site.holds(page, "document.querySelector('.zone').textContent.startsWith('UTC+')")
            served = await site.served(page, f"/live/{slug}?sort={sort}")
            assert await site.normal(page) == served, f"{name}, {sort}"
            if name in ("correct", "purge", "last post"):
                fresh = await site.reader(f"/live/{slug}?sort={sort}")
                assert await site.normal(fresh) == served, f"{name}, {sort}, loaded"
                await fresh.close()
        await site.at(flipped, done.position)
        if name != "story zone":
            assert await site.normal(flipped) == await site.normal(oldest), f"{name}, flipped"
    for page in (newest, oldest, flipped):
        assert await page.evaluate("window.untouched"), "the page was loaded again"
    assert site.said == []


async def test_deleted_story_says_so(site):
    slug = await site.story()
    await site.post(slug)
    page = await site.reader(f"/live/{slug}")
    await site.desk.delete_story(slug)
    await page.wait_for_selector("#notice.is-shown:has-text('removed')")
    assert await page.locator("article").count() == 0


async def test_latency_from_publish_to_the_second_frame(site, measured):
    slug = await site.story()
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("window.told = []; addEventListener('stoppress:painted', ({ detail }) => told.push(detail))")
    for n in range(50):
        await site.post(slug, f"Post {n}")
        await site.holds(page, f"told.length > {n}")
    told = await page.evaluate("window.told.map((one) => one.painted_ms - Date.parse(one.at))")
    median = statistics.median(told)
    measured(f"event to paint: median {median:.0f} ms of {len(told)}, slowest {max(told):.0f} ms")
    assert median < 1_000


@pytest.mark.parametrize("width", [390, 1280])
async def test_reading_position_never_jumps_and_new_posts_wait(site, width):
    slug = await site.story(**STORY)
    for n in range(20):
        await site.post(slug, f"Post {n}", id=f"p{n}", body="Line.\n\n" * 6, is_key_event=n % 5 == 0)
    page = await site.reader(f"/live/{slug}", width=width)
    await page.evaluate(
        "document.querySelector('#post-p10 .body p:nth-child(3)').scrollIntoView({ behavior: 'instant' })"
    )
    top = "document.querySelector('#post-p10 .body p:nth-child(3)').getBoundingClientRect().top"
    before = await page.evaluate(top)

    async def stays(done: Any) -> None:
        await site.at(page, done.position)
        assert abs(await page.evaluate(top) - before) < 1.5

    await stays(await site.desk.edit(slug, "p15", {"body": "Much longer.\n\n" * 30, "change_note": "Longer."}))
    await stays(await site.desk.delete(slug, "p14"))
    await stays(await site.desk.withdraw(slug, "p13", "Wrong."))
    await stays(await site.desk.edit(slug, "p10", {"images": [IMAGE], "byline": "The post that is being read"}))
    await stays(await site.desk.edit_story(slug, {"description": "A long description. " * 20, "summary_points": ["x"]}))
    await stays(await site.desk.pin(slug, "p15"))
    await stays(await site.desk.unpin(slug))
    await stays(await site.desk.publish(slug, {"id": "n1", "headline": "New one", "is_key_event": True}))
    await stays(await site.desk.publish(slug, {"id": "n2", "headline": "New two", "body": "x", "pin": True}))
    pill = page.locator("#pill")
    assert await pill.inner_text() == "2 new posts"
    assert (await page.title()).startswith("(2) ")
    assert await page.locator("#post-n1").count() == 0
    await stays(await site.desk.delete(slug, "n1"))
    assert await pill.inner_text() == "1 new post"
    await pill.click()
    await page.wait_for_selector("#post-n2")
    await site.holds(page, "document.activeElement?.id === 'head-n2'")
    assert not await pill.is_visible()
    assert not (await page.title()).startswith("(")
    fresh = await site.open(f"/live/{slug}")
    assert await site.normal(page) == await site.normal(fresh)


async def test_a_long_post_that_is_withdrawn_while_read_leaves_its_note_in_view(site):
    slug = await site.story()
    for n in range(4):
        await site.post(slug, f"Post {n}", id=f"p{n}", body="Line.\n\n" * 80)
    page = await site.reader(f"/live/{slug}")
    await page.evaluate(
        "document.querySelector('#post-p1 .body p:nth-child(50)').scrollIntoView({ behavior: 'instant' })"
    )
    done = await site.desk.withdraw(slug, "p1", "It was wrong.")
    await site.at(page, done.position)
    box = await page.locator("#post-p1").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


async def test_scrolling_to_the_top_reveals(site):
    slug = await site.story()
    for n in range(12):
        await site.post(slug, f"Post {n}", body="Line.\n\n" * 6)
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("scrollTo({ top: 1500, behavior: 'instant' })")
    new = await site.post(slug, "New")
    await page.wait_for_selector("#pill:not([hidden])")
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    await page.wait_for_selector(f"#post-{new}")
    assert not await page.locator("#pill").is_visible()


async def test_resumes_after_the_line_was_lost(site):
    slug = await site.story()
    await site.post(slug, "Before")
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("window.told = []; addEventListener('stoppress:painted', ({ detail }) => told.push(detail))")
    await page.context.set_offline(True)
    # Offline emulation leaves open sockets alone: the server hangs up instead.
    for reader in list(site.readers(slug)):
        reader.cut()
    await page.wait_for_selector("#notice.is-shown")
    assert "Last update" in await page.inner_text("#notice")
    await site.post(slug, "Missed one")
    done = await site.desk.publish(slug, {"headline": "Missed two", "body": "x"})
    await page.context.set_offline(False)
    await site.at(page, done.position)
    await site.holds(page, "told.length === 2")
    assert [one["type"] for one in await page.evaluate("told")] == ["post.published", "post.published"]
    fresh = await site.open(f"/live/{slug}")
    assert await site.normal(page) == await site.normal(fresh)


async def test_a_restarted_server_is_found_again(site):
    slug = await site.story()
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("window.untouched = true")
    await site.stop()
    await site.holds(page, "document.documentElement.dataset.line === 'lost'")
    done = await site.desk.publish(slug, {"id": "meanwhile", "headline": "Meanwhile", "body": "x"})
    await site.start()
    await site.at(page, done.position)
    await page.wait_for_selector("#post-meanwhile")
    assert await page.evaluate("window.untouched")


async def test_a_hub_that_lost_its_store_says_so(site):
    slug = await site.story()
    page = await site.reader(f"/live/{slug}")
    site.hub.stale(1_790_000_000_000)
    await page.wait_for_selector("#notice.is-shown:has-text('delayed')")
    site.hub.live()
    await page.wait_for_selector("#notice.is-shown:has-text('up to date')")


async def test_oldest_first_grows_below_and_points_down(site):
    slug = await site.story(default_sort="oldest")
    for n in range(12):
        await site.post(slug, f"Post {n}", body="Line.\n\n" * 6)
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("scrollTo({ top: 900, behavior: 'instant' })")
    new = await site.post(slug, "New")
    await page.wait_for_selector(f"#post-{new}")
    assert await page.evaluate("scrollY") == 900
    pill = page.locator("#pill.points-down")
    await pill.click()
    await site.holds(page, f"document.activeElement?.id === 'head-{new}'")
    await page.wait_for_selector("#pill", state="hidden")


async def test_a_key_event_behind_the_pill_is_shown_when_asked_for(site):
    slug = await site.story()
    for n in range(12):
        await site.post(slug, f"Post {n}", body="Line.\n\n" * 6)
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("scrollTo({ top: 900, behavior: 'instant' })")
    await site.post(slug, "Turning point", id="turn", is_key_event=True)
    await page.wait_for_selector("#pill:not([hidden])")
    await page.click("#keys a")
    await site.holds(page, "document.activeElement?.id === 'head-turn'")
    assert page.url.endswith(f"/live/{slug}#post-turn")


async def test_the_page_is_whole_without_a_script(site):
    slug = await site.story(**STORY)
    done = None
    for _, step in steps(site, slug)[:12]:
        done = await step()
    assert done is not None
    page = await site.open(f"/live/{slug}", java_script_enabled=False)
    assert await page.locator("article[id]").count() == 4
    assert await page.locator(".no-script").is_visible()
    await page.click("text=Oldest first")
    assert await page.locator("#posts article").first.get_attribute("id") == "post-old"
    await page.click("#post-full .permalink")
    assert page.url.endswith("/posts/full")
    assert await page.locator("#post-full.is-focus").is_visible()


async def test_falls_back_to_server_sent_events(site):
    slug = await site.story()
    page = await site.browser.new_page()
    # A proxy that kills WebSockets, as some offices have.
    await page.add_init_script("""
      window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 1); } close() {} };
      Math.random = () => 0.01;
    """)
    await page.goto(f"{site.address}/live/{slug}")
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    new = await site.post(slug, "By SSE")
    await page.wait_for_selector(f"#post-{new}")


@pytest.mark.parametrize(
    ("code", "line"), [(4404, "missing"), (4410, "gone"), (4403, "refused"), (4499, "refused"), (4399, "lost")]
)
async def test_a_close_code_says_whether_to_come_back_known_or_not(site, code, line):
    slug = await site.story()
    page = await site.browser.new_page()
    await page.add_init_script(
        """
      window.opened = 0;
      window.EventSource = class { constructor() { opened += 1; } addEventListener() {} close() {} };
      window.WebSocket = class {
        constructor() { opened += 1; setTimeout(() => this.onclose({ code: CODE }), 1); }
        close() {}
      };
      Math.random = () => 0.01;
    """.replace("CODE", str(code))
    )
    await page.goto(f"{site.address}/live/{slug}")
    await site.holds(page, f"document.documentElement.dataset.line === '{line}'")
    if line == "lost":
        await site.holds(page, "opened > 2")
    else:
        await page.wait_for_function("document.getElementById('notice').textContent !== ''")
        assert await page.evaluate("opened") == 1


async def test_permalink_marks_the_post_and_older_pages_stay_true(site):
    slug = await site.story()
    for n in range(60):
        await site.post(slug, f"Post {n}", id=f"p{n}")
    page = await site.reader(f"/live/{slug}/posts/p55")
    assert await page.locator("#post-p55.is-focus").count() == 1
    older = await site.reader(f"/live/{slug}?before=p30")
    assert await older.locator("#post-p29").count() == 1
    await site.desk.withdraw(slug, "p20", "Wrong.")
    await site.desk.edit(slug, "p50", {"headline": "Not here"})
    done = await site.desk.publish(slug, {"id": "new", "headline": "New", "body": "x"})
    await site.at(older, done.position)
    await older.wait_for_selector("#post-p20.is-withdrawn")
    assert await older.locator("#post-new, #post-p50").count() == 0
    assert await older.locator("#pill").inner_text() == "1 new post"
    fresh = await site.open(f"/live/{slug}?before=p30")
    assert await site.normal(older) == await site.normal(fresh)


async def test_a_snapshot_leaves_older_posts_in_the_page(site):
    slug = await site.story()
    for n in range(45):
        await site.post(slug, f"Post {n}", id=f"p{n}")
    page = await site.reader(f"/live/{slug}")
    for n in range(45, 60):
        await site.post(slug, f"Post {n}", id=f"p{n}")
    await site.holds(page, "document.querySelectorAll('#posts article').length === 60")
    await page.evaluate("document.getElementById('post-p3').scrollIntoView({ behavior: 'instant' })")
    top = "document.getElementById('post-p3').getBoundingClientRect().top"
    before = await page.evaluate(top)
    # An import reaches readers as one snapshot, of 50 posts.
    line = orjson.dumps({"id": "late", "headline": "Late", "body": "x", "sort_time": "2199-01-01T00:00:00Z"})
    await site.desk.import_(slug, [line])
    await page.wait_for_selector("#pill:has-text('1 new post')")
    assert await page.locator("#posts article").count() == 60
    assert abs(await page.evaluate(top) - before) < 1.5
    done = await site.desk.withdraw(slug, "p2", "Wrong.")
    await site.at(page, done.position)
    assert await page.locator("#post-p2.is-withdrawn").count() == 1


async def test_seen_is_told_and_counted(site, until):
    slug = await site.story()
    page = await site.reader(f"/live/{slug}")
    await site.post(slug)
    await site.holds(page, "performance.getEntriesByName('stoppress:painted:2').length === 1")
    await until(lambda: site.counts.seen == 1)
    await asyncio.gather(*(site.post(slug, f"Burst {n}") for n in range(30)))
    await site.holds(page, "document.querySelectorAll('article').length === 31")
    assert site.counts.rude == 0
