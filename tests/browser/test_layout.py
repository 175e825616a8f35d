"""Where things stand: a new post is seen or pointed to, nothing moves sideways, rings are whole, right is left."""

from __future__ import annotations

from typing import Any

import pytest

from stoppress.web.format import direction

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

STREAM = "(({ left, right }) => [left, right])(document.getElementById('content').getBoundingClientRect())"
TOP = "document.querySelector('#post-{}').getBoundingClientRect().top"
LONG = "Line.\n\n" * 12
OVERTURE = {
    "description": "What is known of the water. " * 8,
    "summary_points": ["Two bridges are shut and the third is watched"] * 5,
}


async def test_the_stream_keeps_its_place_when_the_guide_appears(site):
    slug = await site.story()
    await site.post(slug, "First", body=LONG)
    page = await site.reader(f"/live/{slug}", width=1280)
    left, right = await page.evaluate(STREAM)
    assert right - left > 600
    head = await page.evaluate("document.querySelector('.title').getBoundingClientRect().left")
    assert left == head
    await site.post(slug, "Turning point", is_key_event=True)
    await page.wait_for_selector("#keys a")
    assert await page.evaluate(STREAM) == [left, right]
    edge = "document.querySelector('.guide').getBoundingClientRect().right"
    assert await page.evaluate(f"{edge} === document.querySelector('.story-head').getBoundingClientRect().right")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
async def test_a_post_that_arrives_out_of_sight_is_pointed_to(site, width, height):
    slug = await site.story(**OVERTURE)
    await site.post(slug, "Pinned", pin=True, body=LONG)
    for n in range(4):
        await site.post(slug, f"Post {n}", body=LONG)
    page = await site.reader(f"/live/{slug}", width=width, height=height)
    first = "document.querySelector('#posts article').getBoundingClientRect().top"
    if width == 1280:  # a low window, whose reader is at the top
        await page.set_viewport_size({"width": width, "height": int(await page.evaluate(first)) - 20})
    assert await page.evaluate(f"{first} > innerHeight")
    new = await site.post(slug, "New")
    pill = page.locator("#pill.points-down")
    await pill.wait_for()
    assert await pill.inner_text() == "1 new post"
    assert await page.locator(f"#post-{new}").count() == 1
    box = await pill.bounding_box()
    left, right = await page.evaluate(STREAM)
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - (left + right) / 2) < 2, "centred on the stream"
    assert 0 < box["y"] < await page.evaluate("innerHeight") - box["height"]
    await page.locator(f"#post-{new}").evaluate("(post) => post.scrollIntoView({ behavior: 'instant' })")
    await page.wait_for_selector("#pill", state="hidden")
    await page.wait_for_selector(f".slot.is-new #post-{new}")
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    newer = await site.post(slug, "Newer")
    await page.wait_for_selector("#pill.points-down")
    await pill.click()
    await site.holds(page, f"document.activeElement?.id === 'head-{newer}'")
    await page.wait_for_selector("#pill", state="hidden")


async def test_a_post_that_arrives_in_sight_needs_no_pill(site):
    slug = await site.story()
    await site.post(slug, "First")
    page = await site.reader(f"/live/{slug}")
    new = await site.post(slug, "New")
    await page.wait_for_selector(f".slot.is-new #post-{new}")
    assert not await page.locator("#pill").is_visible()


async def test_who_reads_the_first_post_is_not_pushed(site):
    slug = await site.story(**OVERTURE)
    for n in range(6):
        await site.post(slug, f"Post {n}", id=f"p{n}", body=LONG)
    page = await site.reader(f"/live/{slug}")
    await page.evaluate("scrollBy({ top: document.querySelector('#posts').getBoundingClientRect().top - 200 })")
    before = await page.evaluate(TOP.format("p5"))
    assert 0 < before < 450
    new = await site.post(slug, "New")
    await page.wait_for_selector("#pill:not([hidden]):not(.points-down)")
    assert await page.evaluate(TOP.format("p5")) == before
    assert await page.locator(f"#post-{new}").count() == 0
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    await page.wait_for_selector(f"#post-{new}")


