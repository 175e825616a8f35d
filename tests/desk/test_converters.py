"""Files that newsrooms really have, into stories that read right. The samples were written for these tests."""

from __future__ import annotations

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
