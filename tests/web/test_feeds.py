"""The feeds, read as a feed reader does: with an XML parser that forgives nothing."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import pytest

from stoppress.web.feeds import absolute, content

ATOM = "{http://www.w3.org/2005/Atom}"
GONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
SLUG = "flood"


@pytest.fixture
async def story(site):
    await site.desk.create_story({"slug": SLUG, "headline": "The river & the <bridge>", "description": "A day."})
    return site.desk


async def read(site, seq: int):
    """(JSON Feed, Atom, RSS) at `seq` or later."""
    assert (await site.client.get(f"/live/{SLUG}/snapshot?min_seq={seq}")).status_code == 200
    told = [await site.client.get(f"/live/{SLUG}/feed.{kind}") for kind in ("json", "atom", "rss")]
    assert all(answer.status_code == 200 for answer in told)
    return told[0].json(), ElementTree.fromstring(told[1].content), ElementTree.fromstring(told[2].content)


async def test_the_three_feeds_tell_the_same(site, story):
    draft = {
        "headline": "Water < bridge & rising",
        "body": "It *rose*, see [here](/map).",
        "byline": "From Ana in Porto",
        "authors": [{"name": "Ana", "url": "/people/ana"}],
        "contributors": [{"name": "Rui"}],
        "keywords": ["flood & rain"],
        "images": [{"url": "/a.png", "alt": "A bridge", "caption": "The bridge", "credit_text": "Rui", "width": 3}],
    }
    post = (await story.publish(SLUG, draft)).value
    await story.correct(SLUG, post["id"], "It was the old bridge.")

    json, atom, rss = await read(site, 3)

    base = site.url
    (item,), entry, rss_item = json["items"], atom.find(f"{ATOM}entry"), rss.find("channel/item")
    assert json["version"] == "https://jsonfeed.org/version/1.1"
    assert json["feed_url"] == f"{base}/live/{SLUG}/feed.json"
    assert (
        item["id"]
        == entry.findtext(f"{ATOM}id")
        == rss_item.findtext("guid")
        == f"urn:stoppress:live:{SLUG}:{post['id']}"
    )
    assert item["url"] == entry.find(f"{ATOM}link").get("href") == rss_item.findtext("link") == base + post["url"]
    assert item["title"] == entry.findtext(f"{ATOM}title") == rss_item.findtext("title") == draft["headline"]
    html = item["content_html"]
    assert html == entry.findtext(f"{ATOM}content") == rss_item.findtext("description")
    assert f'href="{base}/map"' in html
    assert f'src="{base}/a.png"' in html
    assert "It was the old bridge." in html
    assert item["authors"] == [{"name": "Ana", "url": f"{base}/people/ana"}]
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == "Ana"
    assert entry.findtext(f"{ATOM}contributor/{ATOM}name") == "Rui"
    assert item["tags"] == [entry.find(f"{ATOM}category").get("term")] == [rss_item.findtext("category")]
    published = datetime.fromisoformat(item["date_published"])
    assert datetime.fromisoformat(entry.findtext(f"{ATOM}published")) == published
    assert parsedate_to_datetime(rss_item.findtext("pubDate")) == published.replace(microsecond=0)
    assert json["title"] == atom.findtext(f"{ATOM}title") == rss.findtext("channel/title") == "The river & the <bridge>"
    for name in ("id", "updated", "author"):
        assert atom.find(ATOM + name) is not None


async def test_no_feed_tells_what_was_taken_back(site, story):
    kept, withdrawn, deleted = [
        (await story.publish(SLUG, {"headline": f"SECRET {n}", "body": "SECRET words"})).value["id"] for n in range(3)
    ]
    await story.withdraw(SLUG, withdrawn, "It was <not> so.")
    await story.delete(SLUG, deleted)
    await story.edit(SLUG, kept, {"headline": "Plain", "body": "plain"})

    json, atom, rss = await read(site, 7)

    for kind in ("json", "atom", "rss"):
        assert "SECRET" not in (await site.client.get(f"/live/{SLUG}/feed.{kind}")).text
    notes = {item["id"].rpartition(":")[2]: item["content_html"] for item in json["items"]}
    assert notes[withdrawn] == "<p><strong>This post was withdrawn.</strong> It was &lt;not&gt; so.</p>"
    assert notes.keys() == {kept, withdrawn}
    (tomb,) = [one for one in atom.iter(GONE) if one.get("ref").endswith(withdrawn)]
    assert datetime.fromisoformat(tomb.get("when"))
    assert [entry.findtext(f"{ATOM}title") for entry in atom.iter(f"{ATOM}entry")] == ["Plain"]
    assert len(list(rss.iter("item"))) == 2


async def test_a_deleted_post_leaves_a_tombstone_too(site, story):
    ids = [(await story.publish(SLUG, {"headline": f"Number {n}"})).value["id"] for n in range(3)]
    await story.delete(SLUG, ids[1])
    await story.delete(SLUG, ids[2])
    await story.restore(SLUG, ids[2])

    _, atom, _ = await read(site, 7)

    assert [one.get("ref").rpartition(":")[2] for one in atom.iter(GONE)] == [ids[1]]


async def test_hostile_text_leaves_the_xml_whole(site, story):
    for headline in ("]]><x/>", "&amp;&#0;", "\ufffe\uffff \U0001f600", "<!ENTITY a 'b'>", "{{ 7 * 7 }}{% raw %}"):
        draft = {
            "headline": headline,
            "byline": headline,
            "body": f"{headline}\n\n    {headline}",
            "keywords": [headline],
        }
        await story.publish(SLUG, draft)

    json, atom, rss = await read(site, 6)

    assert len(json["items"]) == len(list(atom.iter(f"{ATOM}entry"))) == len(list(rss.iter("item"))) == 5
    assert json["items"][0]["title"] == "{{ 7 * 7 }}{% raw %}"


async def test_the_public_address_makes_feeds_the_same_however_they_are_asked(site_with):
    async with site_with(public_url="https://news.example/paper") as site:
        await site.desk.create_story({"slug": SLUG, "headline": "The river"})
        told = await site.client.get(f"/live/{SLUG}/feed.json", headers={"Host": "evil.example"})
        assert told.json()["feed_url"] == f"https://news.example/paper/live/{SLUG}/feed.json"


@pytest.mark.parametrize("host", ['x"><script>', "a b", "evil/../x", "-" * 3000 + "\\"])
async def test_a_host_that_is_none_comes_nowhere(site, story, host):
    told = await site.client.get(f"/live/{SLUG}/feed.json", headers={"Host": host})
    assert told.status_code == 400 or host not in told.text


def test_only_paths_of_this_site_become_whole_addresses():
    assert absolute("/a", "https://x") == "https://x/a"
    assert absolute("https://y/a", "https://x") == "https://y/a"
    html = '<p><a href="/a">/a href="/b"</a> <a href="//c">c</a> <a href="https://d/">d</a></p>'
    post = {"status": "published", "content_html": html}
    assert content(post, "https://x") == html.replace('<a href="/a">', '<a href="https://x/a">')
