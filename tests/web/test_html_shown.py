"""What HTML of elsewhere says is read the same on the page, in the feeds, in the stream and in the plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import orjson
import pytest

from stoppress.newsroom.text import plain

CONSTRUCTS = {
    "lists": "<ol start=3><li>Third<ul><li>inner<ol type=a><li>deep</ol></ul><li>Fourth</ol>",
    "table": "<table><caption>Count</caption><thead><tr><th>Party<th>Seats</thead><tr><td>Red<td>1,212</table>",
    "terms": "<dl><dt>Dead<dd>3<dt>Hurt<dd>14</dl>",
    "figure": "<figure><pre>code 1 &lt; 2</pre><figcaption>Listing 7</figcaption></figure>",
    "quote": '<blockquote cite="/speech"><p>We leave at 6.</p><footer>Ana <cite>Log</cite></footer></blockquote>',
    "powers": "<p>10<sup>6</sup> people, CO<sub>2</sub><br>and &eacute; &amp; 5&nbsp;km</p>",
    "player": '<p>Watch</p><iframe src="https://v.example/1" title="The speech of 9"></iframe>',
    "video": '<video src="https://v.example/v.mp4" title="The film"></video>',
    "rtl": '<section dir="rtl"><p lang="ar">أُغلق الجسر عند 14:30</p><div>b 1</div></section>',
    "blocks": "<article>one</article><article>two</article>three<aside>four</aside>",
    "hidden": "<noscript>Vote <a href=https://p.example/>here</a></noscript><text>by 9</text><object>or 10</object>",
    "unknown": "<amp-video src=/v.mp4 title=Film></amp-video><x-a>one</x-a><x-a>two</x-a>",
}
SHOWN = {
    "lists": "Third inner deep Fourth",
    "table": "Count Party Seats Red 1 212",
    "terms": "Dead 3 Hurt 14",
    "figure": "code 1 2 Listing 7",
    "quote": "We leave at 6 Ana Log",
    "powers": "10 6 people CO 2 and é 5 km",
    "player": "Watch The speech of 9",
    "video": "The film",
    "rtl": "أُغلق الجسر عند 14 30 b 1",
    "blocks": "one two three four",
    "hidden": "Vote here by 9 or 10",
    "unknown": "Film one two",
}


class Words(HTMLParser):
    """The words of HTML, by the post they stand in; a tag parts words, except where a mark goes on in one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)
        self.words = re.findall(r"[\w\u0600-\u06ff]+", self.text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("store_server", ["embedded"], indirect=True)
async def test_no_word_is_lost_or_glued_wherever_it_is_read(site):
    rows = [{"story": {"headline": "h"}}, *({"id": id, "content_html": html} for id, html in CONSTRUCTS.items())]
    await site.desk.import_("twelve", [orjson.dumps(row) for row in rows])

    page = (await site.client.get("/live/twelve")).text
    posts = {post["id"]: post for post in (await site.client.get("/live/twelve/snapshot")).json()["posts"]}
    items = (await site.client.get("/live/twelve/feed.json")).json()["items"]
    feed = {item["id"].rpartition(":")[2]: item for item in items}
    for id, shown in SHOWN.items():
        html = posts[id]["content_html"]
        assert Words(html).words == shown.split()
        assert html in page
        assert Words(feed[id]["content_html"]).words == shown.split()
        read = (await site.desk.post("twelve", id))["article_body"]
        assert read == plain(html)
        said = re.sub(r"(?m)^(\w\. |- )", "", read).replace("⁶", " 6").replace("₂", " 2")
        assert re.findall(r"[\w\u0600-\u06ff]+", said) == shown.split()
    assert "10⁶ people, CO₂\nand é & 5\u00a0km" in (await site.desk.post("twelve", "powers"))["article_body"]
    assert 'cite="http' in feed["quote"]["content_html"], "addresses in a feed are whole"
