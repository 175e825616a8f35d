"""Whatever an editor (or who stole a token) sends: nothing runs in the page, and nothing breaks its layout."""

from __future__ import annotations

import pytest

from stoppress.newsroom.errors import InvalidError

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

BODIES = [
    "<script>window.pwned = 1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1><script>window.pwned=1</script></svg>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<style>* { display: none }</style><math><mtext></math>",
    "[click](javascript:window.pwned=1) [two](JaVaScRiPt:window.pwned=1)",
    "[three](data:text/html,<script>pwned=1</script>)",
    "![x](javascript:window.pwned=1)",
    "<a href='javascript:window.pwned=1' onclick='window.pwned=1'>a</a>",
    "</div></article></li></ol></main><script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "> " * 45 + "deep",
    "- " * 45 + "deep",
    "\u202e\u2066\u2067\u202ereversed \u200f\u200e text",
    "word" * 4_000,
    "| a | b |\n|---|---|\n| " + "c" * 2_000 + " | d |",
    "```\n" + "long line " * 500 + "\n```",
    "`" + "x" * 3_000 + "`",
    "&lt;script&gt;window.pwned=1&lt;/script&gt; &#60;script&#62;",
    "Z̸͓̃" * 500,
]
LINES = [
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "{{ 7*7 }}{% raw %}",
    "\u202e\u202e\u2067 gnorw",
    "W" * 290,
    "مرحبا " * 30,
    "' autofocus onfocus='window.pwned=1",
]

HOSTILE = """() => [...document.querySelectorAll("main *")].filter((node) =>
  ["script", "svg", "iframe", "style", "math"].includes(node.localName) ||
  [...node.attributes].some(({ name, value }) => name.startsWith("on") || /^\\s*(javascript|data):/i.test(value))
).map((node) => node.outerHTML)"""


async def calm(site, page) -> None:
    """Nothing ran, the furniture stands where it should, and nothing is wider than the page."""
    assert await page.evaluate("window.pwned") is None
    assert await page.evaluate(HOSTILE) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"
    assert await page.evaluate(
        "[...document.querySelectorAll('article')].every((one) => one.closest('ol.posts, .pinned'))"
    )
    assert await page.locator(".colophon").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_runs_and_nothing_breaks(site, width):
    slug = await site.story(headline=LINES[1], description=LINES[0], summary_points=LINES)
    page = await site.reader(f"/live/{slug}", width=width)
    page.on("dialog", lambda dialog: site.said.append(dialog.message))
    for n, body in enumerate(BODIES):
        line = LINES[n % len(LINES)]
        person = {"name": line, "job_title": line, "url": "https://example.org/" + "u" * 1_000}
        image = {
            "url": "https://127.0.0.1:1/x?<b>".replace("<b>", "b"),
            "alt": line,
            "caption": line,
            "credit_text": line,
        }
        done = await site.desk.publish(
            slug,
            {
                "headline": line,
                "body": body,
                "byline": line,
                "dateline": line,
                "credit_note": line,
                "authors": [person],
                "contributors": [{"name": "W" * 300}],
                "keywords": [line],
                "is_key_event": True,
                "pin": n % 3 == 0,
                "images": [image] if n % 5 == 0 else [],
            },
        )
        id = done.value["id"]
        await site.desk.correct(slug, id, line + body[:1_000])
        if n % 4 == 0:
            done = await site.desk.withdraw(slug, id, line)
    await site.at(page, done.position)
    await calm(site, page)
    for link in await page.locator("main .body a").all():
        assert (await link.get_attribute("href")).startswith(("http:", "https:", "mailto:", "/"))
    fresh = await site.reader(f"/live/{slug}", width=width)
    await calm(site, fresh)
    assert await site.normal(page) == await site.normal(fresh)
    await page.mouse.wheel(0, 5_000)
    # Pictures that do not load are the browser's to report; a policy violation would mean that something tried.
    assert [line for line in site.said if "ERR_" not in line] == []


async def test_control_characters_and_wrong_addresses_are_errors(site):
    slug = await site.story()
    for wrong in (
        {"headline": "a\x00b"},
        {"headline": "x", "body": "a\x07b"},
        {"headline": "x", "images": [{"url": "javascript:alert(1)"}]},
        {"headline": "x", "authors": [{"name": "A", "url": "data:text/html,x"}]},
        {"headline": "x", "body": ">" * 500 + "deep"},
    ):
        with pytest.raises(InvalidError):
            await site.desk.publish(slug, wrong)


@pytest.mark.parametrize("path", ["/", "/live/nothing-here", "/login", "/dashboard"])
async def test_other_pages_fit_a_phone(site, path):
    await site.story(headline="W" * 200, description="y" * 900)
    page = await site.open(path, width=390, height=844)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.locator("h1").count() == 1
