"""Stories out and in: the same bytes, the same order, nothing by halves."""

from __future__ import annotations

import dataclasses
import io
import re
import uuid

import msgspec
import orjson
import pytest
from hypothesis import event, given, settings, strategies

from stoppress.desk import order, transfer
from stoppress.desk.desk import Desk
from stoppress.desk.lines import LINE_BYTES, Entry, check_file, lines_of
from stoppress.newsroom.errors import ConflictError, GoneError, InvalidError, NotFoundError, StoppressError
from stoppress.newsroom.fields import POST_ID
from stoppress.newsroom.model import Post
from stoppress.newsroom.times import format_time, parse_time
from stoppress.store.store import Store

NOW = 1_795_000_000_000
STORY = {"story": {"headline": "Election night", "status": "ended"}}


@pytest.fixture
def desk(store):
    return Desk(store)


@pytest.fixture
async def elsewhere(request):
    """Another site: the same kind of server, other keys."""
    here = request.getfixturevalue("settings")
    other = await Store.open(dataclasses.replace(here, prefix=f"t{uuid.uuid4().hex[:12]}"))
    yield Desk(other)
    await other.aclose()


def lines(*rows):
    return [orjson.dumps(row) + b"\n" if isinstance(row, dict) else row for row in rows]


async def exported(desk, slug="night"):
    return b"".join([line async for line in desk.export(slug)])


async def ids(desk, slug="night"):
    return [post["id"] for post in (await desk.posts(slug))["posts"]]


async def a_story_with_everything(desk):
    await desk.create_story(
        {
            "slug": "night",
            "headline": "Election night",
            "description": "The count.",
            "summary_points": ["Polls close at nine"],
            "authors": [{"name": "Ana Lee", "job_title": "Reporter"}],
            "lead_image": {"url": "/lead.jpg", "alt": "A queue", "width": 1200, "height": 800},
            "time_zone": "America/New_York",
            "display_time_zones": ["UTC"],
            "default_sort": "oldest",
        }
    )
    for n in range(5):
        await desk.publish(
            "night",
            {
                "id": f"p{n}",
                "headline": f"Post {n}",
                "body": f"# Heading {n}\n\nIt is **{n}** o'clock, <b>really</b>; [more](https://example.org/?a=1&b=2).",
                "images": [{"url": f"/{n}.jpg", "caption": "Zoë's"}],
                "keywords": ["count"],
                "is_key_event": n == 2,
            },
        )
    await desk.edit("night", "p1", {"headline": "Post one", "change_note": "Spelled out."})
    await desk.correct("night", "p1", "It was not 1.")
    await desk.withdraw("night", "p3", "Misheard.")
    await desk.delete("night", "p4")
    await desk.pin("night", "p2")
    await desk.edit_story("night", {"status": "ended"})


async def test_export_import_export_is_byte_equal(desk, elsewhere):
    await a_story_with_everything(desk)
    first = await exported(desk)
    assert [orjson.loads(line).get("id") for line in first.splitlines()] == [None, "p3", "p2", "p1", "p0"]
    report = await elsewhere.import_("night", io.BytesIO(first))
    assert (report.added, report.skipped) == (4, 0)
    assert await exported(elsewhere) == first
    again = await elsewhere.import_("night", io.BytesIO(first))
    assert (again.added, again.skipped) == (0, 4)
    assert await exported(elsewhere) == first


async def test_an_export_is_of_one_moment(desk, monkeypatch):
    """A post that goes out and one that is deleted between two pages: all before or all after."""
    await a_story_with_everything(desk)
    monkeypatch.setattr(transfer, "PAGE_POSTS", 2)
    page, pages = desk.store.reads.page, []

    async def disturbed(*arguments):
        pages.append(arguments)
        if len(pages) == 2:
            await desk.publish("night", {"id": "late", "headline": "Late"})
            await desk.delete("night", "p3")
        return await page(*arguments)

    monkeypatch.setattr(desk.store.reads, "page", disturbed)
    told = await exported(desk)
    assert told == await exported(desk)
    assert [orjson.loads(line).get("id") for line in told.splitlines()] == [None, "late", "p2", "p1", "p0"]


async def test_import_of_its_own_export_changes_nothing(desk):
    await a_story_with_everything(desk)
    before = await exported(desk)
    position = (await desk.store.reads.story("night")).seq
    report = await desk.import_("night", io.BytesIO(before))
    assert (report.added, report.skipped) == (0, 4)
    assert (await desk.store.reads.story("night")).seq == position
    assert await exported(desk) == before