async def test_a_withdrawn_post_is_not_counted_as_new_in_either_order(site):
    slug = await site.story(**OVERTURE)
    for n in range(12):
        await site.post(slug, f"Post {n}", body=LONG)
    pages = [await site.reader(f"/live/{slug}?sort={sort}") for sort in ("newest", "oldest")]
    for page in pages:
        await page.evaluate("scrollTo({ top: 1500, behavior: 'instant' })")
    for n in range(4):
        await site.post(slug, f"New {n}", id=f"n{n}")
    for page in pages:
        await page.wait_for_selector("#pill:has-text('4 new posts')")
    done = await site.desk.withdraw(slug, "n2", "It was wrong.")
    for page in pages:
        await site.at(page, done.position)
        assert await page.inner_text("#pill") == "3 new posts"
        assert await page.locator("#post-n2.is-withdrawn").count() == 1


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_ring_of_a_focused_key_event_is_whole(site, width):
    slug = await site.story()
    await site.post(slug, "Turning point", is_key_event=True)
    page = await site.reader(f"/live/{slug}", width=width)
    await page.keyboard.press("Tab")
    for _ in range(9):
        if await page.evaluate("document.activeElement.matches('.keys a')"):
            break
        await page.keyboard.press("Tab")
    cut: Any = await page.evaluate("""(() => {
      const link = document.activeElement, style = getComputedStyle(link), box = link.getBoundingClientRect();
      const room = link.closest(innerWidth < 960 ? ".keys" : ".guide").getBoundingClientRect();
      const out = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
      const { left, right, top } = room;
      return [style.outlineStyle, box.left - out >= left, box.right + out <= right, box.top - out >= top];
    })()""")
    assert cut == ["solid", True, True, True]


async def test_direction_follows_the_language(site):
    slug = await site.story(language="ar", headline="النهر يرتفع")
    await site.post(slug, "ارتفع الماء", body="كلمات.")
    await site.post(slug, "ارتفع الماء", body="كلمات.")
    page = await site.reader(f"/live/{slug}")
    assert await page.get_attribute("#story", "dir") == "rtl"
    place = """(() => {
      const stream = document.getElementById("content").getBoundingClientRect();
      const guide = document.querySelector(".title").getBoundingClientRect();
      const range = document.createRange();
      const text = document.getElementById("count").firstChild;
      const left = (n) => (range.setStart(text, n), range.setEnd(text, n + 1), range.getBoundingClientRect().left);
      return [stream.right === guide.right, left(0) < left(2)];
    })()"""
    assert await page.evaluate(place) == [True, True], "flush right; the number stands before 'posts'"
    day = """(() => {
      const range = document.createRange();
      range.selectNodeContents(document.querySelector(".day-name"));
      return document.getElementById("content").getBoundingClientRect().right - range.getBoundingClientRect().right;
    })()"""
    assert await page.evaluate(day) < 2
    done = await site.desk.edit_story(slug, {"language": "en"})
    await site.at(page, done.position)
    assert await page.get_attribute("#story", "dir") == "ltr"
    tags = ["ar", "he-IL", "fa", "ur-Latn", "az-Arab", "en-GB", "ks-Deva", "zh-Hant-HK", ""]
    script = "async (tags) => { const { direction } = await import('/assets/times.js'); return tags.map(direction); }"
    assert await page.evaluate(script, tags) == [direction(tag) for tag in tags]
    assert [direction(tag) for tag in tags[:5]] == ["rtl", "rtl", "rtl", "ltr", "rtl"]


async def test_every_article_has_a_name(site):
    slug = await site.story()
    await site.post(slug, "Kept", pin=True)
    await site.post(slug, "Wrong", id="w")
    await site.desk.withdraw(slug, "w", "It was wrong.")
    page = await site.reader(f"/live/{slug}")
    names = """[...document.querySelectorAll("article")].map((one) => one.getAttribute("aria-label")
      ?? document.getElementById(one.getAttribute("aria-labelledby"))?.textContent)"""
    pinned, withdrawn, kept = await page.evaluate(names)
    assert pinned == kept == "Kept"
    assert withdrawn.startswith("Withdrawn post, ")


async def test_print_holds_the_story_and_its_address_once(site):
    slug = await site.story(**OVERTURE)
    await site.post(slug, "Pinned", pin=True, body=LONG)
    page = await site.reader(f"/live/{slug}")
    await page.emulate_media(media="print")
    for hidden in ("#pinned", ".to-latest", "#keys", "#sort", "#pill"):
        assert not await page.locator(hidden).is_visible(), hidden
    assert await page.locator("#points").is_visible()
    assert await page.inner_text("#address") == f"{site.address}/live/{slug}"
    assert await page.evaluate("getComputedStyle(document.querySelector('.permalink'), '::after').content") == "none"


WIDE = "".join(f"<th>Constituency {n}</th>" for n in range(12))


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_wide_table_scrolls_in_its_post_and_a_list_shows_its_year(site, width):
    slug = await site.story()
    html = f'<table><tr>{WIDE}</tr></table><ol start="1984"><li>It was cold.</li></ol><pre>{"x" * 300}</pre>'
    id = await site.post(slug, "Wide", body="", content_html=html)
    page = await site.reader(f"/live/{slug}", width=width)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    table = f"document.querySelector('#post-{id} table')"
    assert await page.evaluate(f"{table}.scrollWidth > {table}.clientWidth")
    # A number outside of the text would begin left of the screen of a phone.
    assert (
        await page.evaluate(f"getComputedStyle(document.querySelector('#post-{id} ol')).listStylePosition") == "inside"
    )
