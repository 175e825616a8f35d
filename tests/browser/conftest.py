"""A real site for a real browser: the whole application on a free port, and Chromium looking at it."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from stoppress.desk.desk import Desk
from stoppress.hub.counts import Counts
from stoppress.settings import Settings
from stoppress.store.store import Store
from stoppress.transport.parts import parts_of
from stoppress.transport.serve import serve
from stoppress.web.app import create_app
from stoppress.web.parts import Parts

CHROMIUM = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
# What two pages of one state may differ in: what this reader has not seen yet, and when pictures are loaded.
NORMAL = """(from) => {
  const root = from.getElementById("story").cloneNode(true);
  for (const node of root.querySelectorAll(".is-new")) node.classList.remove("is-new");
  for (const node of root.querySelectorAll("[loading]")) node.removeAttribute("loading");
  for (const node of root.querySelectorAll("[tabindex]")) node.removeAttribute("tabindex");
  root.querySelector("#pill").replaceWith("");
  const lines = [];
  const walk = (node, depth) => {
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.nodeValue.trim()) lines.push(" ".repeat(depth) + JSON.stringify(node.nodeValue));
      return;
    }
    const attributes = [...node.attributes].filter(({ name, value }) => !(name === "class" && !value))
      .map(({ name, value }) => `${name}=${JSON.stringify(value)}`).sort();
    lines.push(`${" ".repeat(depth)}<${node.localName} ${attributes.join(" ")}>`);
    node.normalize();
    for (const child of node.childNodes) walk(child, depth + 1);
  };
  walk(root, 0);
  return lines.join("\\n");
}"""


@dataclass
class Site:
    """The application as readers and editors meet it."""

    desk: Desk
    settings: Settings
    store: Store
    browser: Browser
    until: Callable[..., Awaitable[None]]
    address: str = ""
    said: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Serve; again at the same address, if it served before."""
        app = create_app(self.settings, store=self.store)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(serve(app, self.settings, ready.set_result))
        await asyncio.wait((ready, self._serving), return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            self._serving.result()
        self.address = ready.result()
        self.settings = replace(self.settings, port=int(self.address.rpartition(":")[2]))
        parts = parts_of(app, Parts)
        self.hub, self.board = parts.hub, parts.board

    async def stop(self) -> None:
        """As in earnest: by a signal, and with a goodbye to readers."""
        signal.raise_signal(signal.SIGTERM)
        await self._serving

    async def open(self, path: str, *, width: int = 1280, height: int = 900, **context: object) -> Page:
        """A page in a browser of its own. What it complains about lands in `said`."""
        page = await self.browser.new_page(viewport={"width": width, "height": height}, **context)
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("console", self._console)
        await page.goto(self.address + path)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text}")

    async def reader(self, path: str, **options: object) -> Page:
        """A page that is connected."""
        page = await self.open(path, **options)  # type: ignore[arg-type]
        await self.holds(page, "document.documentElement.dataset.line === 'open'")
        return page

    @property
    def counts(self) -> Counts:
        return self.hub.counts

    def readers(self, slug: str) -> list[Any]:
        """The hub's readers of a story."""
        return list(self.hub.feeds[slug].readers)

    async def story(self, **fields: object) -> str:
        """A new story; its slug."""
        slug = f"s-{uuid.uuid4().hex[:10]}"
        await self.desk.create_story({"slug": slug, "headline": "The river rises", **fields})
        return slug

    async def post(self, slug: str, headline: str = "A post", **fields: object) -> str:
        result = await self.desk.publish(slug, {"headline": headline, "body": "Words.", **fields})
        return result.value["id"]

    async def at(self, page: Page, position: str) -> None:
        """Wait until the page has painted this position."""
        epoch, _, seq = position.rpartition(":")
        await self.holds(page, f"(({{ epoch, seq }}) => epoch === '{epoch}' && Number(seq) >= {seq})(story.dataset)")

    async def holds(self, page: Page, expression: str) -> None:
        """Wait until it is true in the page. (Playwright's own wait evaluates in the page, which our CSP forbids.)"""
        await self.until(lambda: page.evaluate(expression))

    async def normal(self, page: Page) -> str:
        """The page's DOM as text, without what may differ."""
        return await page.evaluate(f"({NORMAL})(document)")

    async def served(self, page: Page, path: str) -> str:
        """The same of what the server sends for `path` now, without a script."""
        return await page.evaluate(
            f"""async (path) => {{
              const text = await (await fetch(path, {{ cache: "no-store" }})).text();
              return ({NORMAL})(new DOMParser().parseFromString(text, "text/html"));
            }}""",
            path,
        )


@pytest.fixture
async def chromium(require: Callable[[str], str]) -> AsyncIterator[Browser]:
    path = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture
async def site(
    settings: Settings, store: Store, chromium: Browser, until: Callable[..., Awaitable[None]]
) -> AsyncIterator[Site]:
    made = Site(Desk(store), replace(settings, drain_s=0.1, stop_timeout_s=0.5), store, chromium, until)
    await made.start()
    yield made
    await made.stop()
