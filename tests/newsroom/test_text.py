"""Bodies: what CommonMark becomes, and that nothing hostile survives it."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growth import check_grows_in_line
from stoppress.newsroom.errors import InvalidError
from stoppress.newsroom.fields import BODY_BYTES
from stoppress.newsroom.text import NESTING, REL, TAGS, clean, plain, render

# What else may stand on a tag: numbers and a handful of words, none of which does anything.
HARMLESS = re.compile(
    r"(start|value)=-?\d{1,9}|reversed=|type=[1aAiI]|(col|row)span=[1-9]\d?|scope=(row|col|rowgroup|colgroup)"
    r"|align=(left|center|right)|dir=(ltr|rtl|auto)|lang=[A-Za-z0-9-]{2,40}|cite=(https?://[^\s/\\]|mailto:|tel:|/(?![/\\])).*"
)


class Audit(HTMLParser):
    """Reads HTML as a browser would and collects what must not be there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.stack: list[str] = []
        self.feed(html)
        self.close()
        if self.stack:
            self.faults.append(f"left open: {self.stack}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.faults.append(f"tag {tag}")
        if tag == "a" and "a" in self.stack:
            self.faults.append("a link in a link")
        if tag not in ("br", "hr"):
            self.stack.append(tag)
        for name, value in attrs:
            value = value or ""
            if (tag, name) == ("a", "href"):
                scheme = value.lower().split(":")[0]
                if not (value.startswith("/") or scheme in ("http", "https", "mailto", "tel")):
                    self.faults.append(f"href {value}")
                if value[1:2] in ("/", "\\", "\t", "\n") and value[0] == "/":
                    self.faults.append(f"href leaves the site: {value}")
            elif (tag, name) == ("a", "rel"):
                if value != REL:
                    self.faults.append(f"rel {value}")
            elif not HARMLESS.fullmatch(f"{name}={value}"):
                self.faults.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"end of {tag} out of place")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl}")


# One fragment between bars or line ends; \x, \u and \n are escapes.
HOSTILE = r"""<script>alert(1)</script>|<img src=x onerror=alert(1)>|<svg onload=alert(1)>
<svg><style><img src=x onerror=a()>
<math><mi//xlink:href="data:x,<script>a()</script>">|</p>|<!--|-->|<![CDATA[|]]>
<a href="javascript:alert(1)">x</a>|[x](javascript:alert(1))|[x](JaVaScRiPt&colon;alert(1))
[x](java&#10;script:alert(1))|[x](<java script:a()>)|<javascript:alert(1)>|[x](data:text/html,<script>)
![x](javascript:alert(1))|![x](http://h.example/a.png "onload=a")|[x](//h.example)|[x](/\\h.example)
[x](/&#9;/h.example)|[x](/%09/h)|[x](vbscript:x)|[x](http://h.example/"onclick="a\\()|[x]
[x]: javascript:alert(1)|[x]: /y 'a" onclick="b'|`|```|~~~|    |>|- |1. |999999999. |# |### |---|===|***|__|_|*
\\|<|&lt;script&gt;|&#x3C;script&#x3E;|\x00|\u202e|\u2028|\ufeff|"|'|<template>|<noscript>|<textarea>
</textarea>|<title>|<xmp>|<iframe src="//x">|<base href="//x">|<meta http-equiv=refresh>|<style>
<form><button formaction=javascript:a()>|<p style="position:fixed">|<p id=a class=b>|[![x](/p)](/q)
[a [b](/c) d](/e)|\n|\n\n|\t|word|<h1>|</h1>|<table><td>|<ul>|<li>|</ul>|<b>|</b>|<del>|</a>|<br>|</br>
<pre>\n\n|<div>|</div>|<plaintext>"""
FRAGMENTS = [
    re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[nt])", lambda found: found.group().encode().decode("unicode_escape"), piece)
    for piece in re.split(r"[|\n]", HOSTILE)
]
FRAGMENTS += re.split(
    r"\n",
    """<table>
<tr>
<td colspan=999999>
<td align=right onclick=a()>
<th scope=row>
<caption>
</table>
<dl>
<dt>
<dd>
</dl>
<section dir=rtl lang=ar>
<section dir=x lang="a b">
</section>
<figure>
<figcaption>
</figure>
<img src=//h.example/a.png alt=a>
<iframe src=javascript:a() title="<b>">
<video src=/v.mp4>
</video>
<object data="data:text/html,<script>">
<sup>
<sub>
</sup>
<q cite="javascript:a()">
<blockquote cite=//x>
<ol start=-5 reversed type=i>
<li value=9>
<ruby>a<rt>
</ruby>
<form>
<math><msup><mi>
</math>
<noscript><img src=x onerror=a()>
</noscript>
<details>
<summary>
<a href="tel:+3531">
<a href="www.h.example">
<a href=#post-a>
<span dir=rtl>
</span>
www.h.example/a_b)
https://h.example/(a)*,
~~
**你好。**世界
|a|b|
|-|:-:|
&nbsp;
<bdo dir=rtl>
<label>
<amp-img src=/a.jpg>
<amp-video src=javascript:a() poster=/p.jpg>
</amp-video>
<x-a href=/b>
</x-a>
<x0-a>
<object x1-tag=script>
</object>
</template>
<canvas>
</canvas>
<picture><source srcset="/a, b 2x">
<text>
</text>
<frame src=/f>
<noembed>
<iframe src=/i />
<a b
<!-- b""",
)
soup = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=6)), max_size=24).map("".join)


