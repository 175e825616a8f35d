"""What changed between two versions, in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.cli.compare import since, story, words
from stoppress.newsroom.model import Post
from stoppress.newsroom.public import full_post


def version(number: int, **fields: object) -> dict[str, object]:
    at = f"2026-11-22T17:58:0{number}.000Z"
    post = Post(**{"id": "p1", "version": number, "headline": "One", "date_modified": at, **fields})
    return {**full_post("night", post), "changed_by": "ana", "changed_at": at}


def became(*versions: dict[str, object]) -> list[list[str]]:
    return [what for _, what in story(versions)]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("Bridge closed", "North bridge closed", "[-Bridge-]{+North bridge+} closed"),
        ("a b c d e f g h i j", "a b c d E f g h i j", "… b c d [-e-]{+E+} f g h …"),
        ("", "New.", "{+New.+}"),
        ("Gone.", "", "[-Gone.-]"),
        ("One.\n\nTwo.", "One.\n\nZwei.\n\nTwo.", "One.\n\n{+Zwei. ¶ +}Two."),
        ("選挙の夜", "選挙の朝", "選挙の[-夜-]{+朝+}"),
        ("x " * 5000, "y " * 5000, "written anew (10,000 → 10,000 characters)"),
    ],
)
def test_words(was, now, said):
    assert words(was, now) == said


def test_many_places_are_counted():
    was = " ".join(f"w{n} a b c d e f g h i" for n in range(9))
    assert words(was, was.replace("w", "v")).endswith(" … and 5 more places")


few_words = st.lists(st.sampled_from(["a", "b", "c", "選"]), max_size=5).map(" ".join)


@given(few_words, few_words)
def test_what_is_shown_is_in_both_texts(was, now):
    if was == now:
        return
    said = words(was, now).removeprefix("… ").removesuffix(" …")
    assert re.sub(r"{\+.*?\+}", "", said).replace("[-", "").replace("-]", "").strip() in was
    assert re.sub(r"\[-.*?-\]", "", said).replace("{+", "").replace("+}", "").strip() in now


def test_what_became_of_a_post():
    assert became(
        version(1),
        version(2, headline="Two", change_note="Says more."),
        version(
            3, headline="Two", is_key_event=True, change_note="Says more.", date_modified=version(2)["date_modified"]
        ),
        version(4, headline="Two", is_key_event=True, corrections=[{"text": "Not one.", "kind": "correction"}]),
        version(5, status="withdrawn", withdrawal_note="Wrong.", headline="Two"),
        version(6, headline="Two", is_key_event=True, corrections=[{"text": "Not one.", "kind": "correction"}]),
        version(7, status="deleted", headline=""),
        version(8, headline="Three", is_key_event=True, corrections=[{"text": "Not one.", "kind": "correction"}]),
    ) == [
        ["published: One"],
        ["headline: [-One-]{+Two+}", "note: Says more."],
        ["key event"],
        ["correction: Not one."],
        ["withdrawn: Wrong."],
        ["restored"],
        ["deleted"],
        ["restored", "headline: [-Two-]{+Three+}"],
    ]


def test_markdown_and_html_are_compared_by_their_words():
    markdown = {"body": "The **south** bridge.", "article_body": "The south bridge.", "content_html": "<p>m</p>"}
    same = {"article_body": "The south bridge.", "content_html": "<p>The south bridge.</p>"}
    other = {"article_body": "The north bridge.", "content_html": "<p>The north bridge.</p>"}
    versions = [version(1, **markdown), version(2, **same), version(3, **other), version(4, **markdown)]
    assert became(*versions)[1:] == [
        ["body: the same words, marked up otherwise"],
        ["body: The [-south-]{+north+} bridge."],
        ["body: The [-north-]{+south+} bridge."],
    ]
    assert since(versions[:2], 1) == []
    assert since(versions[:3], 1)[-2:] == ["-The south bridge.", "+The north bridge."]


def test_a_note_that_an_older_release_repeated_is_said_once():
    noted = {"change_note": "Says more."}
    corrected = {**noted, "corrections": [{"text": "c", "kind": "correction"}]}
    assert became(version(1), version(2, **noted), version(3, **corrected), version(4, **corrected)) == [
        ["published: One"],
        ["note: Says more."],
        ["correction: c"],
        ["note: Says more."],  # an edit that gave it again
    ]


def test_a_purged_post_has_nothing_to_compare():
    assert became(version(3, status="deleted", headline="")) == [["deleted, and all before it erased"]]


def test_since():
    kept = [version(1, body="One. Two."), version(2, body="One. Three.", byline="By Bo")]
    assert since(kept, 1) == [
        "--- version 1",
        "+++ version 2, by ana",
        "@@ -3,2 +3,2 @@",
        " One.",
        "-Two.",
        "+Three.",
        "Changed besides: byline",
    ]
    assert since(kept, 2) == since(kept, 9) == since([], 1) == []
