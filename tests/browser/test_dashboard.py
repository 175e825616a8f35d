"""The operations page: live numbers, and the truth when there are none."""

from __future__ import annotations

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
    await page.wait_for_selector("#line:has-text('Not connected')")
    assert await page.locator("#numbers.is-waiting").count() == 1
    await site.start()
    await page.wait_for_selector("#line.is-live")
    assert await page.locator("#numbers.is-waiting").count() == 0