@given(soup)
@settings(max_examples=400, deadline=None)
def test_no_hostile_mix_survives_rendering_and_the_result_is_stable(body: str) -> None:
    try:
        made = render(body)
    except InvalidError as error:
        assert error.field == "body"  # noqa: PT017
        return
    assert Audit(made.html).faults == []
    assert render(body) == made
    assert clean(made.html) == made.html
    assert plain(made.html) == made.text


@given(soup)
@settings(max_examples=400, deadline=None)
def test_no_hostile_mix_survives_cleaning(html: str) -> None:
    try:
        made = clean(html)
    except InvalidError as error:
        assert error.field == "content_html"  # noqa: PT017
        return
    assert Audit(made).faults == []
    assert clean(made) == made


def test_a_body_becomes_html_and_paragraphs_of_text() -> None:
    made = render("**High water** came at _noon_.\nNobody was hurt.\n\n- one\n- two\n\n> “Leave now.”\n\n1. a\n2. b")
    assert made.html == (
        "<p><strong>High water</strong> came at <em>noon</em>.\nNobody was hurt.</p>\n"
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<blockquote>\n<p>“Leave now.”</p>\n</blockquote>\n"
        "<ol>\n<li>a</li>\n<li>b</li>\n</ol>"
    )
    assert made.text == "High water came at noon. Nobody was hurt.\n\n- one\n- two\n\n“Leave now.”\n\n1. a\n2. b"


def test_plain_text_keeps_code_lines_and_entities() -> None:
    assert render("a &amp; b\n\n    if x < 1:\n        go\n\nend\\\nline").text == (
        "a & b\n\nif x < 1:\n    go\n\nend\nline"
    )


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("# One\n## Two\n###### Six", "<h4>One</h4>\n<h5>Two</h5>\n<h5>Six</h5>"),
        ("[x](/live/a)", f'<p><a href="/live/a" rel="{REL}">x</a></p>'),
        ("<https://example.org/?a=1&b=2>", f'<p><a href="https://example.org/?a=1&amp;b=2" rel="{REL}">'
                                           "https://example.org/?a=1&amp;b=2</a></p>"),
        ("[x](mailto:desk@example.org)", f'<p><a href="mailto:desk@example.org" rel="{REL}">x</a></p>'),
        ("![A boat](https://example.org/b.png)", f'<p><a href="https://example.org/b.png" rel="{REL}">A boat</a></p>'),
        ("[![A boat](/b.png)](/c)", f'<p><a href="/c" rel="{REL}">A boat</a></p>'),
        ("[x](javascript:alert(1))", "<p>x</p>"),
        ("[x](//example.org)", "<p>x</p>"),
        ("[x](story.html)", "<p>x</p>"),
        ("![x](data:image/png;base64,AA)", "<p>x</p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("```js\na\n```", "<pre><code>a\n</code></pre>"),
    ],
)  # fmt: skip
def test_links_headings_pictures(body: str, html: str) -> None:
    assert render(body).html == html


