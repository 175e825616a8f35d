"""A page that missed something: it finds out, catches up to the depth it holds, and says how things are meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from itertools import pairwise
from typing import Any

import pytest
from imported import line, minutes

from proxy import Proxy, proxying
from stoppress.web import pages

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

SILENCE_S = 6.0
# What the notice said, and at which position the page stood then.
TOLD = """window.told = [];
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    const notice = document.getElementById("notice");
    told.push([notice.textContent, Number(document.getElementById("story").dataset.seq)]);
  }).observe(document.getElementById("notice"), { childList: true, characterData: true, subtree: true }));"""


@pytest.fixture
def settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Beats every second, and pages that believe six seconds of silence: the same code, less waiting."""
    monkeypatch.setattr(pages, "BEAT_LATE_S", 0.25)
    monkeypatch.setattr(pages, "ON_THE_WAY_S", SILENCE_S - 2.5)
    return dataclasses.replace(settings, beat_s=1.0)


def to(site: Any) -> tuple[str, int]:
    return "127.0.0.1", site.settings.port


def no_websockets(proxy: Proxy) -> None:
    """As some offices have it."""
    proxy.look = lambda way, data: None if b"Upgrade: websocket" in data else data


@pytest.mark.parametrize("transport", ["WebSocket", "SSE"])
async def test_a_swallowed_stream_is_noticed_and_made_up_for(site, transport, measured):
    slug = await site.story()
    async with proxying(to(site)) as proxy:
        if transport == "SSE":
            no_websockets(proxy)
        page = await site.browser.new_page()
        await page.add_init_script(TOLD)
        await page.goto(f"http://127.0.0.1:{proxy.port}/live/{slug}")
        await site.holds(page, "document.documentElement.dataset.line === 'open'")
        joined = site.counts.connects
        # Silence that is none: beats are heard, and nobody reconnects.
        quiet_until = time.monotonic() + 2 * SILENCE_S
        await site.until(lambda: time.monotonic() > quiet_until)
        assert site.counts.connects == joined
        await page.evaluate("told.length = 0")

        proxy.lose_next = 1  # and the first attempt to come back is swallowed too
        proxy.lose()
        began = time.monotonic()
        done = await site.desk.publish(slug, {"id": "missed", "headline": "Missed", "body": "x"})
        seq = int(done.position.split(":")[1])

        await page.wait_for_selector("#post-missed", timeout=60_000)
        took = time.monotonic() - began
        measured(f"a swallowed {transport}, {SILENCE_S:.0f} s believed: the missed post is shown after {took:.1f} s")
        await site.holds(page, "told.some(([words]) => words.includes('up to date'))")
        told = await page.evaluate("told")
        assert told[0][0].startswith("Reconnecting… Last update ")
        assert [at for words, at in told if "up to date" in words] == [seq]
        assert proxy.lose_next == 0


async def test_what_cannot_be_read_again_is_said_and_tried_ever_less_often(site):
    slug = await site.story()
    await site.desk.import_(slug, [line(f"b{n}", minutes(n)) for n in reversed(range(60))])
    page = await site.open("/")
    await page.add_init_script(TOLD + "Math.random = () => 0.5;")
    await page.goto(f"{site.address}/live/{slug}")
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    done = await site.desk.publish(slug, {"id": "live", "headline": "Live", "body": "x"})
    await site.at(page, done.position)
    asked: list[float] = []

    async def refuse(route: Any) -> None:
        asked.append(time.monotonic())
        await route.fulfill(status=400, body="{}")

    await page.route("**/snapshot?*", refuse)
    await site.desk.import_(slug, [line("late", minutes(80))])
    await site.until(lambda: len(asked) == 5)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert all(gap >= least - 0.05 for gap, least in zip(gaps, (0.5, 1, 2, 2), strict=True)), gaps
    assert await page.evaluate("document.documentElement.dataset.line") != "open"
    words = await page.inner_text("#notice")
    assert words.startswith("What is new cannot be loaded just now; trying again. Last update ")

    await page.unroute("**/snapshot?*")
    await page.wait_for_selector("#notice:has-text('You are up to date again.')")
    assert await page.evaluate("told.at(-1)[1]") == site.hub.feeds[slug].seq
    assert len(await page.evaluate("[...document.querySelectorAll('#posts article')]")) == 52
    assert await page.evaluate("told.filter(([words]) => words.includes('up to date')).length") == 1