async def test_import_under_another_slug(desk):
    await a_story_with_everything(desk)
    first = await exported(desk)
    await desk.import_("copy", io.BytesIO(first))
    assert await exported(desk, "copy") == first.replace(b'"slug":"night"', b'"slug":"copy"')


async def test_reading_order_is_kept_whatever_the_dates_say(desk):
    rows = [
        {"id": "a", "headline": "a", "date_published": "2026-11-03T20:00:00Z", "date_modified": "2026-11-03T20:00:00Z"},
        {"id": "b", "headline": "b", "date_modified": "2026-11-03T23:59:00Z"},
        {"id": "c", "headline": "c", "date_published": "2026-11-03T21:00:00Z"},
        {"id": "d", "headline": "d"},
        {"id": "e", "headline": "e", "date_published": "2026-11-03T19:00:00Z", "sort_time": "2026-11-03T19:30:00Z"},
        {"id": "f", "headline": "f", "date_published": "2026-11-03T19:45:00Z"},
        {"id": "g", "headline": "g", "date_published": "2026-11-03T18:00:00Z"},
    ]
    await desk.import_("night", lines(STORY, *rows))
    assert await ids(desk) == list("abcdefg")
    posts = {post["id"]: post for post in (await desk.posts("night"))["posts"]}
    assert posts["d"]["date_published"] == ""
    assert posts["b"]["date_modified"] == "2026-11-03T23:59:00.000Z"
    assert posts["e"]["sort_time"] == "2026-11-03T19:30:00.000Z"
    assert posts["g"]["sort_time"] == "2026-11-03T18:00:00.000Z"


async def test_posts_alone_go_between_those_of_a_story_by_their_dates(desk):
    await desk.create_story({"slug": "night", "headline": "n"})
    for hour in (18, 20):
        time = f"2026-11-03T{hour}:00:00Z"
        await desk.publish("night", {"id": f"at{hour}", "headline": "h", "date_published": time})
    row = {"id": "at19", "headline": "h", "date_published": "2026-11-03T19:00:00Z"}
    await desk.import_("night", lines(row, {"id": "below", "headline": "h"}))
    assert await ids(desk) == ["at20", "at19", "below", "at18"]
    # A time that is taken moves by a millisecond, and the line stays at its place in the file.
    row = {"id": "tie", "headline": "h", "date_published": "2026-11-03T20:00:00Z"}
    await desk.import_("night", lines(row, {"id": "below-tie", "headline": "h"}))
    assert await ids(desk) == ["at20", "tie", "below-tie", "at19", "below", "at18"]
    held = (await desk.story("night"))["version"]
    await desk.import_("night", lines({"id": "late", "headline": "h"}))
    assert (await desk.story("night"))["version"] == held + 1


async def test_bodies_are_rendered_and_html_is_cleaned(desk):
    rows = [
        {"id": "a", "headline": "a", "body": "*b*", "content_html": "<script>x</script>", "article_body": "lies"},
        {"id": "b", "headline": "b", "content_html": '<p onclick="x()">c <b>d</b><script>e</script></p>'},
        {"id": "c", "headline": "c", "article_body": "One & <two>\n\nThree"},
    ]
    await desk.import_("night", lines(STORY, *rows))
    a, b, c = [await desk.post("night", id) for id in "abc"]
    assert (a["content_html"], a["article_body"]) == ("<p><em>b</em></p>", "b")
    assert (b["content_html"], b["article_body"]) == ("<p>c <strong>d</strong></p>", "c d")
    assert c["content_html"] == "<p>One &amp; &lt;two&gt;</p><p>Three</p>"
    once = await exported(desk)
    await desk.import_("copy", io.BytesIO(once))
    assert (await exported(desk, "copy")).partition(b"\n")[2] == once.partition(b"\n")[2]


