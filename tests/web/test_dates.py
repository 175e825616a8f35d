"""What was imported, as readers and their programs meet it: dates of its own, or none; and posts without headlines."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import feedparser
import orjson
import pytest

from stoppress.newsroom.times import parse_time

ATOM = "{http://www.w3.org/2005/Atom}"
YEAR = "20[0-9][0-9]"
ARCHIVE = [
    {"story": {"headline": "Archive of 2014", "status": "ended", "coverage_end_time": "2014-10-30T03:00:00Z"}},
    {"id": "a", "headline": "Last", "date_published": "2014-10-30T02:00:00Z", "date_modified": "2014-10-30T02:05:00Z"},
    {"id": "b", "headline": "First", "date_published": "2014-10-29T21:00:00Z", "is_key_event": True},
]
BARE = [
    {"story": {"headline": "No headlines"}},
    {"id": "k1", "content_html": "<p>The bridge is shut. A lorry hit it.</p>", "is_key_event": True},
    {"id": "k2", "images": [{"url": "https://img.example/a.jpg", "alt": "A bridge"}], "is_key_event": True},
    {"id": "k3", "images": [{"url": "/a.jpg"}], "is_key_event": True, "date_modified": "2023-03-24T17:58:00Z"},
    {"id": "k4", "headline": "Goal! 1-0"},
    {"id": "k5", "status": "withdrawn", "headline": "SECRET", "content_html": "<p>SECRET</p>"},
]


async def imported(site, rows, slug="night"):
    await site.desk.import_(slug, [orjson.dumps(row) for row in rows])
    return slug


def texts(page: str, tag: str, name: str) -> list[str]:
    """What stands in the elements with that class, in order."""
    found = re.findall(rf'<{tag} class="{name}"[^>]*>(.*?)</{tag}>', page, re.S)
    return [re.sub("<[^>]*>", "", one).strip() for one in found]


async def test_an_archive_is_of_its_own_time_on_every_path(site):
    await imported(site, ARCHIVE)
    page = (await site.client.get("/live/night")).text
    json, atom, rss = [(await site.client.get(f"/live/night/feed.{kind}")).text for kind in ("json", "atom", "rss")]

    assert texts(page, "h2", "day-name") == ["Thursday 30 October 2014", "Wednesday 29 October 2014"]
    assert texts(page, "p", "updated") == ["Updated 30 October 2014, 02:05 UTC"]
    assert texts(page, "p", "when") == ["30 October 2014, 02:00 UTC", "29 October 2014, 21:00 UTC"]
    assert texts(page, "time", "key-time") == ["29 October 2014, 21:00"]
    assert texts(page, "span", "status-time") == ["Live coverage has ended · 30 October 2014, 03:00 UTC"]
    for said in (page, json, atom, rss, (await site.client.get("/")).text):
        shown = said.partition('<script type="application/json"')[0]
        assert set(re.findall(rf"\b{YEAR}\b(?=-[0-9]| [0-9]|, )|(?<=[a-z] ){YEAR}\b", shown)) == {"2014"}
    feed = ElementTree.fromstring(atom)
    assert feed.findtext(f"{ATOM}updated") == "2014-10-30T02:05:00.000Z"
    updated = [entry.findtext(f"{ATOM}updated") for entry in feed.iter(f"{ATOM}entry")]
    assert updated == ["2014-10-30T02:05:00.000Z", "2014-10-29T21:00:00.000Z"]
    assert "<lastBuildDate>Thu, 30 Oct 2014 02:05:00 GMT</lastBuildDate>" in rss


async def test_an_unknown_date_is_said_to_be_unknown_and_never_made_up(site):
    rows = [ARCHIVE[0], {"id": "u", "headline": "Unknown", "is_key_event": True}, *ARCHIVE[1:]]
    await imported(site, rows)
    page = (await site.client.get("/live/night")).text
    json, atom, rss = [await site.client.get(f"/live/night/feed.{kind}") for kind in ("json", "atom", "rss")]

    assert texts(page, "p", "when")[0] == "Time unknown"
    assert texts(page, "span", "key-time") == ["Time unknown"]
    assert "Time unknown" not in texts(page, "time", '[^"]*')
    assert not re.search(r"<time(?![^>]* datetime=\"2014-)", page)
    # Its neighbours decide under which heading it stands, and nothing else.
    assert re.findall(r'data-key="([^"]+)"', page)[:3] == ["day-2014-10-30", "post-u", "post-a"]
    item = json.json()["items"][0]
    assert not [name for name in item if name.startswith("date")]
    entry = ElementTree.fromstring(atom.content).find(f"{ATOM}entry")
    assert entry.find(f"{ATOM}published") is None
    assert entry.findtext(f"{ATOM}updated") == "2014-10-30T02:05:00.000Z"  # of its story: Atom wants one
    assert ElementTree.fromstring(rss.content).find("channel/item").find("pubDate") is None


async def test_where_nothing_is_known_nothing_is_said(site):
    await imported(site, [{"story": {"headline": "Unknown", "status": "ended"}}, {"id": "u", "headline": "One"}])
    page, index = (await site.client.get("/live/night")).text, (await site.client.get("/")).text
    rss = (await site.client.get("/live/night/feed.rss")).text
    atom = ElementTree.fromstring((await site.client.get("/live/night/feed.atom")).content)

    assert "<time" not in page + index
    assert not texts(page, "h2", "day-name")
    assert "lastBuildDate" not in rss
    assert "pubDate" not in rss
    assert {one.text[:4] for one in atom.iter(f"{ATOM}updated")} == {"1970"}


async def test_a_story_made_today_for_undated_posts_is_of_no_day_that_anybody_knows(site):
    await site.desk.create_story({"slug": "night", "headline": "Unknown"})
    await imported(site, [{"id": "u", "headline": "One"}])
    page, index = (await site.client.get("/live/night")).text, (await site.client.get("/")).text
    rss = (await site.client.get("/live/night/feed.rss")).text
    atom = ElementTree.fromstring((await site.client.get("/live/night/feed.atom")).content)

    assert "<time" not in page + index
    assert not texts(page, "p", "updated")
    assert "lastBuildDate" not in rss
    assert {one.text[:4] for one in atom.iter(f"{ATOM}updated")} == {"1970"}


async def test_out_of_order_there_are_no_headings_and_every_post_says_its_date(site):
    days = (24, 22, 23)
    posts = [{"id": f"p{day}", "headline": "h", "date_published": f"2023-03-{day}T10:00:00Z"} for day in days]
    await imported(site, [{"story": {"headline": "Shuffled"}}, *posts])
    for order, said in (("newest", days), ("oldest", days[::-1])):
        page = (await site.client.get(f"/live/night?sort={order}")).text
        assert not texts(page, "h2", "day-name")
        assert texts(page, "p", "when") == [f"{day} March 2023, 10:00 UTC" for day in said]


async def test_a_changed_post_of_unknown_date_keeps_its_place_and_its_heading(site):
    rows = [{"id": f"p{hour}", "headline": "h", "date_modified": f"2023-03-24T{hour}:00:00Z"} for hour in (17, 16, 15)]
    await imported(site, [{"story": {"headline": "Changed"}}, *rows])
    done = await site.desk.edit("night", "p16", {"headline": "Changed today"})
    assert (await site.client.get(f"/live/night/snapshot?min_seq={done.position.partition(':')[2]}")).status_code == 200

    page = (await site.client.get("/live/night")).text

    assert texts(page, "h2", "day-name") == ["Friday 24 March 2023"]
    said = texts(page, "p", "when")
    assert said[::2] == ["Updated 24 March 2023, 17:00 UTC", "Updated 24 March 2023, 15:00 UTC"]
    assert said[1] != "Updated 24 March 2023, 16:00 UTC"


async def test_a_page_of_last_year_says_so_from_new_year_on(site):
    await site.desk.create_story({"slug": "night", "headline": "New Year", "time_zone": "America/New_York"})
    await site.desk.import_(
        "night", [orjson.dumps({"id": "p", "headline": "h", "date_published": "2025-12-31T20:00:00Z"})]
    )
    tags = []
    for now, said in (
        ("2026-01-01T04:59:59Z", "15:00 EST"),
        ("2026-01-01T05:00:00Z", "31 December 2025, 15:00 EST"),
    ):
        site.parts.pages.clock = lambda now=now: parse_time(now)
        answers = [await site.client.get(path) for path in ("/live/night", "/")]
        assert texts(answers[0].text, "p", "when") == [said]
        assert (">31 December 2025, 15:00 EST<" in answers[1].text) == ("2025" in said)
        tags.append([answer.headers["etag"] for answer in answers])
    assert not set(tags[0]) & set(tags[1])


async def test_a_post_without_a_headline_has_a_label_wherever_one_is_shown(site):
    await imported(site, BARE)
    page = (await site.client.get("/live/night")).text
    snapshot = (await site.client.get("/live/night/snapshot")).json()
    atom = ElementTree.fromstring((await site.client.get("/live/night/feed.atom")).content)

    wanted = ["The bridge is shut.", "A bridge", "24 March 2023, 17:58 UTC"]
    assert texts(page, "span", "key-text") == wanted
    assert [entry["headline"] for entry in snapshot["key_events"]] == wanted
    assert [entry.findtext(f"{ATOM}title") for entry in atom.iter(f"{ATOM}entry")] == [*wanted, "Goal! 1-0"]
    assert texts(page, "h3", "visually-hidden") == wanted
    named = re.findall(r'<article[^>]* aria-labelledby="([^"]+)"', page)
    assert named == re.findall(r'<h3[^>]* id="([^"]+)"', page)
    assert re.search(r'<article[^>]* id="post-k5"[^>]* aria-label="Withdrawn post, time unknown"', page)
    for id, said in (("k1", wanted[0]), ("k4", "Goal! 1-0"), ("k5", "Withdrawn post")):
        alone = (await site.client.get(f"/live/night/posts/{id}")).text
        assert f"<title>{said} · No headlines</title>" in alone
        assert f'<meta property="og:title" content="{said}">' in alone
    assert "SECRET" not in page + orjson.dumps(snapshot).decode() + ElementTree.tostring(atom).decode()


@pytest.mark.parametrize("rows", [ARCHIVE, BARE, ARCHIVE[:1], [ARCHIVE[0], {"id": "u", "headline": "Only a headline"}]])
async def test_every_feed_is_one_by_its_own_rules(site, rows):
    await imported(site, rows)
    await site.desk.edit_story("night", {"description": "A < day.", "authors": [{"name": "Ana"}]})
    json, atom, rss = [await site.client.get(f"/live/night/feed.{kind}") for kind in ("json", "atom", "rss")]

    json_feed_1_1(json.json())
    rfc_4287(ElementTree.fromstring(atom.content))
    rss_2_0(ElementTree.fromstring(rss.content))
    read = [feedparser.parse(answer.content, response_headers=dict(answer.headers)) for answer in (atom, rss)]
    for feed in read:
        assert not feed.bozo, feed.get("bozo_exception")
        assert feed.feed.title == rows[0]["story"]["headline"]
        assert all(entry.id and entry.link and (entry.get("title") or entry.get("summary")) for entry in feed.entries)
    assert [feed.version for feed in read] == ["atom10", "rss20"]
    dates = [{entry.id: entry.get("published_parsed") for entry in feed.entries} for feed in read]
    assert all(dates[1][id] == date for id, date in dates[0].items())


def json_feed_1_1(feed) -> None:
    """https://www.jsonfeed.org/version/1.1/: what must be, and what is wrong if it is there but empty."""
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert isinstance(feed["items"], list)
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert item["id"]
        assert item.get("content_html") or item.get("content_text")
        for name in ("date_published", "date_modified"):
            assert name not in item or parse_time(item[name])
        for name in ("url", "image"):
            assert name not in item or item[name].startswith(("http://", "https://"))
    assert len({item["id"] for item in feed["items"]}) == len(feed["items"])


