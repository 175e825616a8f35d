"""A shared link shows the post's beginning: at every width, with and without a script, whatever its size and whatever
still loads above it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

# Posts of about 0.2, 1 and 3 screens, one without a headline, one withdrawn.
SIZES = {"short": 1, "screen": 12, "tall": 60}
PICTURE = {"url": "/late/1.svg", "alt": "The quay", "width": 900, "height": 100}  # wrong: it is 900 by 1600
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="1600"><rect width="900" height="1600"/></svg>'
BEGINNING = """(() => {
  const post = document.querySelector(".is-focus"), line = post.querySelector(".when");
  const shown = post.querySelector(".headline, .withdrawn, .body").getBoundingClientRect();
  const { top } = line.getBoundingClientRect();
  const rest = document.documentElement.scrollHeight - scrollY - innerHeight;
  const texts = [...document.querySelectorAll("#posts .headline, #posts .body > p, #posts .withdrawn")];
  const isFirst = post.contains(texts.find((one) => one.getBoundingClientRect().bottom > 0));
  return { top, text: shown.top, end: shown.bottom, screen: innerHeight, rest, isFirst };
})()"""


async def story(site: Any, pictures: bool = False) -> str:
    slug = await site.story(description="Water, hour by hour. " * 20, summary_points=["Two bridges are shut"] * 4)
    posts = [{"id": "last", "headline": "Last", "body": "x"}, {"id": "bare", "body": "No headline.\n\n" * 40}]
    posts.append({"id": "wrong", "headline": "Wrong", "body": "x"})
    for n in reversed(range(45)):
        if n in (1, 20, 40):
            for name, lines in SIZES.items():
                posts.append({"id": f"{name}{n}", "headline": f"The {name} one", "body": "Line.\n\n" * lines})
        between = {"id": f"x{n}", "headline": f"Between {n}", "body": "Line.\n\n" * 4}
        posts.append({**between, "images": [PICTURE]} if pictures else between)
    await site.desk.import_(slug, [orjson.dumps(post) for post in posts])
    await site.desk.withdraw(slug, "wrong", "It was wrong.")
    return slug


def assert_in_view(box: Any, script: bool, what: str) -> None:
    """Nothing of the post above is seen, and its first line stands below where a pill would; or lower, where the page
    ends before that (without a script: ended, when the browser looked)."""
    what = f"{what}: {box}"
    assert box["top"] >= 56, what
    assert box["end"] <= box["screen"] or box["end"] - box["text"] > box["screen"] / 2, what
    if box["rest"] > 1:
        assert box["top"] <= (64 if script else box["screen"] / 4), what
        assert box["isFirst"] or box["top"] > 64, what


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (768, 1024), (1280, 720)])
async def test_a_permalink_shows_the_beginning_of_its_post(site, width, height, script):
    slug = await story(site)
    context = await site.browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=script)
    page = await context.new_page()
    for id in ("tall40", "short40", "screen20", "tall1", "wrong", "bare", "x0"):
        await page.goto(f"{site.address}/live/{slug}/posts/{id}")
        await site.until(lambda: page.evaluate("scrollY > 0"))
        assert_in_view(await page.evaluate(BEGINNING), script, f"{id} at {width}")
        assert await page.evaluate("document.activeElement?.closest('.is-focus') !== null"), "read on from here"
    await context.close()


@contextlib.asynccontextmanager
async def slow_line(site: Any, until: asyncio.Event) -> AsyncIterator[str]:
    """The site's address behind a line that stops in the middle of a page: after the post it leads to."""

    tasks: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        async with contextlib.AsyncExitStack() as open_ends:
            open_ends.callback(writer.transport.abort)
            request = await reader.readuntil(b"\r\n\r\n")
            there, back = await asyncio.open_connection("127.0.0.1", site.settings.port)
            open_ends.callback(back.transport.abort)
            back.write(request.replace(b"Connection: keep-alive", b"Connection: close"))
            answer = await there.read(-1)
            post = answer.find(b" is-focus")
            end = answer.find(b"</article></li>", post) if post >= 0 else -1
            if end >= 0:
                writer.write(answer[:end])
                await until.wait()
            writer.write(answer[max(0, end) :])
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
async def test_a_page_that_comes_in_slowly_lands_there_too(site, script):
    slug = await story(site)
    context = await site.browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=script)
    page = await context.new_page()
    rest = asyncio.Event()
    async with slow_line(site, rest) as address:
        await page.goto(f"{address}/live/{slug}/posts/short20", wait_until="commit")
        await site.until(lambda: page.evaluate("scrollY > 0"))
        rest.set()
        await page.wait_for_load_state("load")
        assert_in_view(await page.evaluate(BEGINNING), script, "short20")
        await context.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
async def test_pictures_that_come_late_do_not_push_it_away(site, script):
    slug = await story(site, pictures=True)
    context = await site.browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=script)
    page = await context.new_page()
    release = asyncio.Event()
    loaded = 0

    async def late(route: Any) -> None:
        nonlocal loaded
        await release.wait()
        await route.fulfill(status=200, content_type="image/svg+xml", body=SVG)
        loaded += 1

    await page.route("**/late/*", late)
    await page.goto(f"{site.address}/live/{slug}/posts/tall20", wait_until="domcontentloaded")
    await site.until(lambda: page.evaluate("scrollY > 0"))
    first = await page.evaluate(BEGINNING)
    assert_in_view(first, script, "before")
    height = await page.evaluate("document.documentElement.scrollHeight")
    release.set()
    await site.until(lambda: page.evaluate("(height) => document.documentElement.scrollHeight > height + 500", height))
    await site.until(lambda: loaded > 0)
    await site.until(lambda: page.evaluate(f"Math.abs(({BEGINNING}).top - {first['top']}) <= 1"), 5)
    if script:  # new posts and their pill neither
        await site.holds(page, "document.documentElement.dataset.line === 'open'")
        await site.post(slug, "Newer", id="newer")
        await page.wait_for_selector("#pill:not([hidden])")
        assert abs((await page.evaluate(BEGINNING))["top"] - first["top"]) <= 1
        pill = await page.locator("#pill").bounding_box()
        assert pill["y"] + pill["height"] <= first["top"]
    await context.close()


async def test_who_reads_on_is_not_pulled_back(site):
    slug = await story(site)
    page = await site.reader(f"/live/{slug}/posts/tall20", width=390, height=844)
    await page.mouse.move(200, 400)
    await page.mouse.wheel(0, 300)
    await site.until(lambda: page.evaluate(f"({BEGINNING}).top < -230"))
    where = await page.evaluate("scrollY")
    # Something below grows, as pictures do; the observers of sizes have run two frames later.
    await page.evaluate("document.querySelector('#post-x18 .body').append(' More words. '.repeat(99))")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await page.evaluate("scrollY") == where
    # Nor who reloads: the browser knows where they were.
    await page.reload()
    await site.holds(page, "document.documentElement.dataset.line === 'open'")
    await site.until(lambda: page.evaluate(f"Math.abs(scrollY - {where}) <= 2"))


async def test_a_link_into_the_page_whose_post_has_moved_off_it_leads_to_the_post(site):
    slug = await story(site)
    page = await site.reader(f"/live/{slug}#post-x40", width=390, height=844)
    assert 0 <= await page.evaluate("document.querySelector('#post-x40 .when').getBoundingClientRect().top") <= 130
    for n in range(20):
        await site.post(slug, f"Later {n}")
    page = await site.open(f"/live/{slug}#post-x0", width=390, height=844)
    await page.wait_for_url(f"**/live/{slug}/posts/x0")
    await page.wait_for_selector("#post-x0.is-focus")