BAD = [
    (b'{"id": "x", "headline"', "is not JSON"),
    (b"[1, 2]", "must be a JSON object"),
    (b'"text"', "must be a JSON object"),
    (b'{"id": "x\xff"}', "is not JSON"),
    ({"id": "x", "headlin": "h"}, "headlin: is not a field here"),
    ({"id": "x", "body": 5}, "body: must be"),
    ({"id": "x", "version": "1"}, "version: must be"),
    ({"id": "x", "version": 0}, "version: must be"),
    ({"id": "x", "is_key_event": 1}, "is_key_event: must be"),
    ({"id": "x", "body": "b" * 2_000_000}, "is longer than 1,048,576 bytes"),
    ({"id": "x", "body": "b" * 70_000}, "body: is 70,000 bytes"),
    ({"id": "x", "body": "> " * 60 + "b"}, "body: nests"),
    ({"id": "x", "content_html": "<ul><li>" * 60}, "content_html: has tags more than"),
    ({"id": "x", "headline": "a\x00b"}, "headline: has the control character U+0000"),
    ({"id": "x", "headline": "h" * 301}, "headline: must be"),
    ({"id": "x y"}, "id: must be 1 to 64"),
    ({"id": "good"}, "id: 'good' stands in line 2 already"),
    ({"id": "x", "status": "draft"}, "status: 'draft' is not allowed here; must be published or withdrawn"),
    ({"id": "x", "corrections": [{"text": "a", "kind": "b"}]}, "corrections[0].kind: 'b' is not allowed here; must be"),
    ({"id": "x", "withdrawal_note": "Wrong."}, "withdrawal_note: is for a withdrawn post"),
    ({"id": "x", "date_withdrawn": "2026-11-03T20:00:00Z"}, "date_withdrawn: is for a withdrawn post"),
    ({"id": "x", "date_published": "yesterday"}, "date_published: is not an RFC 3339 time"),
    ({"id": "x", "sort_time": "2026-11-03T20:00:00"}, "sort_time: needs a zone"),
    ({"id": "x", "date_modified": "0001-01-01T00:00:00Z"}, "date_modified: must lie in the years 1900 to 2200"),
    ({"id": "x", "images": [{"url": "javascript:alert(1)"}]}, "images[0].url: must be"),
    ({"id": "x", "images": [{"url": "/a.jpg"}] * 21}, "images: must be"),
    (STORY, "story: may only stand in the first line"),
]


@pytest.mark.parametrize(("bad", "rule"), BAD)
async def test_a_bad_line_is_named_and_nothing_is_stored(desk, bad, rule):
    file = lines(STORY, {"id": "good", "headline": "h"}, b"\n", bad, {"id": "after", "headline": "h"})
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", io.BytesIO(b"\n".join(line.rstrip(b"\n") for line in file)))
    assert caught.value.detail.startswith(f"line 4: {rule}")
    assert caught.value.extra["line"] == 4
    assert len(caught.value.detail) < 300
    assert await desk.stories() == []


@pytest.mark.parametrize(
    ("rows", "kind", "says"),
    [
        ([], InvalidError, "the file is empty"),
        ([b"\n", b"  \n"], InvalidError, "the file is empty"),
        ([{"story": {"headline": "h", "zone": "UTC"}}], InvalidError, "line 1: story.zone: is not a field"),
        ([{"story": {}}], InvalidError, "line 1: story.headline: is missing"),
        ([{"story": {"headline": "h", "version": 2**63 - 2}}], InvalidError, "line 1: story.version: must be"),
        ([{"story": 1}], InvalidError, "line 1: story: must be a JSON object"),
        ([{"story": {"headline": "h"}, "id": "x"}], InvalidError, "line 1: id: must not stand beside story"),
        ([{"story": {"headline": "h", "pinned_post_id": "x"}}], InvalidError, "line 1: story.pinned_post_id: names"),
        ([{"id": "x", "headline": "h"}], NotFoundError, "no story 'night': create it first"),
    ],
)
async def test_files_that_make_no_story(desk, rows, kind, says):
    with pytest.raises(kind) as caught:
        await desk.import_("night", lines(*rows))
    assert caught.value.detail.startswith(says)
    assert await desk.stories() == []


async def test_a_missing_sort_time_without_room_is_refused(desk):
    at = "2026-11-03T20:00:00.00{}Z"
    rows = [{"id": "a", "sort_time": at.format(2)}, {"id": "b"}, {"id": "c"}, {"id": "d", "sort_time": at.format(0)}]
    rows = [{**row, "headline": "h"} for row in rows]
    with pytest.raises(InvalidError, match=r"line 3: sort_time: is missing, and there is no room") as caught:
        await desk.import_("night", lines(STORY, *rows))
    assert caught.value.extra["line"] == 3
    await desk.import_("night", lines(STORY, rows[0], rows[1], rows[3]))
    assert await ids(desk) == ["a", "b", "d"]


