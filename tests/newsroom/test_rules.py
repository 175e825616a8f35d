"""The rules, by example: what each operation decides, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from stoppress.newsroom import rules
from stoppress.newsroom.errors import ConflictError, GoneError, InvalidError
from stoppress.newsroom.events import redacted
from stoppress.newsroom.model import Correction, Post, PostDraft, PostPatch, Story, StoryDraft, StoryPatch, Totals
from stoppress.newsroom.public import full_post, in_order, is_listed, key_event, public_post, story_view
from stoppress.newsroom.record import read
from stoppress.newsroom.times import format_time, parse_time, stored_ms

NOW = parse_time("2026-11-22T18:00:00Z")
LATER = NOW + 60_000


def a_post(**fields: object) -> Post:
    draft = read(PostDraft, {"headline": "Bridge closed", "body": "The bridge is closed."})
    change = rules.publish(draft, id="p1", html="<p>x</p>", text="x", now=NOW, created="c")
    assert change.post is not None
    return structs.replace(change.post, **fields)


def a_story(**fields: object) -> Story:
    made = rules.create_story(read(StoryDraft, {"slug": "storm", "headline": "Storm"}), NOW).story
    assert made is not None
    return structs.replace(made, **fields)


def test_a_new_post_takes_now_for_all_its_times():
    change = rules.publish(read(PostDraft, {"headline": "H"}), id="p", html="", text="", now=NOW, created="c")

    post = change.post
    assert post.date_published == post.date_modified == post.sort_time == "2026-11-22T18:00:00.000Z"
    assert (change.type, change.published, change.listed, change.expect_version) == ("post.published", 1, 1, 0)


def test_a_new_post_may_have_been_published_before_but_not_after_now():
    def change(**fields):
        draft = read(PostDraft, {"headline": "H", **fields})
        return rules.publish(draft, id="p", html="", text="", now=NOW, created="c")

    early = format_time(NOW - 1)
    assert change(date_published=early).post.date_modified == early
    assert change(date_published=early).post.sort_time == early
    assert change(date_published=early, sort_time=format_time(NOW - 2)).post.sort_time == format_time(NOW - 2)
    assert (change(pin=True).pin, change().pin) == ("p", None)
    with pytest.raises(InvalidError, match="date_published: lies in the future"):
        change(date_published=format_time(NOW + 1))


def test_an_edit_moves_the_shown_time_but_never_the_place():
    post = a_post()

    change = rules.edit(post, read(PostPatch, {"headline": "Bridge open"}), html="", text="", now=LATER)

    assert change.post.headline == "Bridge open"
    assert change.post.sort_time == post.sort_time
    assert change.post.date_published == post.date_published
    assert change.post.date_modified == format_time(LATER)
    assert (change.post.version, change.expect_version, change.touch) == (2, 1, True)


def test_a_minor_edit_moves_no_time_and_keeps_the_note():
    post = a_post(change_note="Adds the time")

    change = rules.edit(post, read(PostPatch, {"headline": "Bridge shut", "minor": True}), html="", text="", now=LATER)

    assert change.post.date_modified == post.date_modified
    assert change.post.change_note == "Adds the time"
    assert change.touch is False


@pytest.mark.parametrize(
    "change",
    [
        lambda post: rules.edit(post, read(PostPatch, {"headline": "Bridge shut"}), html="", text="", now=LATER),
        lambda post: rules.correct(post, Correction(text="It was the north bridge."), LATER),
        lambda post: rules.withdraw(post, "", LATER),
        lambda post: rules.restore(rules.withdraw(post, "", LATER).post, post, LATER),
    ],
    ids=["edit", "correct", "withdraw", "restore"],
)
def test_a_note_belongs_to_the_version_it_was_given_with(change):
    assert change(a_post(change_note="Adds the time")).post.change_note == ""


def test_an_edit_that_says_nothing_new_is_no_change():
    post = a_post()

    assert rules.edit(post, read(PostPatch, {"headline": post.headline}), html="", text="", now=LATER) is None


def test_a_note_alone_is_an_edit():
    change = rules.edit(a_post(), read(PostPatch, {"change_note": "Checked again"}), html="", text="", now=LATER)

    assert (change.post.change_note, change.post.version) == ("Checked again", 2)


def test_an_edit_that_would_leave_nothing_to_show_is_refused():
    post = a_post(headline="")
    with pytest.raises(InvalidError, match="headline: is missing, and so would be text and images: withdraw or delete"):
        rules.edit(post, read(PostPatch, {"body": ""}), html="", text="", now=LATER)
    picture = read(PostPatch, {"body": "", "images": [{"url": "/a.jpg"}]})
    assert rules.edit(post, picture, html="", text="", now=LATER).post.body == ""


def test_a_post_dated_ahead_of_this_clock_never_moves_back():
    ahead = format_time(LATER)
    post = a_post(date_modified=ahead)
    for change in (
        rules.edit(post, PostPatch(headline="x"), html="", text="", now=NOW),
        rules.withdraw(post, "", NOW),
        rules.restore(a_post(status="withdrawn", version=2), post, NOW),
    ):
        assert change.post.date_modified == ahead


def test_only_what_is_retracted_can_be_restored():
    with pytest.raises(ConflictError, match="only a withdrawn or deleted one"):
        rules.restore(a_post(), a_post(), LATER)
    change = rules.restore(a_post(status="withdrawn", version=2), a_post(), LATER)
    assert (change.published, change.listed) == (1, 0)  # its note was listed all the time


def test_deleting_twice_is_told_but_a_purge_of_what_is_deleted_erases():
    gone = rules.delete(a_post(), LATER, purge=False).post
    with pytest.raises(GoneError, match="restore brings it back"):
        rules.delete(gone, LATER, purge=False)

    change = rules.delete(gone, LATER, purge=True)

    assert (change.published, change.listed, change.erase) == (0, 0, True)


def test_a_published_post_goes_out_without_its_private_and_empty_fields():
    post = a_post(byline="By Ana")

    seen = public_post("storm", post)

    assert seen["url"] == "/live/storm/posts/p1"
    assert seen["byline"] == "By Ana"
    assert not {"body", "article_body", "keywords", "withdrawal_note", "is_breaking"} & set(seen)
    assert {"body", "article_body", "keywords"} <= set(full_post("storm", post))


@pytest.mark.parametrize(
    ("status", "listed"),
    [("published", True), ("withdrawn", True), ("deleted", False), ("draft", False), ("scheduled", False)],
)
def test_a_withdrawn_post_keeps_its_place_and_a_deleted_one_does_not(status, listed):
    assert is_listed(a_post(status=status)) is listed


def test_a_key_event_has_a_line_of_its_own_even_without_a_headline():
    entry = key_event({"id": "p", "sort_time": "t", "url": "/p", "content_html": "<p>x</p>"})

    assert entry == {"id": "p", "headline": "Time unknown", "date_published": "", "sort_time": "t", "url": "/p"}


def test_a_list_of_stories_begins_with_what_is_live_and_what_moved_last():
    def view(slug, status, at):
        return {"slug": slug, "status": status, "date_modified": at}

    stories = [
        view("e", "ended", "3"), view("u", "upcoming", "4"), view("b", "live", "1"),
        view("c", "live", "2"), view("a", "live", "1"), view("n", "live", ""), view("x", "archived", "9"),
    ]  # fmt: skip

    assert [story["slug"] for story in in_order(stories)] == ["c", "a", "b", "n", "u", "e", "x"]


def test_a_post_is_written_in_markdown_or_in_html():
    post = a_post()
    rules.body_or_html("text", UNSET)
    rules.body_or_html("", "<p>x</p>")
    with pytest.raises(InvalidError, match="content_html: stands beside a body"):
        rules.body_or_html("text", "<p>x</p>")

    change = rules.edit(post, PostPatch(content_html="<p>y</p>"), html="<p>y</p>", text="y", now=LATER)
    assert (change.post.body, change.post.content_html, change.post.article_body) == ("", "<p>y</p>", "y")
    again = rules.edit(change.post, PostPatch(content_html="<p>y</p>"), html="<p>y</p>", text="y", now=LATER)
    assert again is None


def test_a_withdrawn_post_shows_its_note_and_nothing_of_its_text():
    change = rules.withdraw(a_post(byline="By Ana", keywords=["bridge"]), "Based on a wrong report.", LATER)

    seen = public_post("storm", change.post)

    assert set(seen) == {
        *("id", "url", "status", "version", "date_published", "date_modified", "sort_time"),
        *("withdrawal_note", "date_withdrawn"),
    }
    assert seen["withdrawal_note"] == "Based on a wrong report."
    assert full_post("storm", change.post)["headline"] == "Bridge closed"


def test_withdrawing_counts_down_published_but_stays_listed():
    change = rules.withdraw(a_post(), "", LATER)

    assert (change.published, change.listed) == (-1, 0)


def test_restoring_brings_the_last_public_text_back():
    post = a_post()
    gone = rules.delete(post, LATER, purge=False).post

    change = rules.restore(gone, post, LATER + 1)

    assert (change.type, change.published, change.listed) == ("post.published", 1, 1)
    assert (change.post.headline, change.post.version, change.expect_version) == ("Bridge closed", 3, 2)


def test_a_purge_leaves_a_bare_tombstone_and_erases():
    change = rules.delete(a_post(byline="By Ana"), LATER, purge=True)

    assert change.erase
    assert not any((change.post.headline, change.post.body, change.post.byline, change.post.content_html))


def test_deleting_a_withdrawn_post_counts_down_only_listed():
    withdrawn = rules.withdraw(a_post(), "", LATER).post

    change = rules.delete(withdrawn, LATER, purge=False)

    assert (change.published, change.listed, change.unpin_if) == (0, -1, "p1")


@pytest.mark.parametrize("status", ["withdrawn", "deleted"])
def test_what_is_retracted_cannot_be_edited_corrected_or_withdrawn(status):
    post = a_post(status=status)
    for act in (
        lambda: rules.edit(post, PostPatch(headline="x"), html="", text="", now=NOW),
        lambda: rules.correct(post, Correction(text="x"), NOW),
        lambda: rules.withdraw(post, "", NOW),
    ):
        with pytest.raises((ConflictError, GoneError), match="restore it first"):
            act()


def test_a_correction_is_added_and_dated():
    change = rules.correct(a_post(), Correction(text="It was the north bridge."), LATER)

    assert [(c.text, c.kind, c.date_published) for c in change.post.corrections] == [
        ("It was the north bridge.", "correction", format_time(LATER))
    ]
    with pytest.raises(InvalidError, match="what was wrong"):
        rules.correct(a_post(), Correction(text="  "), LATER)


def test_reverting_keeps_corrections_and_says_so():
    first = a_post()
    second = rules.correct(structs.replace(first, headline="Wrong", version=2), Correction(text="c"), LATER).post

    change = rules.revert(second, first, LATER + 1)

    assert (change.post.headline, change.post.version) == ("Bridge closed", 4)
    assert change.post.corrections == second.corrections
    assert change.post.change_note == "Back to version 1"
    assert rules.revert(first, first, LATER + 1) is None


def test_ending_and_reopening_set_and_clear_the_end_time():
    ended = rules.edit_story(a_story(), read(StoryPatch, {"status": "ended"}), LATER)
    assert (ended.type, ended.story.coverage_end_time) == ("story.ended", format_time(LATER))

    reopened = rules.edit_story(ended.story, read(StoryPatch, {"status": "live"}), LATER + 1)
    assert (reopened.type, reopened.story.coverage_end_time) == ("story.reopened", "")


def test_a_story_begins_when_it_goes_live():
    upcoming = rules.create_story(read(StoryDraft, {"slug": "s", "headline": "S", "status": "upcoming"}), NOW).story
    assert (upcoming.date_published, upcoming.coverage_start_time) == ("", "")

    live = rules.edit_story(upcoming, read(StoryPatch, {"status": "live"}), LATER)

    assert live.type == "story.updated"
    assert live.story.date_published == live.story.coverage_start_time == format_time(LATER)
    again = rules.edit_story(live.story, read(StoryPatch, {"status": "ended"}), LATER + 1)
    assert again.story.date_published == format_time(LATER), "it went public once"


def test_times_of_coverage_that_an_editor_gives_win():
    start, end = "2026-11-22T06:00:00.000Z", "2026-11-23T06:00:00.000Z"
    made = rules.create_story(read(StoryDraft, {"slug": "s", "headline": "S", "coverage_start_time": start}), NOW).story
    assert made.coverage_start_time == start

    upcoming = a_story(status="upcoming", coverage_start_time="")
    live = rules.edit_story(upcoming, read(StoryPatch, {"status": "live", "coverage_start_time": start}), LATER)
    assert live.story.coverage_start_time == start
    ended = rules.edit_story(live.story, read(StoryPatch, {"status": "ended", "coverage_end_time": end}), LATER)
    assert ended.story.coverage_end_time == end
    reopened = rules.edit_story(ended.story, read(StoryPatch, {"status": "live", "coverage_end_time": end}), LATER)
    assert reopened.story.coverage_end_time == end


def test_an_end_before_its_start_is_refused_to_whoever_gives_one_of_them():
    story = a_story(coverage_start_time=format_time(NOW))
    with pytest.raises(InvalidError, match="coverage_end_time: lies before coverage_start_time"):
        rules.edit_story(story, read(StoryPatch, {"coverage_end_time": format_time(NOW - 1)}), LATER)
    old = structs.replace(story, coverage_end_time=format_time(NOW - 1))  # imported, say
    with pytest.raises(InvalidError, match="lies before"):
        rules.edit_story(old, read(StoryPatch, {"coverage_start_time": format_time(NOW)}), LATER)

    assert rules.edit_story(old, read(StoryPatch, {"headline": "Gale"}), LATER).story.headline == "Gale"


def test_pinning_takes_the_post_and_null_takes_the_pin():
    post = a_post()

    pinned = rules.edit_story(a_story(), StoryPatch(pinned_post_id="p1"), LATER, post)
    unpinned = rules.edit_story(a_story(), StoryPatch(pinned_post_id=None), LATER)
    left = rules.edit_story(a_story(), StoryPatch(headline="x"), LATER)

    assert (pinned.pin, pinned.pinned) == ("p1", post)
    assert (unpinned.pin, unpinned.pinned) == ("", None)
    assert left.pin is None


def test_a_deleted_story_keeps_its_name_and_nothing_else():
    change = rules.delete_story(a_story(description="secret", coverage_start_time=format_time(NOW)), LATER)

    assert (change.type, change.at, change.pin) == ("story.deleted", format_time(LATER), "")
    assert change.story == Story(slug="storm", headline="Storm", status="deleted")


def test_a_live_story_cannot_become_upcoming():
    with pytest.raises(ConflictError, match="cannot become upcoming"):
        rules.edit_story(a_story(), read(StoryPatch, {"status": "upcoming"}), LATER)


def test_a_retracted_post_cannot_be_pinned():
    with pytest.raises(ConflictError, match="restore it first"):
        rules.edit_story(a_story(), StoryPatch(pinned_post_id="p1"), LATER, a_post(status="withdrawn"))


def test_redacting_keeps_position_and_totals_and_drops_the_text():
    story = {"version": 1, "post_count": 1}
    event = {"type": "post.published", "epoch": "e", "seq": 4, "at": "t", "post": {"id": "p", "headline": "secret"}}
    event["story"] = story
    note = {"id": "p", "status": "withdrawn"}

    withdrawn, deleted = redacted(event, note), redacted(event, None)

    assert withdrawn == {"type": "post.withdrawn", "epoch": "e", "seq": 4, "at": "t", "post": note, "story": story}
    assert deleted == {"type": "post.deleted", "epoch": "e", "seq": 4, "at": "t", "post_id": "p", "story": story}
    pinning = {"type": "story.updated", "epoch": "e", "seq": 5, "at": "t", "story": story, "pinned": event["post"]}
    assert "secret" not in str(redacted(pinning, None)) + str(redacted(pinning, note))


def test_the_story_view_ends_with_the_totals_in_their_order():
    view = story_view(a_story(), Totals(version=3, post_count=2, listed_count=2, date_modified="t"))

    assert list(view)[:2] == ["slug", "url"]
    assert list(view)[-5:] == ["version", "post_count", "listed_count", "date_modified", "pinned_post_id"]


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        ({}, "headline", "missing"),
        ({"headline": " "}, "headline", "empty"),
        ({"headline": "x" * 301}, "headline", "300"),
        ({"headline": 3}, "headline", "must be text, not a whole number"),
        ({"headline": 1e23}, "headline", "must be text, not a number with a fraction or beyond 64 bits"),
        ({"headline": "x" * 301}, "headline", "must be text of at most 300 characters"),
        ({"headline": "\u200b\u2060 \u00ad\u3000\u2066"}, "headline", "must not be empty"),
        ({"headline": "x", "is_key_event": 1}, "is_key_event", "must be true or false, not a whole number"),
        ({"headline": "x", "keywords": "x"}, "keywords", "must be a list, not text"),
        ({"headline": "x", "images": [{"url": ""}]}, "images[0].url", "must not be empty"),
        (
            {"headline": "x", "images": [{"url": "/a.png", "width": -1}]},
            "images[0].width",
            "a whole number, at least 0",
        ),
        ({"headline": "x", "authors": [{"name": ""}]}, "authors[0].name", "must not be empty"),
        ({"headline": "x", "contributors": [{"name": "\u200b"}]}, "contributors[0].name", "must not be empty"),
        ({"headline": "a\nb"}, "headline", "one line"),
        ({"headline": "a\x00"}, "headline", "U+0000"),
        ({"headline": "\ud800"}, "headline", "Unicode"),
        ({"headline": "x", "body": "x" * 65_537}, "body", "64 KiB"),
        ({"headline": "x", "boddy": ""}, "boddy", "not a field"),
        ({"headline": "x", "id": "a b"}, "id", "1 to 64"),
        ({"headline": "x", "images": [{"url": "javascript:alert(1)"}]}, "images[0].url", "http"),
        ({"headline": "x", "images": [{"url": "//evil.example"}]}, "images[0].url", "http"),
        ({"headline": "x", "images": [{"url": "https://[bad/y.png"}]}, "images[0].url", "http"),
        ({"headline": "x", "images": [{"url": "/a.png"}] * 21}, "images", "must be a list of at most 20 entries"),
        ({"headline": "x", "authors": [{"name": "A", "role": "x"}]}, "authors[0].role", "not a field"),
        ({"headline": "x", "sort_time": "yesterday"}, "sort_time", "RFC 3339"),
        ({"headline": "x", "sort_time": "2026-11-22T18:00:00"}, "sort_time", "zone"),
        ({"headline": "x", "keywords": ["a", "b\nc"]}, "keywords[1]", "one line"),
        ([], "request", "object"),
    ],
)
def test_a_bad_draft_is_named_by_field_and_rule(given, field, rule):
    with pytest.raises(InvalidError) as caught:
        read(PostDraft, given)

    assert caught.value.field == field
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        ({"status": "draft"}, "status", "'draft' is not allowed here; must be one of upcoming, live, ended"),
        ({"default_sort": "x" * 500}, "default_sort", "must be newest or oldest"),
        ({"lead_image": {"url": ""}}, "lead_image.url", "must not be empty"),
        ({"lead_image": 3}, "lead_image", "must be a JSON object or null, not a whole number"),
        ({"language": "e"}, "language", "must be a language tag such as en"),
        ({"headline": "\u200d"}, "headline", "must not be empty"),
    ],
)
def test_a_bad_story_patch_is_named_by_field_and_rule(given, field, rule):
    with pytest.raises(InvalidError) as caught:
        read(StoryPatch, given)

    assert caught.value.field == field
    assert rule in caught.value.rule
    assert len(caught.value.detail) < 200


def test_a_good_draft_is_taken_as_it_is():
    given = {
        "headline": "Bridge closed",
        "body": "Two\n\nparagraphs.",
        "images": [{"url": "https://img.example.org/b.jpg", "caption": "Two\nlines", "width": 3}, {"url": "/b.png"}],
        "keywords": ["bridge"],
        "sort_time": "2026-11-22T19:00:00+01:00",
    }

    draft = read(PostDraft, given)

    assert draft.body == given["body"]
    assert [image.url for image in draft.images] == ["https://img.example.org/b.jpg", "/b.png"]
    assert draft.sort_time == "2026-11-22T18:00:00.000Z"  # one form for all times


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "a--b", "a_b", "ä", "a" * 81, "../a"])
def test_a_slug_is_part_of_an_address(slug):
    with pytest.raises(InvalidError, match="slug: must be 1 to 80"):
        read(StoryDraft, {"slug": slug, "headline": "x"})
    assert read(StoryDraft, {"slug": "election-night-2", "headline": "x"}).slug == "election-night-2"


def test_invisible_characters_within_words_are_kept():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert read(PostDraft, {"headline": family}).headline == family


def test_a_note_of_blanks_is_no_note():
    assert rules.withdraw(a_post(), " \t\u200b", LATER).post.withdrawal_note == ""
    assert rules.withdraw(a_post(), " Misheard.", LATER).post.withdrawal_note == " Misheard."


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_survive_a_round_trip(ms):
    assert parse_time(format_time(ms)) == ms
    assert stored_ms(format_time(ms)) == ms


@pytest.mark.parametrize(
    ("given", "earliest", "published", "start"),
    [
        ({}, "2018-03-01T00:00:00.000Z", "2018-03-01T00:00:00.000Z", "2018-03-01T00:00:00.000Z"),
        ({}, "", "", ""),
        (
            {"coverage_start_time": "2018-01-01T00:00:00.000Z"},
            "2018-03-01T00:00:00.000Z",
            "2018-03-01T00:00:00.000Z",
            "2018-01-01T00:00:00.000Z",
        ),
        ({}, "2027-01-01T00:00:00.000Z", format_time(NOW), format_time(NOW)),  # older than its posts
        ({"date_published": "", "coverage_start_time": ""}, "2018-03-01T00:00:00.000Z", "", ""),  # upcoming
    ],
)
def test_a_story_made_for_imported_posts_is_dated_by_them(given, earliest, published, start):
    story = rules.dated_by(a_story(**given), earliest)
    assert (story.date_published, story.coverage_start_time) == (published, start)
