"""An import into a story that is being read: every page catches up to the depth it holds, and no line moves."""

from __future__ import annotations

from typing import Any

import pytest
from imported import line, minutes
from playwright.async_api import Page

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

HELD = "[...document.querySelectorAll('#posts article')].map((one) => one.dataset.id)"
# The first text on the screen, be it only its last line, as a selector, and where it is.
FIRST_LINE = """(() => {
  for (const node of document.querySelectorAll("#posts .headline, #posts .body > p")) {
    const { top, bottom } = node.getBoundingClientRect();
    if (bottom <= 0) continue;
    const nth = [...node.parentNode.children].indexOf(node) + 1;
    return [`#${node.closest("article").id} ${node.matches("p") ? `.body > p:nth-child(${nth})` : ".headline"}`, top];
  }
})()"""
TOP_OF = "(line) => document.querySelector(line).getBoundingClientRect().top"
SCROLL = "(share) => scrollTo({ top: share * document.documentElement.scrollHeight, behavior: 'instant' })"
# Every article as it stands in the page, and as the server draws it on the pages of the story.
BARE = """const bare = (one) => one.outerHTML.replace(/ (loading|tabindex)="[^"]*"/g, "");"""
ARTICLES = f"""(() => {{
  {BARE}
  return [...document.querySelectorAll("#posts article:not(.is-focus)")].map(bare);
}})()"""
SERVED = f"""async ([story, listed]) => {{
  {BARE}
  const drawn = new Map();
  for (let before = ""; drawn.size < listed; before = `&before=${{[...drawn.keys()].at(-1)}}`) {{
    const text = await (await fetch(`${{story}}?sort=newest${{before}}`)).text();
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const one of page.querySelectorAll("#posts article")) drawn.set(one.dataset.id, bare(one));
  }}
  return Object.fromEntries(drawn);
}}"""


async def held_by(page: Page) -> list[str]:
    """Ids, newest first."""
    ids: list[str] = await page.evaluate(HELD)
    return ids[::-1] if "sort=oldest" in page.url else ids


async def long_open(site: Any, slug: str, address: str, count: int) -> list[Page]:
    """Pages that were open while 130 posts came, and hold 180: more than one step of the server."""
    pages = [await site.reader(address if n else f"{address}?sort=oldest") for n in range(count)]
    # The posts come at once, for this many pages that paint each of them share two cores.
    for page in pages:
        await page.context.set_offline(True)
    for reader in site.readers(slug):
        reader.cut()
    for n in range(130):
        done = await site.post(slug, f"Live {n}", id=f"l{n}", body="x\n\n" * 4)
    assert done == "l129"
    for page in pages:
        await page.context.set_offline(False)
        await site.at(page, str(site.hub.feeds[slug].position))
        assert len(await held_by(page)) == 180
    return pages


async def test_ten_pages_at_ten_depths(site):
    slug = await site.story()
    story = f"/live/{slug}"
    await site.desk.import_(slug, [line(f"b{n}", minutes(n)) for n in reversed(range(170))])
    live = await long_open(site, slug, story, 6)
    windows = [await site.reader(story + path) for path in ("?before=b150", "?before=b70", "/posts/b20", "/posts/b150")]
    everyone = [*live, *windows]
    connections: list[list[Any]] = [[] for _ in everyone]
    for n, page in enumerate(everyone):
        if page is not windows[-1]:  # that one stays where it landed, and posts come right above
            await page.evaluate(SCROLL, 0.07 + 0.09 * n)
        page.on("websocket", lambda socket, n=n: connections[n].append(socket))
    held = [await held_by(page) for page in everyone]
    lines = [await page.evaluate(FIRST_LINE) for page in everyone]
    site.said.clear()

    # 80 newer than all, 60 among what pages hold, 60 further down.
    newer = [line(f"n{n}", minutes(90_000_000 + n)) for n in reversed(range(80))]
    among = [line(f"m{n}", minutes(n + 0.5)) for n in reversed(range(50, 170, 2))]
    below = [line(f"o{n}", minutes(n * 0.75 + 0.25)) for n in reversed(range(60))]
    await site.desk.import_(slug, [*newer, *among, *below])

    listed: list[str] = []
    while len(listed) < 500:
        listed += [post.id for post in (await site.store.reads.page(slug, listed[-1] if listed else "", 200))[0]]
    drawn = await live[0].evaluate(SERVED, [story, 500])
    tops = [*(None for _ in live), "b150", "b70"]  # of a permalink: the newest post it held
    for n, page in enumerate(everyone):
        await site.at(page, str(site.hub.feeds[slug].position))
        selector, top = lines[n]
        assert abs(await page.evaluate(TOP_OF, selector) - top) <= 1, f"page {n}"
        assert len(connections[n]) <= 1, "the one it had, and one more"
        if page in live and n:
            assert await page.locator("#post-n79").count() == 0, "new ones wait"
            await page.click("#pill")
        first = listed.index(held[n][0]) if n >= len(tops) else listed.index(tops[n]) + 1 if tops[n] else 0
        wanted = listed[first : listed.index(held[n][-1]) + 1]
        assert await held_by(page) == wanted, f"page {n}"
        shown = wanted[::-1] if n == 0 else wanted
        focus = page.url.rpartition("/posts/")[2]
        assert await page.evaluate(ARTICLES) == [drawn[id] for id in shown if id != focus], f"page {n}"
    assert site.said == []