async def test_a_withdrawn_post_needs_no_date_of_that(desk):
    await desk.import_("night", lines(STORY, {"id": "a", "status": "withdrawn", "withdrawal_note": "Wrong."}))
    assert (await desk.post("night", "a"))["withdrawal_note"] == "Wrong."


async def test_a_place_before_the_first_year_is_refused(desk):
    first = "1900-01-01T00:00:00Z"
    rows = [{"id": "a", "headline": "h", "sort_time": first}, {"id": "b", "headline": "h", "sort_time": first}]
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", lines(STORY, *rows))
    assert caught.value.detail.startswith("line 3: sort_time: must lie in the years 1900 to 2200")
    assert await desk.stories() == []


async def test_a_tie_at_the_end_of_the_last_year_is_refused(desk):
    await desk.create_story({"slug": "night", "headline": "h"})
    last = {"headline": "h", "sort_time": "2200-12-31T23:59:59.999Z"}
    await desk.publish("night", {"id": "a", **last})
    with pytest.raises(InvalidError) as caught:
        await desk.publish("night", {"id": "b", **last})
    assert caught.value.field == "sort_time"
    assert await ids(desk) == ["a"]


async def test_a_stored_id_is_skipped_if_it_says_the_same_and_refused_if_not(desk):
    rows = [{"id": "a", "headline": "One", "body": "b"}, {"id": "b", "headline": "Two"}]
    await desk.import_("night", lines(STORY, *rows))
    await desk.edit("night", "a", {"headline": "Edited"})
    await desk.delete("night", "b")
    report = await desk.import_("night", lines(*rows, {"id": "c", "headline": "Three"}))
    assert (report.added, report.skipped) == (1, 2)
    assert (await desk.post("night", "a"))["headline"] == "Edited"
    assert await ids(desk) == ["a", "c"]
    other = {"id": "a", "headline": "Quite another"}
    with pytest.raises(ConflictError, match=r"line 2: id: 'a' is stored already with other content") as caught:
        await desk.import_("night", lines({"id": "d", "headline": "Four"}, other))
    assert caught.value.extra["line"] == 2
    with pytest.raises(ConflictError, match=r"line 1: id: 'b' .* and was deleted"):
        await desk.import_("night", lines({"id": "b", "headline": "Quite another"}))
    assert await ids(desk) == ["a", "c"]


async def test_a_story_that_says_something_else_is_refused(desk):
    await desk.create_story({"slug": "night", "headline": "Mine"})
    with pytest.raises(ConflictError, match=r"line 1: story 'night' is stored already with another headline, status"):
        await desk.import_("night", lines(STORY, {"id": "a", "headline": "One"}))
    await desk.delete_story("night")
    with pytest.raises(GoneError, match="never returns"):
        await desk.import_("night", lines(STORY))


async def test_posts_without_id_get_the_same_one_each_time(desk):
    rows = [{"headline": "One"}, {"headline": "Two", "body": "b"}]
    await desk.import_("night", lines(STORY, *rows))
    report = await desk.import_("night", lines(STORY, *rows))
    assert (report.added, report.skipped) == (0, 2)


async def test_dry_run_checks_and_stores_nothing(desk):
    report = await desk.import_("night", lines(STORY, {"id": "a", "headline": "One"}), dry_run=True)
    assert (report.added, report.skipped) == (1, 0)
    assert await desk.stories() == []
    with pytest.raises(InvalidError):
        await desk.import_("night", lines(STORY, b"{"), dry_run=True)


async def test_a_rerun_finishes_what_broke_off_and_keeps_the_order(desk, elsewhere, monkeypatch):
    monkeypatch.setattr(transfer, "BATCH_POSTS", 10)
    rows = [{"id": f"p{n}", "headline": f"h{n}", **({"body": "b"} if n % 3 else {})} for n in range(45)]
    story = {
        "story": {"headline": "n", "version": 77, "pinned_post_id": "p44", "date_modified": "2026-11-03T20:00:00Z"}
    }

    def breaks(done, of):
        assert of == 45
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await desk.import_("night", lines(story, *rows), breaks)
    assert len(await ids(desk)) == 20
    report = await desk.import_("night", lines(story, *rows))
    assert (report.added, report.skipped) == (25, 20)
    assert await ids(desk) == [f"p{n}" for n in range(45)]
    held = await desk.story("night")
    assert (held["version"], held["pinned_post_id"], held["post_count"]) == (77, "p44", 45)
    whole = await exported(desk)
    await elsewhere.import_("night", io.BytesIO(whole))
    assert await exported(elsewhere) == whole


