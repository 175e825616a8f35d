"""Files that newsrooms really have, into stories that read right. The samples were written for these tests."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from stoppress.desk.converters import lines_from
from stoppress.desk.desk import Desk
from stoppress.newsroom.errors import InvalidError

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def desk(store):
    return Desk(store)


async def imported(desk, kind, name):
    report = await desk.import_("story", lines_from(kind, (SAMPLES / name).read_bytes()))
    return report, (await desk.posts("story"))["posts"]


async def test_a_live_blog_3_post_list(desk):
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    report, posts = await imported(desk, "liveblog3", "liveblog3.json")

    assert [post["id"] for post in posts] == list(report.ids.values())
    assert report.ids.keys() == {f"urn:newsml:localhost:2026-03-04T1{n}:00:00.000001:aaaa-{n + 1}" for n in (0, 1)}
    quote, ferry = posts
    assert ferry["article_body"] == "The first ferry has left with 212 people."
    assert ferry["images"] == [
        {
            "url": "https://img.example/ferry.jpg",
            "alt": "A ferry",
            "caption": "Leaving harbour",
            "credit_text": "Credit: Ben Okafor",
        }
    ]
    assert (ferry["byline"], ferry["is_key_event"], ferry["keywords"]) == ("Ana Ruiz", True, ["ferry"])
    assert (ferry["date_published"], ferry["date_modified"]) == ("2026-03-04T10:05:00.000Z", "2026-03-04T10:20:00.000Z")
    assert quote["article_body"] == "We sail at noon.\n\nThe captain\n\nA video of the deck"
    assert 'href="https://social.example/p/17"' in quote["content_html"]
    assert quote["byline"] == "By the desk"
    assert [(told["line"], told["kind"]) for told in report.warnings] == [(1, "script"), (2, "img")]


async def test_a_wordpress_export(desk):
    report, posts = await imported(desk, "wordpress", "wordpress.xml")

    story = await desk.story("story")
    assert (story["headline"], story["date_published"]) == (
        "Storm & ferries: as it happened",
        "2026-03-04T09:00:00.000Z",
    )
    assert [post["id"] for post in posts] == ["102", "101"]
    bridge, ferry = posts
    assert ferry["content_html"].startswith("<h4>Ferry leaves</h4>\n<p>It has 214 people on board, not 212: see <a ")
    assert 'href="/live/story/posts/102"' in ferry["content_html"]
    assert (ferry["date_published"], ferry["date_modified"]) == ("2026-03-04T09:10:00.000Z", "2026-03-04T09:50:00.000Z")
    assert ferry["authors"] == [{"name": "Ana Ruiz"}]
    assert not ferry["is_key_event"]
    assert (bridge["is_key_event"], bridge["article_body"]) == (True, "Bridge closed.")
    assert bridge["images"] == [
        {
            "url": "https://img.example/bridge.jpg",
            "alt": "A bridge",
            "caption": "The bridge at noon",
            "width": 600,
            "height": 400,
        }
    ]
    assert report.ids == {}


async def test_entries_of_wordpress_over_http(desk):
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    _, posts = await imported(desk, "wordpress", "wordpress.json")

    assert [(post["id"], post["article_body"], post["is_key_event"]) for post in posts] == [
        ("12", "Bridge closed.", True),
        ("11", "214 people.", False),
    ]
    assert posts[1]["date_published"] == "2026-03-04T09:10:00.000Z"


async def test_an_ninjs_package(desk):
    report, posts = await imported(desk, "ninjs", "ninjs.json")

    assert (await desk.story("story"))["headline"] == "Ferries in the storm"
    bridge, ferry = posts
    assert (bridge["headline"], bridge["article_body"]) == (
        "Bridge closed",
        "The north bridge is closed.\n– Nobody was hurt, police say.",
    )
    assert bridge["content_html"] == "<p>The north bridge is closed.</p><p>– Nobody was hurt, police say.</p>"
    assert ferry["article_body"] == "Transport TNA\n\nIt has 212 people on board, 10³ wait."
    assert (ferry["byline"], ferry["dateline"]) == ("Ana Ruiz", "Harbour Town")
    assert (ferry["date_published"], ferry["date_modified"]) == ("2026-03-04T09:00:00.000Z", "2026-03-04T09:30:00.000Z")
    assert ferry["images"] == [
        {
            "url": "https://img.example/ferry-1200.jpg",
            "alt": "A ferry",
            "caption": "Leaving harbour",
            "credit_text": "Ben Okafor",
            "width": 1200,
            "height": 800,
        }
    ]
    assert report.ids == {f"https://agency.example/text/{n}": post["id"] for n, post in ((1, ferry), (2, bridge))}


async def test_older_ninjs_has_objects_where_newer_has_lists(desk):
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    item = {
        "uri": "urn:a:1",
        "headline": "Old",
        "body_html": "<p>Text</p>",
        "associations": {
            "p": {"type": "picture", "headline": "P", "renditions": {"m": {"href": "https://i.example/a"}}}
        },
    }
    await desk.import_("story", lines_from("ninjs", orjson.dumps(item)))
    post = (await desk.posts("story"))["posts"][0]
    assert (post["headline"], post["article_body"]) == ("Old", "Text")
    assert post["images"] == [{"url": "https://i.example/a", "alt": "P"}]


@pytest.mark.parametrize(
    ("kind", "file", "says"),
    [
        ("liveblog3", b"nothing", "file: is not JSON"),
        ("liveblog3", b'{"_items": []}', "file: holds no posts"),
        ("wordpress", b"<rss><channel/></rss>", "file: has no post with live blog entries"),
        ("wordpress", b"<rss", "file: is neither JSON nor XML"),
        ("wordpress", b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "file: has a document type"),
        ("ninjs", b"[]", "file: is no ninjs"),
    ],
)
def test_other_files_are_refused_with_a_sentence(kind, file, says):
    with pytest.raises(InvalidError) as caught:
        lines_from(kind, file)
    assert caught.value.detail.startswith(says)


# What has no place here is kept as what it can be, or named; nothing goes without a word.


def converted(kind, value):
    return lines_from(kind, value if isinstance(value, bytes) else orjson.dumps(value))


def told(file):
    return [(item, note.kind, note.text) for item, _, note in file.notes]


def package(*members):
    return {
        "uri": "urn:p",
        "type": "composite",
        "headline": "P",
        "associations": {str(n): m for n, m in enumerate(members)},
    }


SIZES = {"s": {"href": "https://i.example/s", "width": 300}, "m": {"href": "https://i.example/m", "width": 1500}}


async def test_pictures_and_players_of_a_package_are_posts(desk):
    picture = {"uri": "urn:1", "type": "picture", "headline": "Quay", "description_text": "At noon", "byline": "Ben"}
    video = {"uri": "urn:2", "type": "video", "headline": "Waves", "renditions": {"v": {"href": "https://v.example/1"}}}
    file = converted("ninjs", package({**picture, "renditions": SIZES, "body_text": "alt"}, video))
    await desk.import_("story", file)
    waves, quay = sorted((await desk.posts("story"))["posts"], key=lambda post: post["headline"], reverse=True)
    image = {"url": "https://i.example/m", "alt": "Quay", "caption": "At noon", "credit_text": "Ben", "width": 1500}
    assert (quay["headline"], quay["article_body"], quay["images"]) == ("Quay", "", [image])
    assert 'href="https://v.example/1"' in waves["content_html"]
    assert waves["article_body"] == "Waves"
    assert told(file) == [("urn:2", "video", "video became a link: https://v.example/1")]


async def test_a_player_attached_to_a_text_is_a_link_below_it(desk):
    video = {"type": "video", "headline": "Waves & wind", "renditions": {"v": {"href": "https://v.example/1?a=1&b=2"}}}
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    text = {"uri": "urn:1", "type": "text", "headline": "H", "body_text": "One.\nTwo.", "associations": {"v": video}}
    await desk.import_("story", converted("ninjs", text))
    assert (await desk.posts("story"))["posts"][0]["article_body"] == "One.\n\nTwo.\n\nWaves & wind"


def test_members_of_a_package_that_are_no_posts_are_named():
    text = {
        "uri": "urn:1",
        "type": "text",
        "body_text": "a",
        "associations": {"p": {"type": "picture", "uri": "urn:2"}},
    }
    gone = {"uri": "urn:4", "type": "text", "body_text": "b", "pubstatus": "canceled"}
    empty = {"uri": "urn:5", "type": "picture"}
    file = converted("ninjs", package(text, {"uri": "urn:3", "type": "composite"}, gone, empty))
    assert len(file.lines) == 2
    assert told(file) == [
        ("the story", "composite", "composite urn:3 left out: it is no part of a post"),
        ("", "left behind", "left behind: 1 canceled"),
        ("urn:1", "picture", "picture urn:2 left out: it has no rendition with an address"),
        ("urn:5", "picture", "picture urn:5 left out: it has no rendition with an address"),
        ("urn:5", "item", "left out: nothing of it can be shown"),
    ]
    with pytest.raises(InvalidError, match=r"the story: composite urn:3 left out.*strict"):
        file.refuse_losses()


async def test_dates_as_superdesk_writes_them(desk):
    text = {"type": "text", "versioncreated": "2023-03-05T10:00:00+0000", "firstcreated": "2023-03-05T10:00:00+0130"}
    await desk.import_("story", converted("ninjs", package({**text, "uri": "urn:1", "body_text": "a"})))
    post = (await desk.posts("story"))["posts"][0]
    assert (post["date_published"], post["date_modified"]) == ("2023-03-05T08:30:00.000Z", "2023-03-05T10:00:00.000Z")


@pytest.mark.parametrize("at", ["2023-03-05T10:00:00+0000", "2023-03-05T10:00:00", "2023-03-05T10:00:00Z"])
async def test_dates_as_live_blog_3_writes_them(desk, at):
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    await desk.import_("story", converted("liveblog3", posts_of({"item_type": "text", "text": "a"}, published_date=at)))
    assert (await desk.posts("story"))["posts"][0]["date_published"] == "2023-03-05T10:00:00.000Z"


def posts_of(*items, **post):
    refs = [{"residRef": f"urn:i{n}", "item": item} for n, item in enumerate(items)]
    return {"_items": [{"_id": "urn:1", "groups": [{"refs": refs}], **post}]}


POLL = {
    "item_type": "poll",
    "text": "Poll placeholder",
    "poll_body": {
        "question": "Sail < noon?",
        "answers": [{"option": "Yes", "votes": 1_200}, {"option": "No", "votes": 0}],
    },
}
MEDIA = {"media": {"renditions": SIZES}, "caption": "At noon", "credit": "Ben"}


@pytest.mark.parametrize(
    ("item", "text", "says"),
    [
        (POLL, "Sail < noon?\n\n• Yes: 1,200 votes\n• No", "poll became a list of its options"),
        (
            {"item_type": "image", "meta": {"caption": "Quay"}},
            "Quay",
            "image left out: it has no address; its caption is kept",
        ),
        ({"item_type": "quote", "text": "<i>Go</i>", "meta": {"credit": "The captain"}}, "Go\n\nThe captain", ""),
        ({"item_type": "embed", "meta": {"original_url": "https://e.example/1"}}, "https://e.example/1", ""),
        (
            {"item_type": "embed", "meta": {"html": "<blockquote>Said</blockquote>", "description": "By A"}},
            "Said\n\nBy A",
            "",
        ),
        ({"item_type": "image", "meta": MEDIA}, "", ""),
    ],
)
async def test_items_of_live_blog_3_without_text(desk, item, text, says):
    await desk.create_story({"slug": "story", "headline": "Ferries"})
    file = converted("liveblog3", posts_of(item))
    await desk.import_("story", file)
    post = (await desk.posts("story"))["posts"][0]
    assert post["article_body"].replace("- ", "• ").replace("– ", "• ") == text
    assert told(file) == ([("urn:1", item["item_type"], says)] if says else [])
    images = [{"url": "https://i.example/m", "caption": "At noon", "credit_text": "Ben", "width": 1500}]
    assert post["images"] == (images if item.get("meta") == MEDIA else [])


def test_what_live_blog_3_keeps_elsewhere_is_counted():
    file = posts_of({"item_type": "scorecard", "meta": {"home": 1}}, {"item_type": "text", "text": "a"})
    file["_items"][0]["groups"][0]["refs"].append({"residRef": "urn:far"})
    states = [{"post_status": "draft"}, {"post_status": "draft"}, {"post_status": "submitted"}, {"deleted": True}]
    file["_items"] += [{"_id": f"urn:x{n}", **state} for n, state in enumerate(states)]
    file["_items"] += [{"no": "id"}, {"_id": "urn:2", "groups": []}]
    file["_meta"] = {"total": 1500}
    assert told(converted("liveblog3", file)) == [
        ("", "entry", "1 of 7 entries left out: they have no _id"),
        ("", "page", "the file has 7 of 1,500 posts: the others are on further pages"),
        ("", "left behind", "left behind: 1 deleted, 2 draft, 1 submitted"),
        ("urn:1", "scorecard", "scorecard left out: it has no text"),
        ("urn:1", "item", "urn:far left out: it is not in the file"),
        ("urn:2", "post", "left out: nothing of it can be shown"),
    ]


def test_what_is_left_behind_is_no_loss_but_a_file_of_it_is_refused():
    file = posts_of({"item_type": "text", "text": "a"})
    file["_items"].append({"_id": "urn:2", "post_status": "draft"})
    converted("liveblog3", file).refuse_losses()
    with pytest.raises(InvalidError, match="file: holds nothing to import: left behind: 1 draft"):
        converted("liveblog3", {"_items": file["_items"][1:]})


async def test_the_intro_of_a_wordpress_post_is_the_description(desk):
    intro = '<!-- wp:paragraph -->\n<p>All <a href="https://a.example">day</a>.</p>\n<!-- /wp:paragraph -->'
    whole = (SAMPLES / "wordpress.xml").read_bytes()

    def with_intro(text):
        made = f"</title>\n<content:encoded><![CDATA[{text}]]></content:encoded><wp:post_id>".encode()
        return converted("wordpress", whole.replace(b"</title>\n    <wp:post_id>", made))

    file = with_intro(intro + '\n\n<img src="https://i.example/a">')
    await desk.import_("story", file)
    assert (await desk.story("story"))["description"] == "All day."
    assert [kind for _, kind, _ in told(file)] == ["img", "a"]
    assert told(with_intro("x" * 4_001))[0][2].startswith("the post's own text left out: it has 4,001 characters")


async def test_headlines_that_are_html_elsewhere_are_lines_of_text_here(desk):
    whole = (SAMPLES / "wordpress.xml").read_bytes()
    title = b"<title><![CDATA[Toll 10<sup>6</sup> &amp; flood]]></title>\n    <wp:post_id>"
    await desk.import_(
        "story", converted("wordpress", re.sub(rb"<title>[^<]*</title>\n    <wp:post_id>", title, whole))
    )
    assert (await desk.story("story"))["headline"] == "Toll 10⁶ & flood"

    poll = {"question": "CO<sub>2</sub> &gt; 3?", "answers": [{"option": "5 < 6"}]}
    item = {"item": {"item_type": "poll", "poll_body": poll}}
    file = {"_items": [{"_id": "1", "headline": "H<sub>2</sub>O", "groups": [{"refs": [item]}]}]}
    line = converted("liveblog3", file).lines[0]
    assert b'"H\xe2\x82\x82O"' in line
    assert b"CO\xe2\x82\x82 &gt; 3?</p><ul><li>5 &lt; 6" in line


def test_descriptions_that_are_only_html_and_lists_of_members_are_read():
    picture = {"type": "picture", "renditions": {"a": {"href": "https://p.example/1.jpg"}}}
    picture["description_html"] = "<p>30 m<sup>2</sup></p>"
    text = {
        "uri": "urn:1",
        "type": "text",
        "body_text": "a",
        "associations": {"gallery": [picture, {"type": "graphic"}]},
    }
    file = converted("ninjs", text)
    assert orjson.loads(file.lines[0])["images"] == [{"url": "https://p.example/1.jpg", "caption": "30 m²"}]
    assert [kind for _, kind, _ in told(file)] == ["graphic"]
