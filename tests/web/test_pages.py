"""What readers load, over real sockets: pages that are whole without scripts, the snapshot, what caches may keep."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser

import pytest

SLUG = "flood"


@pytest.fixture
async def story(site):
    await site.desk.create_story({"slug": SLUG, "headline": "The river rises"})
    return site.desk


async def publish(desk, count: int, **fields) -> list[str]:
    """Ids, newest first."""
    made = [(await desk.publish(SLUG, {"headline": f"Number {n}", **fields})).value["id"] for n in range(count)]
    return made[::-1]


def ids(page: str) -> list[str]:
    """Posts of a page, in the order they stand there."""
    return re.findall(r'<article[^>]* id="post-([^"]+)"', page)


def links(page: str, words: str) -> list[str]:
    found = re.findall(rf'<a class="more-link"[^>]*href="([^"]+)">{words}</a>', page)
    return [link.replace("&amp;", "&") for link in found]


async def newest(site, seq: int) -> None:
    """Until this hub has heard of `seq`."""
    assert (await site.client.get(f"/live/{SLUG}/snapshot?min_seq={seq}")).status_code == 200


async def test_the_page_is_whole_without_scripts(site, story):
    held = await publish(story, 3, body="Some *words*.")
    await newest(site, 4)

    page = await site.client.get(f"/live/{SLUG}")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert ids(page.text) == held
    assert "<h1" in page.text
    assert page.text.count("<em>words</em>") == 3
    assert 'data-seq="4"' in page.text
    assert ids((await site.client.get(f"/live/{SLUG}?sort=oldest")).text) == held[::-1]


async def test_links_lead_to_every_post_and_back(site_with):
    """Following the links alone, down and up again, in both orders, shows each post exactly once."""
    async with site_with(backlog=4) as site:
        await site.desk.create_story({"slug": SLUG, "headline": "The river rises"})
        held = await publish(site.desk, 13)
        await newest(site, 14)
        for sort in ("newest", "oldest"):
            url, seen = f"/live/{SLUG}?sort={sort}", []
            while True:
                page = (await site.client.get(url)).text
                stretch = ids(page) if sort == "newest" else ids(page)[::-1]
                seen += stretch
                if not links(page, "Older posts"):
                    break
                (url,) = links(page, "Older posts")
                assert f"sort={sort}" in url
            assert seen == held
            back = [stretch]
            while links(page, "Newer posts"):
                (url,) = links(page, "Newer posts")
                page = (await site.client.get(url)).text
                back.insert(0, ids(page) if sort == "newest" else ids(page)[::-1])
            # The topmost page is the newest one: on the way up it may repeat some of the next.
            assert [id for page in back[1:] for id in page] == held[13 - sum(map(len, back[1:])) :]
            assert back[0] == held[:4]


async def test_a_permalink_shows_the_post_among_its_neighbours(site_with):
    async with site_with(backlog=4) as site:
        await site.desk.create_story({"slug": SLUG, "headline": "The river rises"})
        held = await publish(site.desk, 60)
        await newest(site, 61)

        for id in (held[0], held[2], held[30], held[59]):
            page = await site.client.get(f"/live/{SLUG}/posts/{id}")
            shown = ids(page.text)
            at = held.index(id)
            assert page.status_code == 200
            assert re.search(rf'class="post[^"]*is-focus[^"]*" id="post-{id}"', page.text)
            assert shown == held[held.index(shown[0]) : held.index(shown[-1]) + 1]
            assert held[max(at - 1, 0)] in shown
            assert held[min(at + 1, 59)] in shown
            assert bool(links(page.text, "Newer posts")) == (shown[0] != held[0])
            assert bool(links(page.text, "Older posts")) == (shown[-1] != held[-1])


async def test_what_was_withdrawn_keeps_its_place_and_what_was_deleted_is_gone(site, story):
    one, two, _ = await publish(story, 3, body="The SECRET text.")
    await story.withdraw(SLUG, one, "It was not so.")
    done = await story.delete(SLUG, two)
    await newest(site, int(done.position.partition(":")[2]))

    withdrawn = await site.client.get(f"/live/{SLUG}/posts/{one}")
    deleted = await site.client.get(f"/live/{SLUG}/posts/{two}")

    assert (withdrawn.status_code, deleted.status_code) == (200, 410)
    assert "It was not so." in withdrawn.text
    assert "removed" in deleted.text
    assert "SECRET" not in deleted.text
    assert withdrawn.text.count("SECRET") == 1  # of the third


async def test_nothing_and_gone_are_said_in_words_to_people_and_as_problems_to_programs(site, story):
    for path in (
        "/nothing",
        "/live/none",
        "/live/BAD!",
        "/live/none/posts/x",
        f"/live/{SLUG}/posts/none",
        "/live/a/b/c",
    ):
        page = await site.client.get(path)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert "<h1" in page.text
    for path in ("/live/none/snapshot", "/live/none/feed.json", "/live/none/feed.atom", "/live/none/events"):
        told = await site.client.get(path)
        assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json"), path

    done = await story.delete_story(SLUG)

    assert done.value["status"] == "deleted"
    for path, kind in (
        (f"/live/{SLUG}", "text/html; charset=utf-8"),
        (f"/live/{SLUG}/snapshot", "application/problem+json"),
    ):
        answer = await site.client.get(path)
        while answer.status_code == 200:  # until the hub has heard
            answer = await site.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (410, kind)


async def test_a_wrong_query_is_refused_with_its_rule(site, story):
    await publish(story, 1)
    for query, word in (
        ("limit=0", "limit"),
        ("limit=9999", "limit"),
        ("limit=x", "limit"),
        ("limit=%00", "limit"),
        ("min_seq=-1", "min_seq"),
        ("min_seq=99999999999999999999", "min_seq"),
        ("before=../x", "before"),
    ):
        answer = await site.client.get(f"/live/{SLUG}/snapshot?{query}")
        assert answer.status_code == 400, query
        assert word in answer.json()["detail"]
    assert (await site.client.get(f"/live/{SLUG}/snapshot?before=none")).status_code == 404
    assert (await site.client.get(f"/live/{SLUG}?sort=sideways")).status_code == 400
    assert (await site.client.get(f"/live/{SLUG}?before=none")).status_code == 404


async def test_the_snapshot_pages_back(site, story):
    held = await publish(story, 5)
    await newest(site, 6)

    first = (await site.client.get(f"/live/{SLUG}/snapshot?limit=2")).json()
    rest = (await site.client.get(f"/live/{SLUG}/snapshot?limit=3&before={held[1]}")).json()

    assert [post["id"] for post in first["posts"]] == held[:2]
    assert [post["id"] for post in rest["posts"]] == held[2:]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["type"] == rest["type"] == "snapshot"
    assert rest["seq"] == first["seq"] == 6


async def test_the_snapshot_pages_forward(site, story):
    held = await publish(story, 5)
    await newest(site, 6)

    some = (await site.client.get(f"/live/{SLUG}/snapshot?limit=2&after={held[3]}")).json()
    rest = (await site.client.get(f"/live/{SLUG}/snapshot?limit=3&after={held[2]}")).json()

    assert [post["id"] for post in some["posts"]] == held[1:3]
    assert [post["id"] for post in rest["posts"]] == held[:2]
    assert (some["has_more"], rest["has_more"]) == (True, False), "still newer ones"
    assert some["type"] == "snapshot"
    for query, status in ((f"after={held[0]}&before={held[1]}", 400), ("after=../x", 400), ("after=none", 404)):
        assert (await site.client.get(f"/live/{SLUG}/snapshot?{query}")).status_code == status


async def test_a_crowd_that_reads_again_asks_the_store_once(site, story, monkeypatch):
    held = await publish(story, 5)
    await newest(site, 6)
    asked = []
    page = site.store.reads.page

    async def counted(*args):
        asked.append(args)
        return await page(*args)

    monkeypatch.setattr(site.store.reads, "page", counted)
    path = f"/live/{SLUG}/snapshot?limit=100&before={held[0]}&min_seq=6"
    answers = await asyncio.gather(*(site.client.get(path) for _ in range(20)))

    assert {answer.content for answer in answers} == {answers[0].content}
    assert [post["id"] for post in answers[0].json()["posts"]] == held[1:]
    assert len(asked) == 1


async def test_min_seq_waits_for_the_hub_or_says_come_back(site, story):
    done = (await story.publish(SLUG, {"headline": "There"})).position
    seq = int(done.partition(":")[2])

    told = await site.client.get(f"/live/{SLUG}/snapshot?min_seq={seq}")
    ahead = await site.client.get(f"/live/{SLUG}/snapshot?min_seq={seq + 1}")

    assert told.json()["seq"] >= seq
    assert (ahead.status_code, ahead.headers["retry-after"]) == (503, "1")


async def test_what_is_held_is_not_sent_again_until_something_changes(site, story):
    await publish(story, 2)
    await newest(site, 3)
    paths = ["", "?sort=oldest", "/snapshot", "/snapshot?limit=1", "/feed.json", "/feed.atom", "/feed.rss"]
    first = {path: await site.client.get(f"/live/{SLUG}{path}") for path in paths}

    for path, answer in first.items():
        tag = answer.headers["etag"]
        assert re.fullmatch(r'W/"[^":]+:3[^"]*"', tag), path
        assert answer.headers["cache-control"] == "public, max-age=1, stale-while-revalidate=4"
        for given in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
            again = await site.client.get(f"/live/{SLUG}{path}", headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
    assert len({answer.headers["etag"] for answer in first.values()}) == len(paths)

    await publish(story, 1)
    await newest(site, 4)
    for path, answer in first.items():
        again = await site.client.get(f"/live/{SLUG}{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 200, path
        assert again.headers["etag"] != answer.headers["etag"]


async def test_the_index_shows_live_stories_first(site):
    desk = site.desk
    await desk.create_story({"slug": "old", "headline": "Over"})
    await desk.edit_story("old", {"status": "ended"})
    await desk.create_story({"slug": "soon", "headline": "Soon", "status": "upcoming"})
    await desk.create_story({"slug": "now", "headline": "Now"})
    await desk.create_story({"slug": "gone", "headline": "Gone"})
    await desk.delete_story("gone")

    page = await site.client.get("/")

    assert re.findall(r'href="/live/([a-z]+)"', page.text) == ["now", "soon", "old"]
    again = await site.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


async def test_every_reader_path_answers_head(site, story):
    (one,) = await publish(story, 1)
    await newest(site, 2)
    for path in ("", f"/posts/{one}", "/snapshot", "/feed.json", "/feed.atom", "/feed.rss", "/events"):
        head = await site.client.head(f"/live/{SLUG}{path}")
        assert (head.status_code, head.content) == (200, b""), path


class Scripts(HTMLParser):
    """Everything in a page that could run: inline scripts and styles, event handlers, foreign addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        held = dict(attrs)
        if (
            tag == "script"
            and "src" not in held
            and held.get("type") not in ("application/json", "application/ld+json")
        ):
            self.found.append("inline script")
        if tag in ("style", "svg", "math", "iframe", "object", "embed", "base"):
            self.found.append(tag)
        for name, value in held.items():
            if name.startswith("on") or name == "style":
                self.found.append(f"{tag} {name}")
            if name in ("href", "src", "action") and re.match(r"\s*(javascript|data|vbscript):", value or "", re.I):
                self.found.append(f"{tag} {name}={value}")


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1)) [y](data:text/html,hi) [z](vbscript:x)",
    "<svg onload=alert(1)><math><style>@import 'x'</style></math></svg>",
    "</script><script>alert(1)</script><!--",
    "![x](javascript:alert(1))",
    '<a href="java&#x0a;script:alert(1)">x</a> <javascript:alert(1)>',
    "\u202e\u2066 abc \u200f" * 50,
    "a" * 60_000,
    "*" * 30_000,
    "[" * 20_000,
]


async def test_a_hostile_post_runs_nothing(site, story):
    for n, body in enumerate(HOSTILE):
        draft = {
            "headline": body[:250].replace("\n", " "),
            "body": body,
            "byline": '"><script>alert(1)</script>',
            "images": [{"url": "/a.png", "alt": '" onerror="alert(1)', "caption": "</figcaption><script>"}],
            "keywords": ["</title><script>"],
            "is_key_event": True,
        }
        done = await story.publish(SLUG, draft)
        seq = int(done.position.partition(":")[2])
        await newest(site, seq)
        for path in ("", f"/posts/{done.value['id']}", "?sort=oldest"):
            page = await site.client.get(f"/live/{SLUG}{path}")
            scripts = Scripts()
            scripts.feed(page.text)
            assert scripts.found == [], (n, path)
        state = re.search(r'<script type="application/json" id="state">(.*?)</script>', page.text, re.S)
        assert state
        assert "<" not in state.group(1)