async def test_readers_are_told_once(desk, monkeypatch):
    monkeypatch.setattr(transfer, "BATCH_POSTS", 10)
    async with desk.store.server.hearer() as channel:
        await channel.subscribe(desk.store.keys.channel("night"))
        assert (await channel.get_message(timeout=5))["type"] == "subscribe"
        await desk.import_("night", lines(STORY, *({"id": f"p{n}", "headline": "h"} for n in range(45))))
        await desk.edit_story("night", {"headline": "Done"})
        told = [orjson.loads((await channel.get_message(timeout=5))["data"])["type"] for _ in range(2)]
    assert told == ["reset", "story.updated"]


async def test_chunks_from_a_network_are_lines_too(desk):
    rows = b"".join(lines(STORY, {"id": "a", "headline": "Zoë"}, {"id": "b", "headline": "h"}))

    async def chunks():
        for n in range(0, len(rows), 7):
            yield rows[n : n + 7]

    assert (await desk.import_("night", chunks())).added == 2
    assert (await desk.post("night", "a"))["headline"] == "Zoë"


def test_a_line_without_end_is_not_read_to_its_end():
    file = io.BytesIO(b"x" * (LINE_BYTES * 10))
    assert len(next(lines_of(file))) <= LINE_BYTES + 2
    with pytest.raises(InvalidError, match="line 1: is longer"):
        check_file("night", lines_of(io.BytesIO(b"x" * (LINE_BYTES * 3))))


# Order, over everything that may stand in a file

BETWEEN = strategies.integers(0, 30)
MAYBE = strategies.one_of(strategies.none(), BETWEEN)


@settings(max_examples=300, deadline=None)
@given(
    strategies.lists(strategies.tuples(MAYBE, MAYBE), min_size=1, max_size=12),
    strategies.sets(BETWEEN),
)
def test_places_are_unique_and_missing_ones_keep_the_order(rows, stored):
    """Rows are (given sort_time, date_published), in milliseconds after NOW - 30."""

    def time(ms):
        return "" if ms is None else format_time(NOW - 30 + ms)

    entries = [
        Entry(n + 1, Post(id=f"p{n}", sort_time=time(sort), date_published=time(date)), "")
        for n, (sort, date) in enumerate(rows)
    ]
    taken = {NOW - 30 + ms: f"s{ms}" for ms in stored}
    fixed = [sort for sort, _ in rows if sort is not None]
    try:
        order.place(entries, NOW, dict(taken))
    except InvalidError:
        event("no room")
        return
    placed = [parse_time(entry.post.sort_time) for entry in entries]
    assert len(set(placed)) == len(placed)
    assert not set(placed) & set(taken)
    if fixed == sorted(fixed, reverse=True):
        assert placed == sorted(placed, reverse=True)
        if not stored and len(set(fixed)) == len(fixed):
            assert all(sort is None or ms == NOW - 30 + sort for (sort, _), ms in zip(rows, placed, strict=True))


@given(strategies.lists(strategies.tuples(strategies.none(), MAYBE), min_size=1, max_size=12), strategies.sets(BETWEEN))
def test_without_given_times_there_is_always_room(rows, stored):
    entries = [
        Entry(n + 1, Post(id=f"p{n}", date_published="" if date is None else format_time(NOW - date)), "")
        for n, (_, date) in enumerate(rows)
    ]
    order.place(entries, NOW, {NOW - ms: f"s{ms}" for ms in stored})
    placed = [parse_time(entry.post.sort_time) for entry in entries]
    assert placed == sorted(set(placed), reverse=True)
    assert placed[0] <= NOW + len(rows)


@pytest.mark.parametrize(
    "raw", [b"\x00", b"{}", b'{"id":1}', b'{"story":[]}', b'{"a":' * 3000, b'{"images":{}}', b"9" * 5000, b"NaN"]
)
def test_rubbish_is_a_bad_line_and_nothing_else(raw):
    with pytest.raises(StoppressError) as caught:
        check_file("night", [raw, raw])
    assert caught.value.extra["line"] in (1, 2)


# What cannot be kept, what is wrong in many lines, and ids of other systems