def rfc_4287(feed) -> None:
    """Its sections 4.1.1 and 4.1.2 (what a feed and an entry must have), 3.3 (dates), 4.2.6 (ids)."""

    def the(parent, name):
        (found,) = parent.findall(ATOM + name)
        assert (found.text or "").strip(), name
        return found.text

    ids = []
    for part in [feed, *feed.iter(f"{ATOM}entry")]:
        ids.append(the(part, "id"))
        the(part, "title")
        assert parse_time(the(part, "updated")) is not None
        assert len(part.findall(f"{ATOM}published")) <= 1
        links = [(link.get("rel"), link.get("type"), link.get("hreflang")) for link in part.findall(f"{ATOM}link")]
        assert len(set(links)) == len(links)
        assert any(rel == "alternate" for rel, *_ in links)
        assert all(name.text.strip() for name in part.findall(f"{ATOM}author/{ATOM}name"))
        assert all(category.get("term") for category in part.findall(f"{ATOM}category"))
        assert part.find(f"{ATOM}author") is not None or feed.find(f"{ATOM}author") is not None
    assert len(set(ids)) == len(ids)
    for tomb in feed.iter("{http://purl.org/atompub/tombstones/1.0}deleted-entry"):  # RFC 6721, section 3
        assert tomb.get("ref")
        assert parse_time(tomb.get("when")) is not None


def rss_2_0(rss) -> None:
    """https://www.rssboard.org/rss-specification: required of a channel, and of an item a title or a description."""
    (channel,) = rss.findall("channel")
    for name in ("title", "link", "description"):
        assert channel.findtext(name)
    for item in channel.iter("item"):
        assert item.findtext("title") or item.findtext("description")
        assert all(one.text for one in item)
        assert item.findtext("link").startswith("http")
