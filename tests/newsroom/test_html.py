"""HTML from elsewhere: no word and no digit is lost, changed or glued, and what cannot be kept is told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growth import check_grows_in_line
from stoppress.newsroom.errors import InvalidError
from stoppress.newsroom.model import Image
from stoppress.newsroom.text import REL, clean, from_lines, instead_of, plain, render, take, with_pictures


def link(address: str, text: str) -> str:
    return f'<a href="{address}" rel="{REL}">{text}</a>'


KEPT = [
    (
        "<table><tr><th>Party</th><th>Seats</th></tr><tr><td>Red</td><td>12</td></tr></table>",
        "<table><tbody><tr><th>Party</th><th>Seats</th></tr><tr><td>Red</td><td>12</td></tr></tbody></table>",
        "Party · Seats\nRed · 12",
    ),
    (
        "<tr><td>Red</td><td>12</td></tr>",
        "<table><tbody><tr><td>Red</td><td>12</td></tr></tbody></table>",
        "Red · 12",
    ),
    (
        "<table><caption>C</caption><thead><tr><th scope=col colspan=2 align=right style>a</th></tr></thead></table>",
        '<table><caption>C</caption><thead><tr><th scope="col" colspan="2" align="right">a</th></tr></thead></table>',
        "C\n\na",
    ),
    ("<dl><dt>Dead</dt><dd>3</dd><dt>Hurt:</dt><dd>14</dd><dd>or 15</dd></dl>", None, "Dead: 3\nHurt: 14; or 15"),
    (
        "<p>10<sup>6</sup> men, 30 m<sup>2</sup>, CO<sub>2</sub>, x<sup>n/2</sup>, 21<sup>st</sup>, a<sub>é</sub></p>",
        None,
        "10⁶ men, 30 m², CO₂, x^(n/2), 21st, a_é",
    ),
    (
        "<article>one</article><article>two</article>three<aside>four</aside><details><summary>five</summary>six</details>",
        "<p>one</p><p>two</p><p>three</p><p>four</p><p>five</p><p>six</p>",
        "one\n\ntwo\n\nthree\n\nfour\n\nfive\n\nsix",
    ),
    (
        "<section><h1>Title</h1><div><span>Defence</span><span>XY</span></div><p>T<span>ext</span>.</p></section>",
        "<h4>Title</h4><p>Defence XY</p><p>Text.</p>",
        "Title\n\nDefence XY\n\nText.",
    ),
    ("<div><div><div><p>Text</p></div></div></div><p></p><p>&nbsp;<br></p>", "<p>Text</p>", "Text"),
    ("<b><p>a</p><p>b</p></b>", "<p><strong>a</strong></p><p><strong>b</strong></p>", "a\n\nb"),
    ("<h2><div>a</div><div>b</div></h2>", "<h4>a b</h4>", "a b"),
    ("<ul><li>a</li><ul><li>b</li></ul></ul>", "<ul><li>a<ul><li>b</li></ul></li></ul>", "- a\n- b"),
    (
        "<ol start=1984><li>It was cold.</ol><ol reversed><li>x<li>y</ol><ol type=i><li>p<li value=9>q</ol>",
        '<ol start="1984"><li>It was cold.</li></ol><ol reversed=""><li>x</li><li>y</li></ol>'
        '<ol type="i"><li>p</li><li value="9">q</li></ol>',
        "1984. It was cold.\n\n2. x\n1. y\n\ni. p\nix. q",
    ),
    (
        '<blockquote cite="https://a.example/"><p>Q</p><footer>— <cite>Ana</cite></footer></blockquote>',
        '<blockquote cite="https://a.example/"><p>Q</p><p>— <cite>Ana</cite></p></blockquote>',
        "Q\n\n— Ana",
    ),
    ("<pre>a\n  b<br>c<div>d</div></pre>", "<pre>a\n  b<br>c\nd</pre>", "a\n  b\nc\nd"),
    ("<p>one<br>two&amp;&eacute;&#8212;5&nbsp;km</p>", "<p>one<br>two&amp;é—5&nbsp;km</p>", "one\ntwo&é—5\u00a0km"),
    (
        '<div dir="rtl" lang="ar"><p>مرحبا 14</p><ul><li>b</ul></div><p dir="sideways">c</p>',
        '<p dir="rtl" lang="ar">مرحبا 14</p><ul dir="rtl" lang="ar"><li>b</li></ul><p>c</p>',
        "مرحبا 14\n\n- b\n\nc",
    ),
    ("<p><q>hi</q> <ruby>漢<rt>kan</rt></ruby></p>", None, "“hi” 漢(kan)"),
    ("<p><s>a</s> <strike>b</strike> <ins>c</ins></p>", "<p><del>a</del> <del>b</del> <ins>c</ins></p>", "c"),
    (
        "<figure><table><tr><td>1</table><figcaption>Cap</figcaption></figure><figure><figcaption>Alone</figcaption></figure>",
        "<figure><table><tbody><tr><td>1</td></tr></tbody></table><figcaption>Cap</figcaption></figure><p>Alone</p>",
        "1\n\nCap\n\nAlone",
    ),
    (
        "<p><math><msup><mn>10</mn><mn>6</mn></msup><mfrac><mn>1</mn><mi>n</mi></mfrac></math></p>",
        "<p>10<sup>6</sup> 1/n</p>",
        "10⁶ 1/n",
    ),
    (
        "<table><tr><th></th><th>Seats</th></tr><tr><td>Red</td><td></td><td>5</td></tr><tr><td>Blue</td><td></td></tr>"
        "<tr><td></td></tr></table>",
        "<table><tbody><tr><th></th><th>Seats</th></tr><tr><td>Red</td><td></td><td>5</td></tr><tr><td>Blue</td><td></td>"
        "</tr><tr><td></td></tr></tbody></table>",
        "– · Seats\nRed · – · 5\nBlue",
    ),
    (
        "<p>2<sup>2<sup>3</sup></sup>, x<sub>a<sub>1</sub></sub>, a<sup>1<br>2</sup>, 2<sup>2³</sup></p>",
        None,
        "2^(2³), x_(a₁), a^(1 2), 2^(2³)",
    ),
    ("<form><label>Name</label><button>Go</button></form>", "<p>Name Go</p>", "Name Go"),
    ('<p>a <img class="emoji" alt="😀" src="x.png"> b</p>', "<p>a 😀 b</p>", "a 😀 b"),
    (
        '<p><a href="//cdn.example/x">x</a> <a href=" www.b.example/a b ">y</a> <a href="tel:+3531">z</a></p>',
        f"<p>{link('https://cdn.example/x', 'x')} {link('https://www.b.example/a%20b', 'y')} {link('tel:+3531', 'z')}"
        "</p>",
        "x y z",
    ),
    (
        '<a href="https://x.example/"><div>card</div><p>text</p></a>',
        f"<p>{link('https://x.example/', 'card')}</p><p>{link('https://x.example/', 'text')}</p>",
        "card\n\ntext",
    ),
]


@pytest.mark.parametrize(("html", "kept", "text"), KEPT)
def test_what_html_says_is_kept(html: str, kept: str | None, text: str) -> None:
    made = take(html)
    assert made.html == (kept or html)
    assert made.text == text
    assert clean(made.html) == made.html


PICTURE = '<img src="https://img.example/a.jpg" alt="A">'
PARTED = [
    (f"<p>Bridge closed.{PICTURE}Police said</p>", "<p>Bridge closed. Police said</p>"),
    (f"<p>The {PICTURE} team, the {PICTURE}<br>{PICTURE}end</p>", "<p>The  team, the <br>end</p>"),
    (f"<div>12{PICTURE}<b>000 people</b></div>", "<p>12 <strong>000 people</strong></p>"),
    (f"<p><b>12</b>{PICTURE}000</p>", "<p><strong>12</strong> 000</p>"),
    (f"<td>1{PICTURE}2</td>", "<table><tbody><tr><td>1 2</td></tr></tbody></table>"),
    (f"<h2>1{PICTURE}2</h2><pre>1{PICTURE}2</pre>", "<h4>1 2</h4><pre>1\n2</pre>"),
    (f"<figure>Before{PICTURE}<figcaption>Cap</figcaption>After</figure>", "<p>Before</p><p>After</p>"),
    (
        f"<figure>{PICTURE}<ul><li>a<figcaption>Cap</figcaption>b</li></ul></figure>",
        "<ul><li>a b</li></ul>",
    ),
    (
        "<p>one<input>two<textarea>x</textarea>three<canvas></canvas>four<svg></svg>five<img src=x>six</p>",
        "<p>one two three four five six</p>",
    ),
    (
        "<ul><li>1<iframe src=https://v.example/1></iframe>2<p></p>3</ul>",
        f"<ul><li>1 {link('https://v.example/1', 'v.example/1')} 2 3</li></ul>",
    ),
    ('<p>wo<input type="hidden">rd</p>', "<p>word</p>"),
    ('<p>a<img class="emoji" alt="😀" src="x.png">b</p>', "<p>a😀b</p>"),
]


@pytest.mark.parametrize(("html", "kept"), PARTED)
def test_what_is_taken_out_parts_its_neighbours(html: str, kept: str) -> None:
    assert clean(html) == kept
    assert clean(kept) == kept


@pytest.mark.parametrize(
    "html", ["<pre>\n\n<pre>\n\nx<pre>\n\n", "<pre>\n\n\nx</pre>", "<pre><b>\n\nx</b></pre>", "<pre>\n\n</pre>"]
)
def test_preformatted_text_is_stable(html: str) -> None:
    assert clean(clean(html)) == clean(html)


LOST = [
    ('<iframe src="//v.example/1" title="Speech"></iframe>', ["iframe became a link to https://v.example/1"]),
    ("<iframe srcdoc=x></iframe>", ["iframe left out: it has no address that can be linked"]),
    ("<video><source src=https://v.example/v.mp4></video>", ["video became a link to https://v.example/v.mp4"]),
    ("<form>a<input name=q></form>", ["form left out, its text kept", "form field left out"]),
    ("<script>a()</script><script>b()</script>", ["script left out (2 times)"]),
    ("<style>a{}</style><svg><text>a</text></svg>", ["style left out", "svg left out: a"]),
    ('<a href="#s">a</a>', ["link to #s left out, its text kept"]),
    ('<a href="s.html">a</a>', ["link to s.html left out, its text kept"]),
    ('<a href="javascript:a()">a</a>', ["link to javascript:a() left out, its text kept"]),
    ('<a href="odd:a">a</a>', ["link without a known address left out, its text kept"]),
    ('<a name="here">a</a><a>b</a>', ["link without a known address left out, its text kept"]),
    ("<img src=a.jpg alt=Boat>", ["img (Boat) left out: its address 'a.jpg' cannot be used"]),
    ("<img src=//c.example/p.gif width=1 height=1>", ["img left out: it only counts readers"]),
    (
        "<img src=data:image/gif;base64,AA alt=Boat>",
        ["img (Boat) left out: its address 'data:image/gif;base64,AA' cannot be used"],
    ),
    ("<p>plain</p>", []),
]


@pytest.mark.parametrize(("html", "notes"), LOST)
def test_what_is_lost_is_told(html: str, notes: list[str]) -> None:
    assert [note.text for note in take(html).notes] == notes


def test_no_link_is_left_without_its_address() -> None:
    for html, _ in LOST:
        assert not re.search(r"<a(?! href=)", take(html).html)


def test_pictures_move_out_with_what_is_said_of_them() -> None:
    made = take(
        '<p>Before</p><figure><img src="//img.example/a.jpg" alt="A bridge" width="1200" height="800px">'
        '<figcaption>The <b>bridge</b> at noon. <span class="credit">Ana / X</span></figcaption></figure>'
        '<div class="wp-caption"><img data-src="/late.jpg" src="data:image/gif;base64,AA">'
        '<p class="wp-caption-text">A boat (Photo: Ben)</p></div>'
        '<noscript><img src="/late.jpg"></noscript><img src=/c.jpg>'
    )
    assert made.html == "<p>Before</p>"
    assert made.images[:2] == [
        Image(
            url="https://img.example/a.jpg",
            alt="A bridge",
            caption="The bridge at noon.",
            credit_text="Ana / X",
            width=1200,
            height=800,
        ),
        Image(url="/late.jpg", caption="A boat", credit_text="Photo: Ben"),
    ]
    images, notes = with_pictures([Image(url="/c.jpg", alt="Ours")], made.images)
    assert [image.url for image in images] == ["/c.jpg", "https://img.example/a.jpg", "/late.jpg"]
    assert [(note.text, note.kept) for note in notes] == [("img moved to images (2 times)", True)]


def test_a_twenty_first_picture_is_named() -> None:
    found = take("".join(f"<img src=https://img.example/{n}.jpg>" for n in range(21))).images
    images, notes = with_pictures([], found)
    assert len(images) == 20
    assert notes[-1].text == "img left out, a post has at most 20: https://img.example/20.jpg"
    assert not notes[-1].kept


def test_a_caption_fills_what_the_given_picture_lacks_and_a_second_one_is_told() -> None:
    found = take("<figure><img src=/a.jpg><figcaption>Noon</figcaption></figure>").images
    assert with_pictures([Image(url="/a.jpg", alt="x")], found) == ([Image(url="/a.jpg", alt="x", caption="Noon")], [])
    images, notes = with_pictures([Image(url="/a.jpg", caption="Dawn")], found)
    assert (images[0].caption, notes[0].text) == ("Dawn", "caption left out, the picture has another: Noon")


def test_pictures_of_new_html_take_the_place_of_old_ones_and_those_that_stay_keep_their_words() -> None:
    old = [Image(url="/1.jpg"), Image(url="/2.jpg", alt="Two")]
    images, notes = instead_of(old, [Image(url="/3.jpg"), Image(url="/2.jpg"), Image(url="/3.jpg", alt="Three")])
    assert images == [Image(url="/3.jpg", alt="Three"), Image(url="/2.jpg", alt="Two")]
    assert [note.text for note in notes] == [
        "img moved to images",
        "images replaced by those in the HTML, left out: /1.jpg",
    ]
    assert instead_of(old, old) == (old, [])


def test_links_may_be_resolved() -> None:
    made = take('<a href="#post-1">a</a>', lambda address: "/live/s/posts/1" if address == "#post-1" else None)
    assert made.html == f"<p>{link('/live/s/posts/1', 'a')}</p>"
    assert made.notes == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One.\n– Two.\nThree <b>.", "<p>One.</p><p>– Two.</p><p>Three &lt;b&gt;.</p>"),
        ("One\nline\n\nTwo\n \nThree", "<p>One<br>line</p><p>Two</p><p>Three</p>"),
        ("", ""),
    ],
)
def test_plain_text_keeps_its_lines(text: str, html: str) -> None:
    assert from_lines(text) == html


# What a browser would make of HTML that nobody should write, too


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<pre>\n\n<b>x</b></pre>", "<pre><strong>x</strong></pre>"),
        ("un<wbr>til", "<p>until</p>"),
        ("<h2>a<blockquote>b</blockquote>c</h2>", "<h4>a b c</h4>"),
        ("<p>a</p><hr><p>b</p>", "<p>a</p><hr><p>b</p>"),
        ("<ul> <li>a</li> <ul><li>b</li></ul> </ul>", "<ul> <li>a<ul><li>b</li></ul></li> </ul>"),
        ("<ul>stray<li>a</li></ul>", "<ul><li>stray</li><li>a</li></ul>"),
        ("<ul><ul><li>b</li></ul></ul>", "<ul><li><ul><li>b</li></ul></li></ul>"),
        (
            "<dl> <div><dt>a</dt> <dd>b</dd></div>stray</dl>",
            "<dl> <dt>a</dt> <dd>b</dd><dd>stray</dd></dl>",
        ),
        (
            "<table> <tr>x <td>a</td></tr><input type=hidden name=b></table>",
            "<p>x </p><table> <tbody><tr><td>a</td></tr></tbody></table>",
        ),
        ("a</b></p>b", "<p>a</p><p>b</p>"),
    ],
)
def test_what_stands_where_it_should_not_is_kept(html: str, kept: str) -> None:
    made = take(html)
    assert made.html == kept
    assert clean(made.html) == made.html
    assert made.notes == []


@pytest.mark.parametrize(
    ("html", "notes"),
    [
        ("<a href=/x></a>", ["link to /x left out: it has no text"]),
        ("<a href=/c><img src=/b.jpg></a>", ["link to /c left out: it has no text"]),
        ("<a href=/b.jpg?large><img src=/b.jpg></a>", []),  # the picture itself, which is kept
        (
            "<figure><img src=/a.jpg><figcaption>By <a href=/ana>Ana</a>, <a>x</a></figcaption></figure>",
            ["link to /ana in a caption left out, its text kept"],
        ),
    ],
)
def test_a_link_that_has_no_text_or_stands_in_a_caption_is_told(html: str, notes: list[str]) -> None:
    assert [note.text for note in take(html).notes] == notes


def test_a_link_around_blocks_goes_into_each_that_has_words() -> None:
    made = take("<a href=/x><p>a</p><p> </p><hr>b</a>")
    assert made.html == f"<p>{link('/x', 'a')}</p> <hr><p>{link('/x', 'b')}</p>"
    player = take("<a href=/x><iframe src=//v.example/1></iframe></a>")
    assert player.html == f"<p>{link('https://v.example/1', 'v.example/1')}</p>"


@pytest.mark.parametrize(
    ("html", "images"),
    [
        ("<img src='' srcset='/x.jpg 2x, /y.jpg'>", [Image(url="/x.jpg")]),
        (f"<img src=/{'a' * 2048}>", []),
        (
            "<figure><img src=/a><figcaption class=credit>Ana</figcaption></figure>",
            [Image(url="/a", credit_text="Ana")],
        ),
        (
            "<figure><img src=/a><figcaption>A boat. © Ana</figcaption></figure>",
            [Image(url="/a", caption="A boat.", credit_text="© Ana")],
        ),
    ],
)
def test_pictures_are_found_however_they_are_written(html: str, images: list[Image]) -> None:
    assert take(html).images == images


def test_html_that_is_too_much_is_refused_with_the_way_out() -> None:
    for html, rule in [
        ("x" * (512 * 1024 + 1), "is over 524,288 bytes"),
        ("<a href=//a.b>x</a>" * 20_000, "becomes more than 524,288 bytes"),  # each link is given its rel
        ("<table><tr><td>" * 54, "more than 50 deep"),  # 54 tables, each four deep to a parser
    ]:
        with pytest.raises(InvalidError, match=rule):
            take(html)
    assert take("&amp;" * 110_000).text == "&" * 110_000  # a reference counts as what it stands for


# Markdown's additions


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("https://a.example/a_b_, ok", f"<p>{link('https://a.example/a_b', 'https://a.example/a_b')}_, ok</p>"),
        ("(www.a.example/x_y).", f"<p>({link('https://www.a.example/x_y', 'www.a.example/x_y')}).</p>"),
        ("https://a.example/a_(b))", f"<p>{link('https://a.example/a_(b)', 'https://a.example/a_(b)')})</p>"),
        ("*https://a.example/*", f"<p><em>{link('https://a.example/', 'https://a.example/')}</em></p>"),
        ("见https://a.example/b。谢谢", f"<p>见{link('https://a.example/b', 'https://a.example/b')}。谢谢</p>"),
        ("https://a.example谢谢", f"<p>{link('https://a.example', 'https://a.example')}谢谢</p>"),
        ("dead.It is a.py, a@www.b.c, xhttps://a.b, www.a", "<p>dead.It is a.py, a@www.b.c, xhttps://a.b, www.a</p>"),
        ("`www.a.example` [www.a.example](/b)", f"<p><code>www.a.example</code> {link('/b', 'www.a.example')}</p>"),
        ("http[http://a.example](/b)", f"<p>http{link('/b', 'http://a.example')}</p>"),
        ("a\n\n&nbsp;\n\nb", "<p>a</p>\n<p>b</p>"),
        ("www.a.example/" + "x" * 2_048, f"<p>www.a.example/{'x' * 2_048}</p>"),  # too long to be linked
        ("[](/x)", f"<p>{link('/x', '/x')}</p>"),
        ("www.a.example/b\\\\c", f"<p>{link('https://www.a.example/b', 'www.a.example/b')}\\c</p>"),
        ("~~old~~ new", "<p><del>old</del> new</p>"),
        ("**你好。**世界 **“x”**世 **a.**b", "<p><strong>你好。</strong>世界 <strong>“x”</strong>世 **a.**b</p>"),
        ("|a|b|\n|-|-:|\n|1|2|", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th align=\"right\">b</th>\n</tr>\n</thead>\n"
         "<tbody>\n<tr>\n<td>1</td>\n<td align=\"right\">2</td>\n</tr>\n</tbody>\n</table>"),
    ],
)  # fmt: skip
def test_what_a_body_may_say_beyond_commonmark(body: str, html: str) -> None:
    made = render(body)
    assert made.html == html
    assert clean(html) == html
    assert made.notes == []


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("<p>Hello</p>", "<p> is shown as it stands: a body is Markdown; give HTML as content_html (--html)"),
        (
            "<div class=a>One <b>two</b></div>\n\n*three* </div> <br/> <b>four",
            "<div class=a>, <b>, <br/> are shown as they stand: a body is Markdown; give HTML as content_html (--html)",
        ),
        (
            "<p><div><b><i><u><a><em><h1><ul><ol><li><td></td>",
            "<p>, <div>, <b>, <i>, <u>, <a>, <em>, <h1>, <ul>, <ol> and 2 more are shown as they stand: "
            "a body is Markdown; give HTML as content_html (--html)",
        ),
        ("[x](story.html)", "link to story.html left out, its text kept"),
        ("![x](data:a)", "picture data:a left out, its text kept"),
    ],
)
def test_what_looks_wrong_in_a_body_is_told(body: str, note: str) -> None:
    assert render(body).notes[0].text == note


def test_of_a_hundred_faults_in_a_body_no_more_is_told() -> None:
    notes = render("".join(f"[x]({n}.html) " for n in range(150))).notes
    assert len(notes) == 100
    assert notes[-1].text.startswith("link to 99.html")


def test_code_and_comparisons_look_like_no_html() -> None:
    assert render("`<p>`, 1 < 2 > 1, <3, a<b\n\n    <p>\n").notes == []


# Whatever is nested in whatever

INLINE = ["{}", "<b>{}</b>", "<a href='https://a.example/'>{}</a>", "<span>{}</span>", "<font>{}</font>", "<u>{}</u>"]
BLOCK = [
    f"<{' '.join(tags)}>{{}}".replace(" ", "><") + "".join(f"</{tag}>" for tag in reversed(tags))
    for tags in map(
        str.split,
        "p|div|section|li|h3|blockquote|ul li|ol li|dl dt|dl dd|footer|table tr td|table caption|details|figure|"
        "figure figcaption|pre|center|fieldset legend|address|b p|menu li|main|dialog|td".split("|"),
    )
]


def tree(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    said = st.lists(inner, min_size=1, max_size=3).map("".join)
    return st.builds(lambda outer, text: outer.format(text), st.sampled_from(BLOCK), said)


WORD = st.builds(lambda outer: outer.format("@"), st.sampled_from(INLINE))
TREES = st.recursive(
    st.builds(lambda outer, word: outer.format(word), st.sampled_from(BLOCK), WORD), tree, max_leaves=8
)


@given(st.lists(TREES, min_size=1, max_size=4).map("".join))
@settings(max_examples=400, deadline=None)
def test_no_word_is_lost_doubled_or_glued(html: str) -> None:
    words = []

    def number(found: re.Match[str]) -> str:
        words.append(f"w{len(words)}")
        return words[-1]

    html = re.sub("@", number, html)
    made = take(html)
    # A parser moves what stands wrong in a table before it, and so does a browser: the words, not their order.
    assert sorted(re.findall(r"\w+", re.sub(r"\b\d+\. ", "", made.text))) == sorted(words)
    assert sorted(re.findall(r"w\d+", made.html)) == sorted(words)
    assert clean(made.html) == made.html
    assert plain(made.html) == made.text


NASTY = ["<", "<p>", "<table><td>x", "<b>x</b>", "<a href=//a.b>x</a>", "<!--", "<p><br>", "<font>", "<img src=//a/b>"]
NASTY += ["<figure><figcaption>x", "<span>a</span>", "<sup>2</sup>", "<dl><dt>a<dd>b", "<a><b><p></a></b>", "<td>"]
NASTY += ["<noscript><img src=/a></noscript>", "<x-a></x-a>", "<x-a src=/b></x-a>", "<x-a>a</x-a>.", "<x-a/>", "<svg/>"]
NASTY += [
    "<video src=/a></video>",
    "<object></object>",
    "<template></template>",
    "<picture><source srcset=/a></picture>",
]
NASTY += ["<![CDATA[", "<frame ", "<frame src=/a>", "<a b ", "<a b <", "a <b c", "<math><mi>x</mi></math>", "</td>"]
NASTY += ["<i a=' ", "<x-a b", "<xmp></xmp>", "<select><option>a", "</p ", "<!-- -"]


@pytest.mark.timed
@pytest.mark.parametrize("unit", NASTY)
def test_the_worst_html_takes_time_in_proportion(unit: str) -> None:
    check_grows_in_line(lambda size: taken((unit * size)[:size]), 200_000)


@pytest.mark.timed
@pytest.mark.parametrize(
    ("start", "unit", "end"),
    [
        ("<img src=/a srcset='", ",", "'>"),
        ("<img src=/a srcset='", "a ", "'>"),
        ("<x-a ", " ", "/>"),
        ("<x-a ", "b ", "/>"),
        ("<x-a>" * 50, "<i></i>", ""),
        ("<a href=/x><object>" * 26, "<i></i>", ""),
        ("<object>" * 50, "<img src=/a>", ""),
        ("<noscript>" * 50, "<img src=/a>", ""),
        ("<video>" * 50, "word ", ""),
        ("<div>" * 50, "<td>x</td>", ""),
    ],
)
def test_the_worst_of_one_tag_or_at_the_bottom_of_many_takes_time_in_proportion(
    start: str, unit: str, end: str
) -> None:
    check_grows_in_line(lambda size: taken(start + (unit * size)[:size] + end), 200_000)


def taken(html: str) -> None:
    try:
        take(html)
    except InvalidError as error:
        assert error.field == "content_html"  # noqa: PT017


@pytest.mark.parametrize(
    ("html", "caption", "credit"),
    [
        ("Some 10<sup>6</sup> people, CO<sub>2</sub>", "Some 10⁶ people, CO₂", ""),
        ("The bridge, <b>30 m<sup>2</sup></b> <cite>Ana, 5<sup>th</sup></cite>", "The bridge, 30 m²", "Ana, 5th"),
        ("<div>one</div><div>two</div><s>3</s>4 dead", "one two 4 dead", ""),
    ],
)
def test_a_caption_is_read_aloud_as_a_text_is(html: str, caption: str, credit: str) -> None:
    taken = take(f'<figure><img src="https://a.example/1.jpg"><figcaption>{html}</figcaption></figure>')
    assert [(image.caption, image.credit_text) for image in taken.images] == [(caption, credit)]


PICTURE = '<img src="https://a.example/{}.jpg">'


@pytest.mark.parametrize(
    "inside",
    [
        f"<figure>{PICTURE.format(1)}<figcaption>one</figcaption></figure>",
        f"<ul><li><figure>{PICTURE.format(1)}<figcaption>one</figcaption></figure></li><li>{PICTURE.format(2)}</li></ul>",
    ],
)
def test_a_gallery_says_its_own_caption(inside: str) -> None:
    taken = take(f"<figure>{inside}<figcaption>All: the 7 dead</figcaption></figure>")
    assert taken.html == "<p>All: the 7 dead</p>"
    assert taken.images[0].caption == "one"


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        (f"<ul><li>{PICTURE}</li><li>x</li></ul>", "<ul><li>x</li></ul>"),
        (f"<ul><li>{PICTURE}</li></ul><blockquote>{PICTURE}</blockquote><h4>{PICTURE}</h4>", ""),
        (f"<table><tr><td>{PICTURE}</td></tr></table>", ""),
        (
            f"<table><tr><td>{PICTURE}</td><td>x</td></tr></table>",
            "<table><tbody><tr><td></td><td>x</td></tr></tbody></table>",
        ),
        (f"<ol><li>{PICTURE}</li><li>x</li></ol>", "<ol><li></li><li>x</li></ol>"),  # 2 stays 2
    ],
)
def test_no_shell_is_left_where_a_picture_was(html: str, kept: str) -> None:
    assert take(html).html == kept


def test_what_a_script_would_fill_is_a_link_to_its_address() -> None:
    taken = take('<div class="fb-post" data-href="https://www.facebook.com/p/1"></div><script src="/e.js"></script>')
    assert taken.html == f"<p>{link('https://www.facebook.com/p/1', 'facebook.com/p/1')}</p>"
    assert {note.text for note in taken.notes} == {
        "div became a link to https://www.facebook.com/p/1",
        "script left out: /e.js",
    }
    assert take('<div data-src="https://a.example"><p>x</p></div>').html == "<p>x</p>"


@pytest.mark.parametrize("lead", ["", "> ", "- "])
def test_cells_that_a_markdown_table_has_no_column_for_are_told(lead: str) -> None:
    lines = ["| A | B |", "|---|---|", "| 1 | 2 | 3 dead \\| hurt |", "| 1 |"]
    body = "\n".join(("  " if n and lead == "- " else lead) + line for n, line in enumerate(lines))
    told = [note.text for note in render(body).notes]
    assert told == ["left out of a table's row, which has 2 columns: 3 dead | hurt"]


def test_a_picture_in_markdown_is_told_to_be_a_link() -> None:
    (note,) = render("![A cat](https://a.example/c.jpg)").notes
    assert "became a link" in note.text
    assert "--image" in note.text


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("<mn>2</mn><mfrac><mn>1</mn><mn>2</mn></mfrac>", "2 1/2"),
        ("<msup><mrow><mn>1</mn><mo>+</mo><mi>x</mi></mrow><mn>2</mn></msup>", "(1+x)²"),
        ("<msup><mrow><mo>(</mo><mn>1</mn><mo>+</mo><mi>x</mi><mo>)</mo></mrow><mn>2</mn></msup>", "(1+x)²"),
        (
            "<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo><mo>(</mo><mi>b</mi><mo>)</mo></mrow><mn>2</mn></msup>",
            "((a)(b))²",
        ),
        ("<msup><mfrac><mn>3</mn><mn>4</mn></mfrac><mn>2</mn></msup>", "(3/4)²"),
        ("<msup><msup><mi>a</mi><mn>2</mn></msup><mn>3</mn></msup>", "(a²)³"),
        ('<mfenced open="[" close="]" separators=";"><mn>1</mn><mn>2</mn></mfenced>', "[1; 2]"),
        ("<mmultiscripts><mi>C</mi><mn>6</mn><mn>1</mn><mprescripts/><mn>7</mn><mn>14</mn></mmultiscripts>", "₇¹⁴C₆¹"),
        ("<mmultiscripts><mi>C</mi><none/><mo>+</mo></mmultiscripts>", "C⁺"),
    ],
)
def test_a_formula_means_what_it_meant(formula: str, text: str) -> None:
    assert take(f"<math>{formula}</math>").text == text


def test_addresses_in_plain_text_are_links_as_they_are_in_a_body() -> None:
    text = "See https://a.example/x?a=1&b=2, www.b.example. Not it.It (http://c.example)"
    made = from_lines(text)
    assert made == render(text).html
    assert made.count("<a ") == 3
    assert plain(made) == text


@pytest.mark.parametrize("text", ["Begin with http:// and a host", "https://a.example/" + "x" * 2_048])
def test_what_is_no_address_stays_text(text: str) -> None:
    assert from_lines(text) == f"<p>{text}</p>"
