"""No answer is larger, and none takes longer, than a reader may ask of the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time

import orjson
import pytest

BYTES = 8192


@pytest.fixture
async def large(site_with):
    """A site with a story of 30 posts, of which three fit into an answer."""
    async with site_with(snapshot_bytes=BYTES, backlog=10, store_timeout_s=0.3) as site:
        await site.desk.create_story({"slug": "flood", "headline": "The river rises"})
        site.ids = [
            (await site.desk.publish("flood", {"headline": f"{n}", "body": "water " * 400})).value["id"]
            for n in range(30)
        ][::-1]
        assert (await site.client.get("/live/flood/snapshot?min_seq=31")).status_code == 200
        yield site


def shown(page: str) -> list[str]:
    return re.findall(r'<article[^>]* id="post-([^"]+)"', page)


async def test_a_snapshot_of_any_length_keeps_to_the_bytes_and_leads_to_every_post(large):
    seen, before = [], ""
    while True:
        told = (await large.client.get(f"/live/flood/snapshot?limit=100&before={before}")).json()
        assert 1 <= len(told["posts"]) < 5
        assert len(orjson.dumps(told["posts"])) < BYTES + 100
        seen += [post["id"] for post in told["posts"]]
        before = seen[-1]
        if not told["has_more"]:
            break
    assert seen == large.ids


async def test_pages_keep_to_the_bytes_and_their_links_lead_down_and_up(large):
    links = {"Older posts": [], "Newer posts": []}
    for words, way in links.items():
        url = "/live/flood" if words == "Older posts" else f"/live/flood?before={large.ids[-2]}"
        while url:
            page = (await large.client.get(url)).text
            assert 1 <= len(shown(page)) < 5
            way.append(shown(page))
            found = re.findall(rf'<a class="more-link"[^>]*href="([^"]+)">{words}</a>', page)
            url = found[0].replace("&amp;", "&") if found else ""
    assert [id for page in links["Older posts"] for id in page] == large.ids
    assert list(dict.fromkeys(id for page in links["Newer posts"][::-1] for id in page)) == large.ids
    permalink = (await large.client.get(f"/live/flood/posts/{large.ids[15]}")).text
    assert large.ids[15] in shown(permalink)
    assert len(shown(permalink)) < 5


async def test_a_store_that_hangs_is_said_to_be_away_before_people_give_up(large, monkeypatch):
    token, _ = await large.tokens.create("me", role="admin")
    editor = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}

    async def never(*_, **__):
        await asyncio.Event().wait()

    monkeypatch.setattr(large.parts.relay, "ensure", never)
    monkeypatch.setattr(large.parts.store.reads, "story", never)
    monkeypatch.setattr(large.parts.store.changes, "commit", never)
    monkeypatch.setattr("stoppress.web.api.PATIENCE_S", 0.2)
    started = time.monotonic()
    page = await large.client.get("/live/other")
    events = await large.client.get("/live/other/events")
    read = await large.client.get("/api/stories/flood", headers=editor)
    sent = await large.client.post("/api/stories/flood/posts", headers=editor, json={"headline": "h"})
    monkeypatch.setattr(large.parts.store.tokens, "get", never)
    locked = await large.client.get("/api/stories/flood", headers=editor)

    assert time.monotonic() - started < 8
    for answer in (page, events, read, sent, locked):
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert page.headers["content-type"].startswith("text/html")
    assert (sent.json()["type"], sent.json()["key"]) == ("urn:stoppress:try-again", "k1")
    assert "k1" in sent.json()["detail"]
    assert locked.json()["key"] == "k1"


async def test_who_leaves_in_the_middle_of_a_form_is_no_error(site, until, caplog):
    caplog.set_level(logging.INFO)
    host, _, port = site.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nt")
    await writer.drain()
    tasks = set()
    await until(lambda: tasks.update(task for task in asyncio.all_tasks() if "run_asgi" in repr(task)) or tasks)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await asyncio.wait(tasks, timeout=5)

    assert all(task.done() for task in tasks)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_slash_too_many_leads_to_the_page_on_whatever_host(site):
    answer = await site.client.get("/live/w//?sort=oldest", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (308, "/live/w?sort=oldest")
    assert answer.headers["cache-control"] == "no-store"
    for path, status in (("//evil.example/", 404), ("/live/%0d%0aX/", 400), ("/dashboard/", 404)):
        answer = await site.client.get(site.url + path)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store"), path


async def test_an_event_stream_that_is_refused_says_so_as_everything_else_does(site):
    answer = await site.client.get("/live/none/events")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:stoppress:not-found"
    assert answer.headers["cache-control"] == "no-store"
