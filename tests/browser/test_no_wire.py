"""Browsers that lack WebSocket or EventSource, or forbid them: the other serves, or the page says that none does."""

from __future__ import annotations

from typing import Any

import pytest

from proxy import proxying

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

WAYS = {
    "undefined": "Object.defineProperty(window, '{name}', {{ value: undefined }});",
    "forbidden": "window.{name} = class {{ constructor() {{ throw new DOMException('no', 'SecurityError'); }} }};",
}


def without(how: str, *names: str) -> str:
    return "".join(WAYS[how].format(name=name) for name in names)


def faults(site: Any) -> list[str]:
    """What the page complains about, but for what Chromium says of a line that was cut."""
    return [said for said in site.said if "net::ERR" not in said and "WebSocket connection to" not in said]


async def opened(site: Any, script: str, address: str) -> Any:
    page = await site.open("/")
    await page.add_init_script(script)
    await page.goto(address)
    return page


@pytest.mark.parametrize("how", WAYS)
async def test_a_page_without_a_websocket_follows_over_sse(site, how):
    slug = await site.story()
    page = await opened(site, without(how, "WebSocket"), f"{site.address}/live/{slug}")
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    id = await site.post(slug, "Over SSE")
    await page.wait_for_selector(f"#post-{id}")
    assert await page.inner_text("#notice") == ""
    # It breaks, and comes back: each time the same way.
    for reader in site.readers(slug):
        reader.cut()
    later = await site.post(slug, "Again")
    await page.wait_for_selector(f"#post-{later}")
    assert faults(site) == []


async def test_without_a_websocket_what_breaks_sse_is_said_until_it_is_over(site):
    slug = await site.story()
    page = await site.open("/")
    await page.add_init_script(without("undefined", "WebSocket"))
    await page.route("**/events*", lambda route: route.abort())
    await page.goto(f"{site.address}/live/{slug}")
    await page.wait_for_selector("#notice.is-shown:has-text('Reconnecting… Last update ')")
    assert await page.evaluate("document.documentElement.dataset.line") == "lost"
    id = await site.post(slug, "Missed")
    await page.unroute("**/events*")
    await page.wait_for_selector(f"#post-{id}")
    await page.wait_for_selector("#notice:has-text('You are up to date again.')")


@pytest.mark.parametrize("how", WAYS)
async def test_a_page_without_eventsource_goes_on_trying_sockets(site, how):
    slug = await site.story()
    async with proxying(("127.0.0.1", site.settings.port)) as proxy:
        proxy.look = lambda way, data: None if b"Upgrade: websocket" in data else data
        script = without(how, "EventSource") + "Math.random = () => 0.1;"
        page = await opened(site, script, f"http://127.0.0.1:{proxy.port}/live/{slug}")
        await page.wait_for_selector("#notice.is-shown:has-text('Reconnecting… Last update ')", timeout=60_000)
        tried: list[Any] = []
        page.on("websocket", lambda socket: tried.append(socket))
        await site.until(lambda: len(tried) > 4)  # more than are tried before SSE
        proxy.look = lambda way, data: data
        await site.holds(page, "document.documentElement.dataset.line === 'open'")
    assert faults(site) == []


@pytest.mark.parametrize("how", WAYS)
async def test_a_page_with_neither_says_so_and_stays_readable(site, how):
    slug = await site.story()
    id = await site.post(slug, "Readable")
    page = await opened(site, without(how, "WebSocket", "EventSource"), f"{site.address}/live/{slug}")
    words = "This browser cannot follow the story live. Reload the page for the latest."
    await page.wait_for_selector(f"#notice.is-shown:has-text('{words}')")
    assert await page.evaluate("document.documentElement.dataset.line") == "unable"
    assert await page.is_visible(f"#post-{id}")
    await page.click("#sort a[data-sort=oldest]")
    await site.holds(page, "document.getElementById('story').dataset.sort === 'oldest'")
    later = await site.post(slug, "Later")
    await page.reload()
    await page.wait_for_selector(f"#post-{later}")
    assert site.said == []


async def test_the_dashboard_without_a_websocket_says_so(site):
    page = await opened(site, without("undefined", "WebSocket"), f"{site.address}/dashboard")
    await page.wait_for_selector("#line:has-text('Figures come over a WebSocket, and this browser opens none')")
    assert await page.inner_text("#health-words") == "This page cannot ask the server"
    assert site.said == []
