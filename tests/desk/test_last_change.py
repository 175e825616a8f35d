"""When a story last changed: what its posts say, not when they were stored."""

from __future__ import annotations

import orjson
import pytest

from stoppress.desk import transfer
from stoppress.desk.desk import Desk
from stoppress.newsroom import rules
from stoppress.newsroom.model import Totals
from stoppress.newsroom.times import parse_time
from stoppress.store.store import StaleStoryError

NOW = parse_time("2026-11-25T10:00:00Z")
TODAY = "2026-11-25T10:00:00.000Z"
HEAD = {"story": {"headline": "The count of 2014", "status": "ended"}}
LAST = {
    "id": "a",
    "headline": "Last",
    "date_published": "2014-10-30T02:00:00Z",
    "date_modified": "2014-10-30T02:05:00Z",
}
FIRST = {"id": "b", "headline": "First", "date_published": "2014-10-29T21:00:00Z"}
UNKNOWN = {"id": "c", "headline": "Unknown"}


@pytest.fixture
def desk(store):
    return Desk(store, clock=lambda: NOW)


async def imported(desk, *rows, slug="night"):
    await desk.import_(slug, [orjson.dumps(row) for row in rows])
    return (await desk.story(slug))["date_modified"]


async def test_an_imported_story_last_changed_when_its_youngest_post_did(desk):
    assert await imported(desk, HEAD, LAST, FIRST) == "2014-10-30T02:05:00.000Z"
    assert await imported(desk, HEAD, FIRST, UNKNOWN, slug="other") == "2014-10-29T21:00:00.000Z"
    assert (await desk.stories())[0]["coverage_end_time"] == ""


async def test_a_date_in_the_file_wins(desk):
    given = {"story": {**HEAD["story"], "date_modified": "2014-11-02T12:00:00Z"}}

    assert await imported(desk, given, LAST, FIRST) == "2014-11-02T12:00:00.000Z"


async def test_a_story_of_unknown_dates_has_none_and_comes_back_the_same(desk):
    assert await imported(desk, HEAD, UNKNOWN) == ""
    once = [line async for line in desk.export("night")]
    await desk.import_("again", once)
    again = [line async for line in desk.export("again")]
    assert [line.replace(b'"again"', b'"night"') for line in again] == once


async def test_batches_do_not_disagree(desk, monkeypatch):
    monkeypatch.setattr(transfer, "BATCH_POSTS", 1)

    assert await imported(desk, HEAD, UNKNOWN, FIRST, LAST) == "2014-10-30T02:05:00.000Z"


async def test_old_posts_make_a_story_of_today_no_older_and_no_younger(desk):
    await desk.create_story({"slug": "night", "headline": "Tonight"})
    await desk.publish("night", {"headline": "Now"})

    assert await imported(desk, LAST, FIRST) == TODAY


async def test_a_story_that_was_made_for_old_posts_is_as_old_as_they_are(desk):
    """Created, then filled: by a file without its first line, or post by post."""
    for slug in ("file", "posts"):
        await desk.create_story({"slug": slug, "headline": "The count of 2014"})
    assert await imported(desk, LAST, FIRST, slug="file") == "2014-10-30T02:05:00.000Z"
    seen = []
    for day in (29, 31, 30):
        date = f"2014-10-{day}T12:00:00.000Z"
        done = await desk.publish("posts", {"headline": "h", "date_published": date})
        assert done.value["date_modified"] == done.value["sort_time"] == date
        seen.append((await desk.story("posts"))["date_modified"][8:10])
    assert seen == ["29", "31", "31"]


async def own_dates(desk, slug):
    held = await desk.story(slug)
    names = ("date_published", "coverage_start_time", "coverage_end_time", "date_modified")
    return [held[name][:10] for name in names]


@pytest.mark.parametrize("batch", [1, 200])
async def test_a_story_that_was_made_for_old_posts_began_with_the_first_of_them(desk, monkeypatch, batch):
    monkeypatch.setattr(transfer, "BATCH_POSTS", batch)
    made = {"headline": "The count of 2014"}
    given = "2014-10-28T08:00:00Z"
    await desk.create_story({"slug": "made", **made})
    await desk.create_story({"slug": "given", "coverage_start_time": given, **made})
    await desk.create_story({"slug": "soon", "status": "upcoming", "coverage_start_time": given, **made})
    for slug in ("made", "given", "soon"):
        await imported(desk, LAST, FIRST, UNKNOWN, slug=slug)

    assert await own_dates(desk, "made") == ["2014-10-29", "2014-10-29", "", "2014-10-30"]
    assert await own_dates(desk, "given") == ["2014-10-29", "2014-10-28", "", "2014-10-30"]
    assert await own_dates(desk, "soon") == ["", "2014-10-28", "", "2014-10-30"]
    # What comes later finds a story with posts.
    await imported(desk, {"id": "z", "headline": "h", "date_published": "2013-01-01T00:00:00Z"}, slug="made")
    assert await own_dates(desk, "made") == ["2014-10-29", "2014-10-29", "", "2014-10-30"]


