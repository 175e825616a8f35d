"""A post's label: one line, from what the post has, that stops where a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.newsroom.label import CHARS, label
from stoppress.newsroom.model import Image, Post
from stoppress.newsroom.public import key_event, public_post

AT = "2014-10-29T21:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("It is over. People leave.", "It is over."),
        ("It is over", "It is over"),
        ("Dr. Lee said 1.5 million people fled. More came.", "Dr. Lee said 1.5 million people fled."),
        (
            "J. R. Ortiz of the U.S. Senate told example.org. He left.",
            "J. R. Ortiz of the U.S. Senate told example.org.",
        ),
        (
            "Gov. Newsom and St. John's vs. Mt. Etna Inc. Then the end.",
            "Gov. Newsom and St. John's vs. Mt. Etna Inc. Then the end.",
        ),
        ("He lives in No. 10 now. She does not.", "He lives in No. 10 now."),
        ("No. He stays.", "No."),
        ("Am 24. März kam er. Dann ging er.", "Am 24. März kam er."),
        ("“Why?” he asked. Nobody knew.", "“Why?” he asked."),
        ("“It is over.” The crowd left.", "“It is over.”"),
        ("Wait… what? Yes.", "Wait… what?"),
        ("Goal! 1-0 to the town.", "Goal!"),
        ("Yahoo! shares fell. Again.", "Yahoo! shares fell."),
        ("橋は閉鎖された。警察が発表した。", "橋は閉鎖された。"),
        ("「終わりだ。」と市長は言った。次へ。", "「終わりだ。」と市長は言った。"),
        ("谁赢了？没有人。", "谁赢了？"),
        ("ما الذي حدث؟ لا أحد يعرف.", "ما الذي حدث؟"),
        ("دریا چڑھ گیا ہے۔ پل بند ہے۔", "دریا چڑھ گیا ہے۔"),
        ("पुल बंद है। पुलिस ने कहा।", "पुल बंद है।"),
        ("¿Quién ganó? Nadie.", "¿Quién ganó?"),
        ("* * *\n\nThe text begins here.", "The text begins here."),
        ("A heading\n\nThe text.", "A heading"),
        ("- one thing\n- another", "one thing"),
        ("What is known:\n- one thing\n- another", "What is known:"),
        ("1. One thing\n2. another", "One thing"),
        ("It was\nfolded. So.", "It was folded."),
        ("Some 10\u00a0000 people", "Some 10\u00a0000 people"),
        ("🎉🎉", "🎉🎉"),
    ],
)
def test_the_first_sentence_of_the_text(text, line):
    assert label({"headline": "", "article_body": text, "date_published": AT}) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("word " * 40, " ".join(["word"] * 16) + "…"),
        ("a, " * 40 + "b", "a" + ", a" * 26 + "…"),
        ("字" * 100, "字" * 80 + "…"),
        ("see https://example.org/" + "a" * 100, ("see https://example.org/" + "a" * 100)[:80] + "…"),
        # Never inside what people see as one character.
        ("a" * 79 + "e\u0301" + "b" * 20, "a" * 79 + "…"),
        ("a" * 77 + "👨\u200d👩\u200d👧\u200d👦" + "b" * 20, "a" * 77 + "…"),
        ("a" * 79 + "👍🏽" + "b" * 20, "a" * 79 + "…"),
        ("a" + "🇩🇪🇫🇷" * 30, "a" + "🇩🇪🇫🇷" * 19 + "🇩🇪" + "…"),
        ("a" * 78 + "क्ष" + "b" * 20, "a" * 78 + "…"),
        ("a" * 79 + "\u1100\u1161\u11a8" + "b" * 20, "a" * 79 + "…"),
        ("a" * 79 + "ก\u0e33" + "b" * 20, "a" * 79 + "…"),
    ],
)
def test_a_long_one_is_cut_at_a_word(text, line):
    assert label({"article_body": text}) == line


def test_what_is_not_there_gives_way_to_the_next():
    pictures = [{"url": "/a.png", "alt": " "}, {"url": "/b.png", "alt": "", "caption": "The *old* bridge. In 1890."}]
    post = {"headline": "Bridge closed", "article_body": "It is. So.", "images": pictures, "date_published": AT}

    assert label(post) == "Bridge closed"
    assert label({**post, "headline": " \u200b"}) == "It is."
    del post["headline"]
    assert label({**post, "article_body": "---"}) == "The *old* bridge."
    assert label({**post, "article_body": "", "images": []}) == "29 October 2014, 21:00 UTC"
    assert label({"date_modified": AT}) == "29 October 2014, 21:00 UTC"
    assert label({}) == "Time unknown"


@given(text=st.text(max_size=300), alt=st.text(max_size=200))
def test_a_label_is_one_line_that_says_something(text, alt):
    line = label({"article_body": text, "images": [{"url": "/a", "alt": alt}]})

    assert line.strip()
    assert len(line) <= CHARS + 1
    assert not {"\n", "\r", "\u2028", "\u2029"} & set(line)


def test_a_public_post_without_a_headline_brings_its_label():
    post = Post(id="k", content_html="<p>It rose. Fast.</p>", article_body="It rose. Fast.", is_key_event=True)

    public = public_post("s", post)

    assert public["label"] == "It rose."
    assert "headline" not in public
    assert key_event(public)["headline"] == label(public) == "It rose."
    assert "label" not in public_post("s", Post(id="k", headline="Plain", article_body="It rose."))
    blank = public_post("s", Post(id="k", headline="\u200b", images=[Image(url="/a", alt="A bridge")]))
    assert (blank.get("headline"), blank["label"]) == (None, "A bridge")


def test_a_withdrawn_post_is_not_labelled_by_what_it_said():
    post = Post(id="k", status="withdrawn", headline="SECRET", article_body="SECRET", withdrawal_note="No.")

    public = public_post("s", post)

    assert "SECRET" not in str(public)
    assert label(public) == "Withdrawn post"


def test_a_key_event_brings_the_date_that_is_known():
    both = {"id": "k", "headline": "h", "sort_time": AT, "url": "/", "date_published": AT, "date_modified": AT}

    assert "date_modified" not in key_event(both)
    del both["date_published"]
    assert (key_event(both)["date_published"], key_event(both)["date_modified"]) == ("", AT)