def test_imported_html_keeps_its_meaning() -> None:
    assert clean("<div>a <b>b</b> <i>c</i></div><h1>t</h1><h2>u</h2><!-- x -->") == (
        "<p>a <strong>b</strong> <em>c</em></p><h4>t</h4><h4>u</h4>"
    )
    assert clean('<p onclick="a()" style="x">hi<script>b()</script><img src=x></p>') == "<p>hi</p>"


@pytest.mark.parametrize("level", ["> ", "- ", "1. "])
def test_nesting_ends_with_a_sentence_not_with_lost_text(level: str) -> None:
    assert "deep down" in render(level * NESTING + "deep down").text
    with pytest.raises(InvalidError, match=f"more than {NESTING} deep"):
        render(level * (NESTING + 1) + "deep down")


def test_deep_emphasis_and_deep_html_are_refused() -> None:
    with pytest.raises(InvalidError, match="deep"):
        render("*" * 400 + "a" + "*" * 400)
    with pytest.raises(InvalidError, match="deep"):
        clean("<ul><li>" * 5_000)


def test_what_multiplies_is_refused() -> None:
    with pytest.raises(InvalidError, match="link addresses"):
        render("[a]: http://x.example/" + "y" * 1_900 + "\n\n" + "[a] " * 15_000)
    with pytest.raises(InvalidError, match="bytes of HTML"):
        render("- " * 24 + "\n" + ("- " * 24 + "a\n") * 1_300)
    with pytest.raises(InvalidError, match="64 KiB"):
        render("é" * BODY_BYTES)


UNITS = ["[", "![", "[*", "[a](", "[[]", "`[", "*_", "**a *", "- a\n", "[a\n", "\\[", "<a ", "www.", "https://a.b/("]
UNITS += ["://", "http://", "~~a ", "||\n", "世**。", "a.www.b "]


@pytest.mark.timed
@pytest.mark.parametrize("unit", UNITS)
def test_the_worst_bodies_take_time_in_proportion(unit: str) -> None:
    check_grows_in_line(lambda size: render((unit * size).encode()[:size].decode(errors="ignore")), BODY_BYTES)


@pytest.mark.timed
@pytest.mark.parametrize("blank", [" ", "\t", "\n", " \n", "\t\n", "\u00a0", "\\\n"])
@pytest.mark.parametrize(
    "around", [("", "x"), ("```\n", "x\n```"), ("    x", "x"), ("> ", "x"), ("- ", "x"), ("x", "\nx")]
)
def test_long_runs_of_nothing_take_no_time(around: tuple[str, str], blank: str) -> None:
    start, end = around
    times = (BODY_BYTES - 20) // len(blank.encode())
    check_grows_in_line(lambda size: render(start + blank * size + end), times)


@pytest.mark.timed
@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\t\n", "\u00a0"])
@pytest.mark.parametrize("around", [("<pre>", "x</pre>"), ("<p>", "x</p>"), ("", "x"), ("<p ", ">x</p>"), ("<", "x")])
def test_long_runs_of_nothing_in_html_take_no_time(around: tuple[str, str], blank: str) -> None:
    start, end = around

    def work(size: int) -> None:
        assert plain(clean(start + blank * size + end)).strip("<\u00a0 \t\n") in ("x", "")

    # nh3 0.3.8 itself takes a text of references (&nbsp;) in the square of their number: 0.3 s for 130,000.
    check_grows_in_line(work, 30_000 if blank == "\u00a0" else 130_000)


def test_blanks_at_line_ends_are_dropped() -> None:
    assert plain("<pre>a \t\n  b  \n</pre><p>c</p>") == "a\n  b\n\nc"


def test_a_long_word_and_odd_characters_stay_text() -> None:
    for text in ("x" * 60_000, "\u202etxet", "a\u2028b", "\ufeff", "\ud800"):
        try:
            assert Audit(render(text).html).faults == []
        except InvalidError as error:
            assert error.rule  # noqa: PT017


def test_importing_the_module_loads_neither_library() -> None:
    code = "import sys, stoppress.newsroom.text; sys.exit('markdown_it' in sys.modules or 'nh3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