async def test_what_could_not_be_kept_is_named_by_line_and_kind(desk):
    rows = [
        {
            "id": "pic",
            "content_html": '<figure><img src="https://i.example/a.jpg"><figcaption>Noon</figcaption></figure>',
        },
        {"id": "tube", "headline": "h", "content_html": '<p>Watch:</p><iframe src="https://v.example/1"></iframe>'},
        {"id": "form", "headline": "h", "content_html": "<form>Name<input></form>"},
        {"id": "md", "headline": "h", "body": "<p>Hello</p>"},
    ]
    dry = await desk.import_("night", lines(STORY, *rows), dry_run=True)
    report = await desk.import_("night", lines(STORY, *rows))
    assert dry.warnings == report.warnings
    assert [(told["line"], told["id"], told["kind"]) for told in report.warnings] == [
        (2, "pic", "img"),
        (3, "tube", "iframe"),
        (4, "form", "form"),
        (4, "form", "input"),
        (5, "md", "body"),
    ]
    assert (await desk.post("night", "pic"))["images"] == [{"url": "https://i.example/a.jpg", "caption": "Noon"}]


async def test_strict_refuses_what_would_be_lost_and_lets_pictures_move(desk):
    moved = {"id": "pic", "headline": "h", "content_html": '<p>a</p><img src="/a.jpg">'}
    lost = [{"id": f"p{n}", "headline": "h", "content_html": "<p>a</p><form>b</form>"} for n in range(2)]
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", lines(STORY, moved, *lost), strict=True)
    assert caught.value.detail.split("\n") == [
        f"line {n}: content_html: form left out, its text kept (strict: nothing may be lost)" for n in (3, 4)
    ]
    assert await desk.stories() == []
    assert (await desk.import_("night", lines(STORY, moved), strict=True)).added == 1


async def test_strict_names_what_else_a_post_would_lose(desk):
    rows = [
        {"headline": "h", "content_html": "a" + "".join(f"<x-{n}>b</x-{n}>" for n in range(count))} for count in (5, 7)
    ]
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", lines(STORY, *rows), strict=True)
    named = "; ".join(f"x-{n} became its text" for n in range(5))
    assert caught.value.detail.split("\n") == [
        f"line 2: content_html: {named} (strict: nothing may be lost)",
        f"line 3: content_html: {named}; and 2 more (strict: nothing may be lost)",
    ]


@pytest.mark.parametrize("html", ["<iframe srcdoc=x></iframe>", "<script>a()</script>", "<p> </p>", "<img src=a.jpg>"])
async def test_a_post_that_becomes_empty_is_refused(desk, html):
    with pytest.raises(InvalidError, match="line 2: content_html: leaves nothing that can be shown"):
        await desk.import_("night", lines(STORY, {"id": "a", "content_html": html}))
    assert (await desk.import_("night", lines(STORY, {"id": "a", "headline": "h", "content_html": html}))).added == 1


async def test_all_bad_lines_are_named_at_once_and_none_is_stored(desk):
    bad = [{"id": f"p{n}", "headline": "h", "tags": []} for n in range(23)]
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", lines(STORY, {"id": "good", "headline": "h"}, *bad))
    told = caught.value.detail.split("\n")
    assert told[:2] == [f"line {n}: tags: is not a field here; check its spelling" for n in (3, 4)]
    assert (len(told), told[-1]) == (21, "and 3 more")
    assert caught.value.extra["more"] == 3
    assert caught.value.extra["lines"][0] == {"line": 3, "detail": told[0]}
    assert await desk.stories() == []


async def test_bad_bodies_are_named_in_the_order_of_the_lines(desk):
    rows = [{"id": "a", "headline": "h", "body": "> " * 60}, {"id": "b", "headline": "h" * 301}]
    with pytest.raises(InvalidError) as caught:
        await desk.import_("night", lines(STORY, *rows))
    assert [told["line"] for told in caught.value.extra["lines"]] == [2, 3]


async def test_all_conflicts_and_all_lines_without_room_are_named_at_once(desk):
    await desk.import_("night", lines(STORY, {"id": "a", "headline": "h"}, {"id": "b", "headline": "h"}))
    with pytest.raises(ConflictError) as caught:
        await desk.import_("night", lines({"id": "a", "headline": "x"}, {"id": "b", "headline": "x"}))
    assert [told["line"] for told in caught.value.extra["lines"]] == [1, 2]
    at = "2026-11-03T20:00:00.00{}Z"
    rows = [{"id": f"s{n}", "sort_time": at.format(9 - n)} if n % 2 == 0 else {"id": f"s{n}"} for n in range(5)]
    rows[2]["sort_time"], rows[4]["sort_time"] = at.format(8), at.format(7)
    with pytest.raises(InvalidError) as caught:
        await desk.import_("other", lines(STORY, *({**row, "headline": "h"} for row in rows)))
    assert [told["line"] for told in caught.value.extra["lines"]] == [3, 5]


