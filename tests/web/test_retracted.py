"""Retracted is gone: after a withdrawal or deletion the text leaves the server on no public path, on any worker."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect

SLUG = "flood"
SECRET = "Xylophone"  # a word that no template, header or script has


def draft(id: str) -> dict[str, Any]:
    """A post that says it in every field that is shown."""
    return {
        "id": id,
        "headline": f"{SECRET} headline",
        "body": f"{SECRET} **body**",
        "byline": f"From {SECRET}",
        "dateline": SECRET,
        "credit_note": SECRET,
        "authors": [{"name": SECRET, "job_title": SECRET}],
        "contributors": [{"name": SECRET}],
        "keywords": [SECRET],
        "images": [{"url": f"/{SECRET}.png", "alt": SECRET, "caption": SECRET, "credit_text": SECRET}],
        "is_key_event": True,
        "pin": True,
    }


async def resumed(site, epoch: str, seq: int) -> list[str]:
    """What a reader gets who comes back from `seq`: by WebSocket, and by SSE in both its ways."""
    told = []
    async with (
        asyncio.timeout(10),
        connect(site.socket_url(f"/live/{SLUG}/ws?epoch={epoch}&seq={seq}"), proxy=None) as ws,
    ):
        told += [await ws.recv(), await ws.recv()]
    for ask in ({"headers": {"Last-Event-ID": f"{epoch}:{seq}"}}, {"params": {"last_event_id": f"{epoch}:{seq}"}}):
        async with site.client.stream("GET", f"/live/{SLUG}/events", **ask) as stream:
            text = ""
            async for part in stream.aiter_text():
                text += part
                if text.count("\n\n") >= 3:
                    break
        told.append(text)
    return told


async def everything_public(site, ids: list[str], step: int = 1) -> dict[str, str]:
    """All that a reader can get, by where it came from; of the positions to resume from, every `step`-th."""
    here = f"/live/{SLUG}"
    paths = ["/", here, f"{here}?sort=oldest", f"{here}/snapshot", f"{here}/snapshot?limit=1"]
    paths += [f"{here}/feed.{kind}" for kind in ("json", "atom", "rss")]
    for id in ids:
        paths += [f"{here}/posts/{id}", f"{here}?before={id}", f"{here}/snapshot?before={id}&limit=2"]
    found = {path: (await site.client.get(path)).text for path in paths}
    head = orjson.loads(found[f"{here}/snapshot"])
    for seq in range(0, head["seq"] + 1, step):
        for n, text in enumerate(await resumed(site, head["epoch"], seq)):
            found[f"resume from {seq} by {('hello', 'ws', 'sse header', 'sse query')[n]}"] = text
    return found


@pytest.mark.parametrize("how", ["withdraw", "purge", "withdraw, then delete", "delete the story"])
async def test_no_public_path_tells_it_any_more(site, site_with, how):
    desk = site.desk
    await desk.create_story({"slug": SLUG, "headline": "The river rises"})
    ids = [(await desk.publish(SLUG, {"headline": f"Number {n}"})).value["id"] for n in range(3)]
    async with site_with() as second, connect(second.socket_url(f"/live/{SLUG}/ws"), proxy=None) as reader:
        await desk.publish(SLUG, draft("gone"))
        await desk.correct(SLUG, "gone", f"Not {SECRET}.")
        await desk.edit(SLUG, "gone", {"headline": f"{SECRET} again", "change_note": SECRET})
        done = await desk.publish(SLUG, {"headline": "After"})
        seq = done.position.partition(":")[2]
        for one in (site, second):  # both hold it, in their rings and made pages
            told = (await one.client.get(f"/live/{SLUG}/snapshot?min_seq={seq}")).text
            assert told.count(SECRET) > 10
            assert SECRET in (await one.client.get(f"/live/{SLUG}")).text
            assert SECRET in (await one.client.get(f"/live/{SLUG}/feed.rss")).text
            assert all(SECRET in text for text in (await resumed(one, orjson.loads(told)["epoch"], 4))[1:])

        if how.startswith("withdraw"):
            done = await desk.withdraw(SLUG, "gone", "It was not so.")
        if how.endswith("delete"):
            done = await desk.delete(SLUG, "gone")
        if how == "purge":
            done = await desk.delete(SLUG, "gone", purge=True)
        if how == "delete the story":
            done = await desk.delete_story(SLUG)
        seq = int(done.position.partition(":")[2])
        async with asyncio.timeout(10):
            while orjson.loads(await reader.recv()).get("seq", 0) < seq:
                pass

        for one in (site, second):
            if how == "delete the story":
                while (await one.client.get(f"/live/{SLUG}/snapshot")).status_code == 200:
                    pass
                told = {
                    path: (await one.client.get(f"/live/{SLUG}{path}")).text
                    for path in ("", "/feed.atom", "/posts/gone")
                }
                told["/"] = (await one.client.get("/")).text
            else:
                assert (await one.client.get(f"/live/{SLUG}/snapshot?min_seq={seq}")).status_code == 200
                told = await everything_public(one, [*ids, "gone"], 1 if one is site else 3)
            assert [where for where, text in told.items() if SECRET in text] == []
    # A worker that starts only now reads the log.
    async with site_with() as late:
        log = await late.store.server.client.xrange(late.store.keys.of(SLUG, "log"))
        assert SECRET not in repr(log)
        if how != "delete the story":
            told = await everything_public(late, ["gone"], 3)
            assert [where for where, text in told.items() if SECRET in text] == []