async def test_a_story_that_was_made_for_posts_of_unknown_dates_has_none(desk):
    await desk.create_story({"slug": "night", "headline": "The count"})
    await desk.create_story({"slug": "other", "headline": "Tonight"})

    assert await imported(desk, UNKNOWN) == ""
    assert await own_dates(desk, "night") == ["", "", "", ""]
    assert [story["slug"] for story in await desk.stories()] == ["other", "night"]
    # It goes on from here as every story does, and comes back the same elsewhere.
    once = [line async for line in desk.export("night")]
    await desk.import_("again", once)
    assert [line.replace(b'"again"', b'"night"') async for line in desk.export("again")] == once
    await desk.publish("night", {"headline": "Now"})
    assert await own_dates(desk, "night") == ["", "", "", TODAY[:10]]


async def test_posts_that_are_younger_than_their_story_leave_its_dates(store):
    early, late = parse_time("2026-11-25T09:00:00Z"), parse_time("2026-11-25T10:00:00Z")
    await Desk(store, clock=lambda: early).create_story({"slug": "night", "headline": "Tonight"})
    await imported(Desk(store, clock=lambda: late), {"id": "p", "headline": "h", "date_published": TODAY})
    held = await Desk(store).story("night")
    assert held["date_published"] == held["coverage_start_time"] == "2026-11-25T09:00:00.000Z"


async def test_a_story_edited_meanwhile_is_not_overwritten_by_an_import(store, desk):
    await desk.create_story({"slug": "night", "headline": "The count"})
    held = await store.reads.story("night")
    await desk.edit_story("night", {"headline": "The count of 2014"})
    with pytest.raises(StaleStoryError):
        await store.changes.import_batch(
            "night", rules.dated_by(held.story, ""), Totals(), [], [], True, story_was=held.story
        )
    assert (await desk.story("night"))["headline"] == "The count of 2014"


async def test_every_change_by_an_editor_is_of_now(desk):
    for n, change in enumerate(
        (
            lambda slug: desk.edit(slug, "a", {"headline": "New"}),
            lambda slug: desk.correct(slug, "a", "It was 12."),
            lambda slug: desk.withdraw(slug, "a", "No."),
            lambda slug: desk.delete(slug, "a"),
            lambda slug: desk.publish(slug, {"headline": "Late"}),
            lambda slug: desk.edit_story(slug, {"headline": "New"}),
        )
    ):
        slug = f"s{n}"
        await imported(desk, HEAD, LAST, FIRST, slug=slug)
        await change(slug)
        assert (await desk.story(slug))["date_modified"] == TODAY
    await imported(desk, HEAD, LAST, FIRST)
    await desk.edit("night", "a", {"headline": "Typo", "minor": True})
    assert (await desk.story("night"))["date_modified"] == "2014-10-30T02:05:00.000Z"


async def test_posts_known_by_their_last_change_stand_among_their_time(desk):
    rows = [
        {"id": id, "headline": id, "date_modified": f"2023-03-24T{hour}:00:00Z"} for id, hour in (("x", 12), ("y", 11))
    ]
    await imported(desk, HEAD, rows[0], UNKNOWN, rows[1])

    held = (await desk.posts("night"))["posts"]
    assert [post["id"] for post in held] == ["x", "c", "y"]
    assert {post["sort_time"][:10] for post in held} == {"2023-03-24"}
    assert [post["date_published"] for post in held] == ["", "", ""]


async def test_stories_are_listed_live_first_then_by_their_own_dates(desk):
    await imported(desk, HEAD, LAST, slug="archive")
    await imported(desk, HEAD, UNKNOWN, slug="unknown")
    await imported(desk, HEAD, {"headline": "h", "date_published": "2020-01-01T00:00:00Z"}, slug="zz-younger")
    await imported(desk, {"story": {"headline": "h", "status": "live"}}, FIRST, slug="live-old")
    await desk.create_story({"slug": "live-new", "headline": "h"})
    await desk.create_story({"slug": "a-soon", "headline": "h", "status": "upcoming"})

    listed = [story["slug"] for story in await desk.stories()]

    assert listed == ["live-new", "live-old", "a-soon", "zz-younger", "archive", "unknown"]
