"""Two servers, one store, any sequence of operations: what readers fold is what everybody shows, at every seq.

The reader's fold is the one in `tests/story_model.py`, written from the protocol alone. After each operation it is
compared, byte for byte, with the snapshot of both servers and of one that loads the story only now; texts that were
retracted are looked for on every public path and in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import HealthCheck, given, note
from hypothesis import settings as rules
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from serving import running
from stoppress.newsroom.errors import StoppressError
from stoppress.settings import Settings
from stoppress.store.store import Store
from story_model import Client

BACKLOG = 4  # small, so that most sequences reach past it
BYTES = 512 * 1024
SLUG = "storm"
ALL = ["publish", "edit", "minor", "withdraw", "restore", "delete", "purge", "correct", "pin", "unpin", "key", "marks"]
ALL += ["revert", "story", "end", "reopen"]


steps = st.lists(st.tuples(st.sampled_from([*["publish"] * 6, *ALL]), st.integers(0, 99)), min_size=10, max_size=40)


class Editor:
    """Carries steps out through the Desk, and keeps book of which texts may be seen."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.ids: list[str] = []
        self.words: dict[str, set[str]] = {}  # every text a post ever had
        self.hidden: set[str] = set()
        self.made = 0

    def _word(self, id: str) -> str:
        self.made += 1
        word = f"word{self.made}x{uuid.uuid4().hex[:8]}"
        self.words.setdefault(id, set()).add(word)
        return word

    async def act(self, operation: str, pick: int) -> str | None:
        """The position after it; None = the rules refused, nothing changed."""
        try:
            return await self._act(operation, pick)
        except StoppressError:
            return None

    async def _act(self, operation: str, pick: int) -> str | None:
        desk = self.desk
        if operation == "publish":
            id = f"p{len(self.ids)}"
            word = self._word(id)
            draft = {"id": id, "headline": word, "body": f"**{word}**", "is_key_event": pick % 3 == 0}
            if pick % 5 == 4:  # a post from the past
                draft["sort_time"] = f"2026-11-20T10:{pick % 60:02}:00Z"
            done = await desk.publish(SLUG, {**draft, "pin": pick % 7 == 0})
            self.ids.append(id)
            return done.position
        if operation in ("story", "end", "reopen"):
            patch = {"story": {"headline": f"Storm {pick}"}, "end": {"status": "ended"}, "reopen": {"status": "live"}}
            return (await desk.edit_story(SLUG, patch[operation])).position
        if operation == "unpin":
            return (await desk.unpin(SLUG)).position
        if not self.ids:
            return None
        id = self.ids[pick % len(self.ids)]
        if operation == "pin":
            return (await desk.pin(SLUG, id)).position
        if operation in ("edit", "minor", "key", "marks"):
            patch: dict[str, Any] = {"is_key_event": pick % 2 == 0} if operation == "key" else {}
            if operation == "marks":
                patch = {"is_breaking": pick % 2 == 0, "is_summary": pick % 3 == 0}
            elif operation != "key":
                word = self._word(id)
                patch = {"headline": word, "body": word, "minor": operation == "minor"}
            return (await desk.edit(SLUG, id, patch)).position
        if operation == "correct":
            return (await desk.correct(SLUG, id, self._word(id))).position
        if operation == "revert":
            return (await desk.revert(SLUG, id, 1)).position
        if operation == "restore":
            done = await desk.restore(SLUG, id)
            self.hidden.discard(id)
            return done.position
        if operation == "withdraw":
            done = await desk.withdraw(SLUG, id, "A public note")
        else:
            done = await desk.delete(SLUG, id, purge=operation == "purge")
        self.hidden.add(id)
        return done.position

    def retracted(self) -> set[str]:
        return {word for id in self.hidden for word in self.words[id]}


@given(steps=steps)
@rules(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folds_snapshots_and_late_joiners_agree_on_two_servers(settings: Settings, steps: list[tuple[str, int]]):
    asyncio.run(agree(replace(settings, prefix=f"t{uuid.uuid4().hex}", backlog=BACKLOG), steps))


async def agree(settings: Settings, steps: list[tuple[str, int]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = [await Store.open(settings) for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.aclose)
        sites = [await stack.enter_async_context(running(settings, store)) for store in stores]
        await sites[0].desk.create_story({"slug": SLUG, "headline": "Storm"})
        readers = [await stack.enter_async_context(connect(site.socket_url(f"/live/{SLUG}/ws"))) for site in sites]
        clients = [await opened(reader) for reader in readers]
        editor = Editor(sites[0].desk)
        first = clients[0].seq
        for n, (operation, pick) in enumerate(steps):
            editor.desk = sites[n % 2].desk  # either may be used
            position = await editor.act(operation, pick)
            if position is None:
                continue
            note(f"{operation} {pick} -> {position}")
            for site, client, reader in zip(sites, clients, readers, strict=True):
                while client.seq < int(position.partition(":")[2]):
                    event = await heard(reader)
                    if event["type"].startswith(("post.", "story.")):  # else a notice
                        client.fold(event)
                said = (await site.client.get(f"/live/{SLUG}/snapshot")).content
                assert orjson.dumps(client.snapshot(BACKLOG, BYTES)) == said
            late = await stores[0].reads.load(SLUG, 2 * BACKLOG)
            assert orjson.dumps(late.snapshot(BACKLOG, BYTES)) == said
        await nothing_retracted_is_told(sites, stores[0], editor, late=first)


async def opened(reader: Any) -> Any:
    assert (await heard(reader))["type"] == "hello"
    return Client.of(await heard(reader))


async def heard(reader: Any) -> dict[str, Any]:
    async with asyncio.timeout(20):
        return orjson.loads(await reader.recv())


async def nothing_retracted_is_told(sites: list[Any], store: Store, editor: Editor, late: int) -> None:
    """Every public path, resumes from every seq on both servers, and what the log in the store holds."""
    told: dict[str, str] = {}
    for n, site in enumerate(sites):
        feed = await site.parts.relay.ensure(SLUG)
        paths = [f"/live/{SLUG}", f"/live/{SLUG}?sort=oldest", f"/live/{SLUG}/snapshot?limit=4", "/"]
        paths += [f"/live/{SLUG}/feed.{kind}" for kind in ("json", "atom", "rss")]
        paths += [f"/live/{SLUG}/posts/{id}" for id in editor.ids]
        for path in paths:
            told[f"{n} {path}"] = (await site.client.get(path)).text
        for seq in range(late, feed.seq + 1):
            url = site.socket_url(f"/live/{SLUG}/ws?epoch={feed.epoch}&seq={seq}")
            async with connect(url) as reader:
                await heard(reader)
                resumed = await heard(reader)
                assert resumed["type"] == "resumed"
                assert [event["seq"] for event in resumed["events"]] == list(range(seq + 1, feed.seq + 1))
                told[f"{n} resume {seq}"] = str(resumed)
    told["log"] = str(await store.server.client.xrange(store.keys.of(SLUG, "log")))
    told["log as read"] = str(await store.log.events(SLUG, feed.epoch, late))
    for place, text in told.items():
        for word in editor.retracted():
            assert word not in text, f"{word} was retracted, and is told by {place}"