async def test_a_fault_of_the_page_itself_is_made_up_for_or_said(site):
    slug = await site.story()
    page = await site.open("/")
    # Browsers of 2022: an event that is folded by a method that they lack must not leave a page that only looks live.
    await page.add_init_script(
        "for (const name of ['toSpliced', 'with', 'toReversed', 'toSorted']) delete Array.prototype[name];"
    )
    await page.goto(f"{site.address}/live/{slug}")
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    first = await site.post(slug, "First")
    await page.wait_for_selector(f"#post-{first}")
    assert site.said == []
    await page.evaluate("""(() => {
      const insert = Node.prototype.insertBefore;
      window.faults = 1;
      Node.prototype.insertBefore = function (...nodes) {
        if (window.faults > 0 && (window.faults -= 1) >= 0) throw new Error("a fault of ours");
        return insert.apply(this, nodes);
      };
    })()""")
    second = await site.post(slug, "Second")
    await page.wait_for_selector(f"#post-{second}")
    await page.evaluate("window.faults = 1e9")
    third = await site.post(slug, "Third")
    await page.wait_for_selector("#notice:has-text('This page cannot show what is new. Reload it for the latest.')")
    assert await page.evaluate("document.documentElement.dataset.line") == "lost"
    await page.evaluate("window.faults = 0")
    await page.wait_for_selector(f"#post-{third}", timeout=60_000)
    await page.wait_for_selector("#notice:has-text('You are up to date again.')")
    assert await site.normal(page) == await site.served(page, f"/live/{slug}")
    assert set(site.said) == {"error: a fault of ours"}


async def test_a_line_that_opens_and_dies_at_once_is_tried_ever_less_often(site):
    slug = await site.story()
    page = await site.open("/")
    await page.add_init_script("Math.random = () => 0.5;")
    opened: list[float] = []
    page.on("websocket", lambda _: opened.append(time.monotonic()))
    await page.goto(f"{site.address}/live/{slug}")

    async def cut() -> bool:
        for reader in list(site.readers(slug)):
            reader.cut()
        return len(opened) == 4

    await site.until(cut)
    gaps = [later - earlier for earlier, later in pairwise(opened)]
    assert all(gap >= least - 0.05 for gap, least in zip(gaps, (0.5, 1, 2), strict=True)), gaps


async def test_up_to_date_is_said_when_it_is_true_and_not_at_hello(site):
    slug = await site.story()
    await site.desk.import_(slug, [line(f"b{n}", minutes(n)) for n in reversed(range(60))])
    window = await site.open("/")
    await window.add_init_script(TOLD)
    await window.goto(f"{site.address}/live/{slug}?before=b40")
    await site.holds(window, "document.documentElement.dataset.line === 'open'")
    site.hub.stale(1_790_000_000_000)
    await window.wait_for_selector("#notice.is-shown:has-text('delayed')")
    assert await window.evaluate("document.documentElement.hasAttribute('data-stale')")
    # The next server hears its store, and says so first; what came meanwhile is still to be read.
    release = asyncio.Event()

    async def later(route: Any) -> None:
        await release.wait()
        await route.continue_()

    await window.route(f"**/live/{slug}?before=b40", later)
    for reader in site.readers(slug):
        reader.cut()
    site.hub.live()
    await site.desk.import_(slug, [line("late", minutes(80))])
    await site.holds(window, "document.documentElement.dataset.line === 'behind'")
    await window.wait_for_selector("#notice.is-shown:has-text('Loading what is new')")
    assert not await window.evaluate("told.some(([words]) => words.includes('up to date'))")
    release.set()
    await window.wait_for_selector("#notice:has-text('You are up to date again.')")
    assert await window.evaluate("told.at(-1)[1]") == site.hub.feeds[slug].seq


async def test_a_removed_story_is_not_asked_for_again_over_sse(site):
    slug = await site.story()
    async with proxying(to(site)) as proxy:
        no_websockets(proxy)
        page = await site.browser.new_page()
        await page.goto(f"http://127.0.0.1:{proxy.port}/live/{slug}")
        await site.holds(page, "document.documentElement.dataset.line === 'open'")
        await site.desk.delete_story(slug)
        await site.holds(page, "document.documentElement.dataset.line === 'gone'")
        assert await page.inner_text("#notice") == "This story has been removed."


async def test_the_dashboard_notices_a_swallowed_line(site):
    async with proxying(to(site)) as proxy:
        page = await site.browser.new_page()
        await page.goto(f"http://127.0.0.1:{proxy.port}/dashboard")
        await page.wait_for_selector("#line.is-live")
        proxy.lose_next = 1
        proxy.lose()
        await page.wait_for_selector("#health-words:has-text('This page lost the server')")
        await page.wait_for_selector("#line.is-live", timeout=60_000)
        assert proxy.lose_next == 0
