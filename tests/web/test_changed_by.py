"""Who changed a post: kept with each revision for editors, and told to no reader."""

from __future__ import annotations

import orjson
import pytest
from test_retracted import SLUG, everything_public

NAME = "Zylinderkopf CMS"  # a word that no template, header or script has
LINES = {"Content-Type": "application/jsonl"}
POSTS = f"/api/stories/{SLUG}/posts"


@pytest.fixture
async def cms(site):
    client = await site.as_("admin", name=NAME)
    assert (await client.post("/api/stories", json={"slug": SLUG, "headline": "Rain"})).status_code == 201
    return client


async def authors(client, id: str) -> list[tuple[int, str]]:
    kept = (await client.get(f"{POSTS}/{id}/revisions")).json()["revisions"]
    assert all(one["changed_at"].endswith("Z") for one in kept if one["changed_by"])
    return [(one["version"], one["changed_by"]) for one in kept]


async def test_each_revision_names_whose_token_made_it(site, cms):
    await cms.post(POSTS, json={"headline": "One", "id": "p1"})
    ana = await site.as_("editor", name="Ana Lee")
    key = {"Idempotency-Key": "once"}
    edited = await ana.patch(f"{POSTS}/p1", json={"headline": "Two"}, headers=key)
    # Told again by somebody else: the same answer, and it is still who made it first.
    again = await cms.patch(f"{POSTS}/p1", json={"headline": "Two"}, headers=key)
    assert again.json() == edited.json()
    await cms.post(f"{POSTS}/p1/withdraw", json={"note": "Not so."})
    await ana.post(f"{POSTS}/p1/restore", json={})
    assert await authors(cms, "p1") == [(1, NAME), (2, "Ana Lee"), (3, NAME), (4, "Ana Lee")]
    assert "changed_by" not in (await cms.get(f"{POSTS}/p1")).json()


async def test_a_revision_from_before_says_that_nobody_knows(site, cms):
    await cms.post(POSTS, json={"headline": "One", "id": "p1"})
    await site.store.server.client.hdel(site.store.keys.of(SLUG, "revisions"), "p1:1:by")
    await cms.patch(f"{POSTS}/p1", json={"headline": "Two"})
    assert await authors(cms, "p1") == [(1, ""), (2, NAME)]


async def test_an_import_is_the_importers(site, cms):
    line = orjson.dumps({"id": "p1", "headline": "Old", "version": 3})
    assert (await cms.post(f"/api/stories/{SLUG}/import", content=line, headers=LINES)).json()["added"] == 1
    assert await authors(cms, "p1") == [(3, NAME)]


async def test_a_purge_erases_the_names_too(site, cms):
    await cms.post(POSTS, json={"headline": "One", "id": "p1"})
    await cms.patch(f"{POSTS}/p1", json={"headline": "Two"})
    await cms.delete(f"{POSTS}/p1?purge=true")
    kept = await site.store.server.client.hgetall(site.store.keys.of(SLUG, "revisions"))
    assert sorted(kept) == [b"p1:3", b"p1:3:by"]


async def test_no_reader_and_no_export_is_told(site, cms):
    async with site.store.server.hearer() as channel:
        await channel.subscribe(site.store.keys.channel(SLUG))
        await cms.post(POSTS, json={"headline": "One", "id": "p1", "pin": True, "is_key_event": True})
        await cms.post(
            f"/api/stories/{SLUG}/import", content=orjson.dumps({"id": "p0", "headline": "Old"}), headers=LINES
        )
        for what, body in (("corrections", {"text": "Two."}), ("withdraw", {"note": "No."}), ("restore", {})):
            assert (await cms.post(f"{POSTS}/p1/{what}", json=body)).status_code == 200
        await cms.post(POSTS, json={"headline": "Gone", "id": "p2"})
        await cms.delete(f"{POSTS}/p2")
        heard = []
        while told := await channel.get_message(timeout=0.5):
            heard.append(str(told["data"]))
    assert len(heard) > 6
    assert NAME not in "".join(heard)
    told = await everything_public(site, ["p1", "p0"])
    told["export"] = (await cms.get(f"/api/stories/{SLUG}/export")).text
    told["posts"] = (await cms.get(POSTS)).text
    assert all("One" in told[name] for name in ("export", "posts", f"/live/{SLUG}"))
    assert [name for name, text in told.items() if NAME in text or "changed_by" in text] == []


async def test_allowed_methods_are_those_of_the_token(site, cms):
    """For who wants to know before a text is written."""
    assert "POST" in (await cms.options(POSTS)).headers["allow"]
    viewer = await site.as_("viewer")
    assert (await viewer.options(POSTS)).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await cms.options(POSTS, headers={"Authorization": "Bearer wrong-token"})).status_code == 401
    elsewhere = await site.as_("editor", story="other-*")
    assert (await elsewhere.options(POSTS)).headers["allow"] == "OPTIONS"


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        ("/api/stories/flodo", "flood"),
        ("/api/stories/flodo/posts", "flood"),
        ("/api/stories/flo", "flood"),
        (f"{POSTS}/bridgs", "bridge"),
        (f"{POSTS}/xxxxxx", None),
        ("/api/stories/volcano", None),
    ],
)
async def test_a_slip_gets_a_guess(site, cms, path, guess):
    await cms.post(POSTS, json={"headline": "One", "id": "bridge"})
    problem = (await cms.get(path)).json()
    assert problem["status"] == 404
    assert problem.get("did_you_mean") == guess
    assert ("did you mean" in problem["detail"]) == bool(guess)


async def test_a_deleted_story_is_no_guess(site, cms):
    await cms.delete(f"/api/stories/{SLUG}")
    assert "did_you_mean" not in (await cms.get("/api/stories/floood")).json()
    assert "did you mean" not in (await cms.post("/api/stories/floood/posts", json={"headline": "h"})).text