async def test_foreign_ids_get_the_same_one_each_time_and_links_follow(desk):
    rows = [
        {"id": "urn:newsml:x:2026:abc", "headline": "h", "content_html": '<p><a href="#post-17">below</a></p>'},
        {"id": "https://old.example/live#block-1", "headline": "h", "content_html": "<p>x</p>"},
        {"id": 17, "headline": "h", "url": "https://old.example/17"},
        {"id": "n" * 65, "headline": "h", "content_html": '<p><a href="https://old.example/17">a</a></p>'},
    ]
    story = {"story": {"headline": "h", "pinned_post_id": rows[1]["id"]}}
    report = await desk.import_("night", lines(story, *rows))
    ours = await ids(desk)
    assert list(report.ids.values()) == [ours[1], ours[0], ours[3]]  # the pin stands first
    assert ours[0] == "abc-" + report.ids["urn:newsml:x:2026:abc"][-16:]
    assert ours[2] == "17"
    assert all(POST_ID.fullmatch(id) for id in ours)
    assert (await desk.story("night"))["pinned_post_id"] == ours[1]
    for id in (ours[0], ours[3]):
        assert '<a href="/live/night/posts/17"' in (await desk.post("night", id))["content_html"]
    again = await desk.import_("night", lines(story, *rows))
    assert (again.added, again.skipped, again.ids) == (0, 4, report.ids)


def test_ids_that_differ_little_differ():
    foreign = [f"urn:x:{n}:a" for n in range(500)] + [f"{'x' * 80}{n}" for n in range(500)]
    file = check_file("night", lines(*({"id": id, "headline": "h"} for id in foreign)))
    assert len({entry.post.id for entry in file.entries}) == len(foreign)


CONSTRUCTS = [
    "<ol start=3><li>Third<ul><li>inner one</li><li>inner two<ol><li>deep</li></ol></li></ul></li><li>Fourth</li></ol>",
    "<table><caption>Count</caption><thead><tr><th>Party<th>Seats</thead><tr><td>Red<td>1,212<tr><td>Blue<td>−9</table>",
    "<dl><dt>Dead<dd>3<dt>Hurt<dd>14</dl>",
    '<figure><img src="/a.jpg" alt="x"><figcaption>The bridge at noon</figcaption></figure><p>After</p>',
    "<pre><code>if x &lt; 1:\n    go()\n</code></pre>",
    '<blockquote cite="https://e.example/"><p>We leave.</p><footer>Ana <cite>Log</cite></footer></blockquote>',
    "<p>10<sup>6</sup> people, CO<sub>2</sub></p>",
    "<p>one<br>two</p><p>a &amp; b &eacute; 5&nbsp;km &#8212; 7</p>",
    '<p>Watch</p><iframe src="https://v.example/1" title="The speech"></iframe>',
    '<video src="https://v.example/v.mp4" title="The film"></video>',
    '<p dir="rtl" lang="ar">أُغلق الجسر عند 14:30</p>',
    "<section>one<aside>two</aside><div>three <b>four</b></div></section>",
    "<p>The <x-term>bridge</x-term>, <noscript>closed <amp-img src=/late.jpg></amp-img></noscript>12<in>km</in></p>",
    "<amp-youtube data-videoid=a title=Speech></amp-youtube><math><msup><mn>10</mn><mn>6</mn></msup></math>",
]
# What a reader reads of them. A caption is the picture's; an address stands in its link.
SAID = [
    "3 Third inner one inner two 1 deep 4 Fourth",
    "Count Party Seats Red 1 212 Blue 9",
    "Dead 3 Hurt 14",
    "After",
    "if x 1 go",
    "We leave Ana Log",
    "10⁶ people CO₂",
    "one two a b é 5 km 7",
    "Watch The speech",
    "The film",
    "أُغلق الجسر عند 14 30",
    "one two three four",
    "The bridge closed 12 km",
    "Speech 10⁶",
]


