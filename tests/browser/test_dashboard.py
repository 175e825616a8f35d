"""The operations page: live numbers, and the truth when there are none."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)


async def test_numbers_are_live(site):
    slug = await site.story()
    readers = [await site.reader(f"/live/{slug}") for _ in range(2)]
    page = await site.open("/dashboard")
    await page.wait_for_selector("#line.is-live")
    await page.wait_for_selector(f"#stories a:has-text('{slug}')")
    await site.holds(page, "document.querySelector('[data-number=readers]').textContent === '2'")
    for n in range(3):
        await site.post(slug, f"Post {n}")
    cells = "[...document.querySelectorAll('#stories td')].map((cell) => cell.textContent).join()"
    await site.holds(page, f"{cells} === 'live,2,100 %,4,3'")
    await site.holds(page, "/\\d/.test(document.querySelector('[data-latency=painted] td').textContent)")
    assert await page.locator("#workers tr").count() == 1
    assert await page.locator(".spark polyline").count() == 4
    # A line has a scale, reaches from edge to edge, and shows a rate that lasts long enough to be read.
    assert (await page.locator("[data-top=readers]").inner_text()).startswith("0 to 2")
    points = await page.locator("[data-spark=readers] polyline").get_attribute("points")
    assert points.startswith("0,")
    assert points.split()[-1].startswith("119,")
    await site.holds(page, "Number(document.querySelector('[data-number=events_per_s]').textContent) > 0")
    await readers[0].close()
    await site.holds(page, "document.querySelector('[data-number=readers]').textContent === '1'")
    assert site.said == []


async def test_a_lost_line_is_told_and_found_again(site):
    page = await site.open("/dashboard")
    await page.wait_for_selector("#line.is-live")
    await site.stop()
    await page.wait_for_selector("#line:has-text('connecting again')")
    assert await words(page) == "This page lost the server"
    assert await page.title() == "This page lost the server · Operations · Stoppress"
    assert await page.locator("#numbers.is-waiting").count() == 1
    await site.start()
    await page.wait_for_selector("#line.is-live")
    assert await page.locator("#numbers.is-waiting").count() == 0
    assert await words(page) == "No readers are connected"
    assert await page.title() == "Operations · Stoppress"


async def words(page) -> str:
    return await page.inner_text("#health-words")


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_largest_words_are_whether_readers_are_reached(site, width):
    slug = await site.story()
    await site.reader(f"/live/{slug}")
    page = await site.open("/dashboard", width=width)
    await site.holds(page, "document.querySelector('#health-words').textContent === 'Readers are reached'")
    sizes = await page.evaluate(
        "[...document.querySelectorAll('main *')].filter((node) => [...node.childNodes].some((child) =>"
        " child.nodeType === 3 && child.textContent.trim())).map((node) =>"
        " [parseFloat(getComputedStyle(node).fontSize), node.id])"
    )
    assert max(sizes)[1] == "health-words"
    site.hub.stale(1_800_000_000_000)
    site.hub.counts.refuse("full")
    await site.holds(page, "document.querySelector('#health.is-bad') !== null")
    assert await words(page) == "The store has not been heard since 08:00:00 UTC: readers see the last state"
    await site.holds(page, "document.querySelector('#health-more').innerText === '1 reader refused in the last minute'")
    assert (await page.title()).startswith("The store has not been heard")
    assert "1 connection refused: 503" in await page.inner_text("#lately")
    # No wider than the screen, whatever is said.
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    site.hub.live()
    await site.holds(
        page, "document.querySelector('#health-words').textContent === '1 reader refused in the last minute'"
    )


async def test_a_server_that_only_holds_the_line_is_left_for_another(site):
    """The worker at its other end hangs; those who come now are with one that does not."""
    page = await site.open("/dashboard")
    await page.wait_for_selector("#line.is-live")
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))
    board = site.board
    board.next, told = (lambda: asyncio.sleep(60)), board.next
    await page.wait_for_selector("#line:has-text('connecting again')", timeout=10_000)
    await site.until(lambda: len(sockets) > 0)
    board.next = told
    await page.wait_for_selector("#line.is-live")