async def test_twelve_constructs_come_through_word_by_word_and_stay_byte_equal(desk, elsewhere):
    rows = [{"id": f"c{n}", "headline": "h", "content_html": html} for n, html in enumerate(CONSTRUCTS)]
    await desk.import_("night", lines(STORY, *rows))
    for n, said in enumerate(SAID):
        post = await desk.post("night", f"c{n}")
        assert re.findall(r"[\w⁶₂ُ]+", post["article_body"].replace("- ", "")) == said.split()
    first = await exported(desk)
    await elsewhere.import_("night", io.BytesIO(first))
    assert await exported(elsewhere) == first


@settings(max_examples=60, deadline=None)
@given(strategies.lists(strategies.sampled_from(CONSTRUCTS), min_size=1, max_size=4).map("".join))
def test_what_is_exported_is_taken_back_as_it_stands(html):
    once = check_file("night", lines({"id": "a", "headline": "h", "content_html": html})).entries[0].post
    again = check_file("night", lines(msgspec.to_builtins(once))).entries[0]
    assert again.post == once
    assert again.notes == []


async def test_plain_text_of_an_agency_keeps_its_lines(desk):
    await desk.import_("night", lines(STORY, {"id": "a", "article_body": "First.\n– A quote.\nThird."}))
    post = await desk.post("night", "a")
    assert post["content_html"] == "<p>First.</p><p>– A quote.</p><p>Third.</p>"
    assert post["article_body"] == "First.\n– A quote.\nThird."


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("date_published", {"date_published": "2027-01-01T00:00:00Z"}),
        ("date_modified", {"date_modified": "2027-01-01T00:00:00Z"}),
        ("date_withdrawn", {"status": "withdrawn", "date_withdrawn": "2027-01-01T00:00:00Z"}),
        ("corrections[0].date_published", {"corrections": [{"text": "x", "date_published": "2027-01-01T00:00:00Z"}]}),
    ],
)
async def test_what_is_imported_has_happened_already(store, field, row):
    """As `publish` says; what is planned, a story's coverage_end_time, may lie ahead."""
    story = {"story": {"headline": "h", "coverage_end_time": "2027-01-01T00:00:00Z"}}
    rows = lines(story, {"headline": "a", "date_published": format_time(NOW)}, {"headline": "b", **row})
    with pytest.raises(InvalidError, match=re.escape(f"line 3: {field}: lies in the future")):
        await transfer.import_(store, "night", rows, now=NOW, dry_run=True)
    assert (await transfer.import_(store, "night", rows[:2], now=NOW)).added == 1


@pytest.mark.parametrize("field", ["date_published", "date_modified"])
async def test_a_story_is_of_the_past_too(store, field):
    rows = lines({"story": {"headline": "h", field: format_time(NOW + 1)}}, {"headline": "a"})
    with pytest.raises(InvalidError, match=f"line 1: story.{field}: lies in the future"):
        await transfer.import_(store, "night", rows, now=NOW)


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("headline", {"id": "c"}),
        ("headline", {"byline": "By Ana Lee"}),
        ("headline", {"headline": "\u200b", "body": " "}),
        ("content_html", {"content_html": "<p>&#8203;</p>"}),
        ("content_html", {"content_html": "<ul><li></li></ul>"}),
        ("content_html", {"content_html": "<table><tr><td></td><td></td></tr></table>"}),
        ("content_html", {"content_html": "<p>&#8203;</p>", "article_body": "Only the screen reader's."}),
        ("content_html", {"content_html": "<script>a()</script>"}),
        ("body", {"body": "---"}),
        ("article_body", {"article_body": "\u2060"}),
    ],
)
def test_a_post_that_shows_nothing_is_refused(field, row):
    with pytest.raises(InvalidError, match=f"line 1: {field}: ") as refused:
        check_file("night", lines(row))
    assert refused.value.extra["line"] == 1


@pytest.mark.parametrize(
    "row",
    [
        {"headline": "h"},
        {"body": "b"},
        {"article_body": "b"},
        {"images": [{"url": "/a.jpg"}]},
        {"status": "withdrawn"},
        {"content_html": "<img src=/a.jpg>"},
    ],
)
def test_a_post_that_shows_anything_is_taken(row):
    assert len(check_file("night", lines({"id": "c", **row})).entries) == 1


async def test_no_edit_leaves_a_post_that_shows_nothing(desk):
    """Or its export could not be imported."""
    await desk.import_("night", lines(STORY, {"id": "c", "body": "b"}))
    with pytest.raises(InvalidError, match="withdraw or delete"):
        await desk.edit("night", "c", {"body": ""})
