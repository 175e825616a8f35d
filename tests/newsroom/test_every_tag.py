"""Nothing of HTML vanishes: words, links and pictures in any tag are in the post, or named in a note."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoppress.newsroom.text import Content, clean, take

# HTML's own list of elements, then those it calls obsolete, then what browsers once knew.
NAMES = """
a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption cite code col colgroup
data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head
header hgroup hr html i iframe img input ins kbd label legend li link main map mark math menu meta meter nav noscript
object ol optgroup option output p param picture pre progress q rp rt ruby s samp script search section select
selectedcontent slot small source span strong style sub summary sup svg table tbody td template textarea tfoot th thead
time title tr track u ul var video wbr

acronym applet basefont bgsound big blink center dir font frame frameset isindex keygen listing marquee menuitem
multicol nextid nobr noembed noframes plaintext rb rtc spacer strike tt xmp

command content element fencedframe ilayer image layer nolayer portal shadow
""".split()
# Of MathML, of SVG, of other XML: outside of their own they are words to nobody but the author.
NAMES += "mi mn mo mtext mrow msup mfrac mtable mtr mtd semantics annotation annotation-xml mmultiscripts".split()
NAMES += "text tspan g desc foreignObject circle list in or set view filter card product o:p fb:post headline".split()
NAMES += "amp-img amp-video amp-iframe amp-youtube amp-carousel amp-accordion amp-ad amp-pixel x-card X-Card.2".split()
CODE = ("script", "style")  # no text for people: it is said that they were there


def told(made: Content) -> str:
    return " ".join(note.text for note in made.notes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("around", ["{}", "<p>{}</p>", "<div>{}</div>", "<table><tr><td>{}</table>", "<svg>{}</svg>"])
def test_words_links_and_pictures_in_any_tag_are_kept_or_told(name: str, around: str) -> None:
    inside = '<b>one</b> <a href="https://link.example/">two</a> <img src="https://img.example/a.jpg" alt="three"> four'
    made = take(around.format(f"before <{name}>{inside}</{name}> after"))
    said = told(made)
    if name in CODE:
        assert f"{name} left out" in said
        inside = ""
    else:
        assert "https://link.example/" in made.html + said
        assert (
            "https://img.example/a.jpg" in [image.url for image in made.images]
            or "https://img.example/a.jpg" in made.html + said
        )
    for word in re.findall(r"\b(?:one|two|four|before|after)\b", f"before {inside} after"):
        assert word in re.findall(r"\w+", made.html + " " + said)
    assert clean(made.html) == made.html


# Where a tag leads, or what it shows, as far as a reader would see it.
ADDRESSES = """
a href|area href|amp-audio src|amp-iframe src|amp-img src|amp-img srcset|amp-video src|amp-video poster|audio src
base href|bgsound src|embed src|frame src|iframe src|iframe data-src|image src|img src|img srcset|img data-srcset
img data-lazy-src|input src|object data|video src|video poster|x-card href|x-card src|x-card data-url
"""


@pytest.mark.parametrize(("name", "attribute"), [one.split() for one in re.split(r"[|\n]", ADDRESSES.strip())])
def test_an_address_is_kept_or_told(name: str, attribute: str) -> None:
    made = take(f'before <{name} {attribute}="https://seen.example/a"></{name}> after')
    assert "https://seen.example/a" in " ".join([made.html, told(made), *(image.url for image in made.images)])


CARRY_NOTHING = [
    "<meta charset=utf-8><meta itemprop=datePublished content=2026-01-01>",
    '<link rel="stylesheet" href="/a.css">',
    "<base target=_blank>",
    "un<wbr>",
    "<table><colgroup><col></colgroup></table>",
    "<video src=/v.mp4><track src=/v.vtt><source src=/v.webm></video>",
    "<object data=/o.swf><param name=allowFullScreen value=true></object>",
    "<p><o:p>&nbsp;</o:p></p>",
    '<input type="hidden" name="token" value="7">',
    "<!-- a comment --><?xml version='1.0'?><!DOCTYPE html>",
    "<time datetime=2026-01-01></time><data value=7></data><span></span>",
    "<p>a</p",
]


@pytest.mark.parametrize("html", CARRY_NOTHING)
def test_of_what_carries_nothing_a_reader_would_see_nothing_is_said(html: str) -> None:
    assert [note.text for note in take(html).notes if " became a link to " not in note.text] == []


TRANSLATED = [
    # (HTML, the words and links it becomes, its pictures, what is said)
    (
        "<noscript><a href=https://poll.example/>Vote</a> <iframe src=https://v.example/2></iframe> now</noscript>",
        "[Vote](https://poll.example/)|[v.example/2](https://v.example/2)|now",
        [],
        ["iframe became a link to https://v.example/2"],
    ),
    (
        "<p>a<noscript>b <noscript>c</noscript></noscript>d</p>",
        "a b c d",
        [],
        [],
    ),
    # What loads late stands twice.
    ("<img data-src=/a.jpg src=data:x><noscript><img src=/a.jpg></noscript>", "", ["/a.jpg"], []),
    ("<noscript><p><img src=/a.jpg></p></noscript><img srcset='/a.jpg 2x'>", "", ["/a.jpg"], []),
    (
        "<iframe data-src=//v.example/1></iframe><noscript><iframe src=//v.example/1></iframe></noscript>",
        "[v.example/1](https://v.example/1)",
        [],
        ["iframe became a link to https://v.example/1"],
    ),
    # What is there to be fetched, and not to be seen.
    (
        "<noscript><iframe src=//t.example/ns.html width=0 height=0></iframe><img src=//t.example/x width=1 height=1>",
        "",
        [],
        ["iframe left out: it only counts readers", "img left out: it only counts readers"],
    ),
    # AMP
    ("<amp-img src=/a.jpg width=8 height=5><noscript><img src=/a.jpg></noscript></amp-img>", "", ["/a.jpg"], []),
    (
        "<amp-video src=/v.mp4 poster=/p.jpg><div fallback>No video</div></amp-video>",
        "[/v.mp4](/v.mp4)",
        ["/p.jpg"],
        ["amp-video became a link to /v.mp4", "words in amp-video left out: No video"],
    ),
    (
        "<amp-youtube data-videoid=a_-1></amp-youtube><lite-youtube videoid=b title=Talk></lite-youtube>",
        "[youtube.com/watch?v=a_-1](https://www.youtube.com/watch?v=a_-1)|[Talk](https://www.youtube.com/watch?v=b)",
        [],
        [
            "amp-youtube became a link to https://www.youtube.com/watch?v=a_-1",
            "lite-youtube became a link to https://www.youtube.com/watch?v=b",
        ],
    ),
    ("<amp-youtube data-videoid='a b'></amp-youtube>", "", [],
     ["amp-youtube left out: it has no address that can be linked"]),
    # Pictures
    ("<picture><source srcset='/a,b.webp 1x, /c.webp 2x'></picture>", "", ["/a,b.webp"], []),
    ("<picture><source srcset=/a.webp><img src=/b.jpg></picture>", "", ["/b.jpg"], []),
    ("<picture><source data-srcset=/a.webp><img src=data:x></picture>", "", ["/a.webp"], []),
    ("<picture></picture>", "", [], ["img left out: its address '' cannot be used"]),
    ("<img src='{{late}}' srcset='/a.jpg, /b.jpg 2x'>", "", ["/a.jpg"], []),
    # Players
    (
        "<video src=/v.mp4 poster=/p.jpg>Your browser cannot. <a href=/v.mp4>Load</a> <a href=/t>text</a></video>",
        "[/v.mp4](/v.mp4)",
        ["/p.jpg"],
        [
            "video became a link to /v.mp4",
            "words in video left out: Your browser cannot. Load /t text",
        ],
    ),
    ("<object>a <a href=/b>b</a><img src=/c.jpg></object>d", "a [b](/b) d", ["/c.jpg"], []),
    ("<object data=a.svg>a</object>", "a", [], ["object left out: it has no address that can be linked"]),
    ("<object><embed src=/e></object>", "[/e](/e)", [], ["embed became a link to /e"]),
    (
        "<object><param name=Movie value=/m.swf><embed src=/m.swf></object>",
        "[/m.swf](/m.swf)",
        [],
        ["object became a link to /m.swf"],
    ),
    (
        "<iframe src=about:blank data-consent-src=https://v.example/1></iframe>",
        "[v.example/1](https://v.example/1)",
        [],
        ["iframe became a link to https://v.example/1"],
    ),
    ("<a href=/x><iframe src=/v></iframe></a>", "[/v](/v)", [],
     ["iframe became a link to /v", "link to /x left out: it has no text"]),
    ("<map><area href=/hall alt=Hall><area nohref></map>", "[Hall](/hall)", [],
     ["area became a link to /hall", "area left out: it has no address that can be linked"]),
    (
        "<frameset><frame src=/1><frame src=/2><noframes>No <b>frames</b></noframes></frameset>",
        "[/1](/1)|[/2](/2)|No frames",
        [],
        ["frame became a link to /1", "frame became a link to /2"],
    ),
    # Left out, with the words in it
    ("a<template><p>b <a href=/c>c</a></template>d", "a d", [], ["template left out: b /c c"]),
    ("<title>One</title>a", "a", [], ["title left out: One"]),
    ("<base href=https://b.example/>a", "a", [], ["base left out: https://b.example/"]),
    ("<svg aria-label=Seats><text>12</text></svg>", "", [], ["svg left out: Seats 12"]),
    ("<select><option>a<option>b</select><input value=Go type=submit>", "", [],
     ["form field left out: a b", "form field left out: Go"]),
    ("<canvas>" + "word " * 50 + "</canvas>", "", [], ["canvas left out: " + ("word " * 40)[:199] + "…"]),
    # Nobody's
    ("The <x-term>bridge</x-term>, which <x-term>fell</x-term>.", "The bridge, which fell.", [],
     ["x-term became its text (2 times)"]),
    ("<x-a>1</x-a><x-a>2</x-a>,<b>3</b>", "1 2, 3", [], ["x-a became its text (2 times)"]),
    ("<x-card href=/c>a</x-card>", "a", [], ["x-card became its text, its address left out: /c"]),
    ("<x-poll data-api=//p.example/7></x-poll>", "[p.example/7](https://p.example/7)", [],
     ["x-poll became a link to https://p.example/7"]),
    ("<x-poll id=7></x-poll><meter value=0.6></meter>", "", [], ["x-poll left out", "meter left out: 0.6"]),
    ("<p>5 <text>words</text> and <in>more</in></p>", "5 words and more", [],
     ["text became its text", "in became its text"]),
    ("<a href=/x><x-a>words</x-a></a>", "[words](/x)", [], ["x-a became its text"]),
    # MathML
    ("<math><mtable><mtr><mtd>1</mtd><mtd>0</mtd></mtr><mtr><mtd>2</mtd><mtd>3</mtd></mtr></mtable></math>",
     "(1 0; 2 3)", [], ["math became its text"]),
    ("<math><semantics><mi>x</mi><annotation>x^2</annotation></semantics><mspace/><mi>y</mi></math>", "x y", [],
     ["math became its text"]),
    ("<math><semantics></semantics><mroot><mi>x</mi><mn>3</mn></mroot></math>", "3√x", [], ["math became its text"]),
    ("<math><mfenced><mi>a</mi><mi>b</mi></mfenced><mtext><a href=/c>c</a></mtext></math>", "(a, b)[c](/c)", [],
     ["math became its text"]),
    # What a parser stumbles over
    ("<![CDATA[<p>a</p>]]>b", "a|b", [], ["CDATA section read as HTML"]),
    ("<iframe src=/v title=Film /><p>after</p>", "[Film](/v)|after", [], ["iframe became a link to /v"]),
    ("<script async src='//w.example/x.js'/><p>after</p>", "after", [], ["script left out: //w.example/x.js"]),
    ("<video controls/>after", "after", [], ["video left out: it has no address that can be linked"]),
    ("<p>if a <b and c</p>", "if a <b and c", [], []),
    ("a <in b", "a <in b", [], []),
    ('a <a href="https://cut', "a", [], ['tag without an end left out: <a href="https://cut']),
    ("a <!-- b <b>c</b>", "a", [], ["comment without an end left out: b <b>c</b>"]),
    ("<xmp>vector<int></xmp>", "vector<int>", [], []),
    ("&lt;x0-a&gt; &lt;&#88;1-a> <x2-a>b</x2-a>", "<x0-a> <X1-a> b", [], ["x2-a became its text"]),
    ("<xmp><Video src=a></Video></xmp>", "<Video src=a></Video>", [], []),
    ("<video/src=/a></video>b", "[/a](/a)|b", [], ["video became a link to /a"]),
    ("<video src=/v.mp4><p>No video</video>a<svg><p>b</svg>c<amp-ad><div></amp-ad>d", "[/v.mp4](/v.mp4)|a c d", [],
     ["video became a link to /v.mp4", "words in video left out: No video", "svg left out: b",
      "amp-ad left out"]),
    ("<td>a</td>b", "a|b", [], []),
    ("a <td>b</td> c<plaintext>d <b>e", "a|b|c|d <b>e", [], []),
]  # fmt: skip


@pytest.mark.parametrize(("html", "text", "images", "notes"), TRANSLATED)
def test_what_becomes_of(html: str, text: str, images: list[str], notes: list[str]) -> None:
    made = take(html)
    linked = re.sub(r'<a href="([^"]*)"[^>]*>(.*?)</a>', r"[\2](\1)", made.html)
    words = re.sub(r"<[^>]*>", "", re.sub(r"(?<!^)(<(?:p|pre|table)>)", "|", linked)).replace("&lt;", "<")
    words = re.sub(r"\s*\|\s*", "|", words.replace("&gt;", ">").replace("&amp;", "&"))
    assert words.strip(" |") == text
    assert [image.url for image in made.images] == images
    assert [note.text for note in made.notes] == notes
    assert clean(made.html) == made.html


@pytest.mark.parametrize("alt", ["3 <two", "<video> and </video>", "if a <b and c", "<in/>", "<br><p>", "&lt;x0-in>"])
def test_the_text_of_a_picture_stays_as_it_is(alt: str) -> None:
    assert [image.alt for image in take(f'<img src=/a.jpg alt="{alt}">').images] == [alt.replace("&lt;", "<")]


def test_a_loss_is_told_apart_from_what_only_moved() -> None:
    """An import with `--strict` is refused for a loss, not for these."""
    for html in ("<img src=//t.example/ width=1 height=1>", "<iframe src=//t.example/ width=0 height=0></iframe>",
                 "<![CDATA[a]]>"):  # fmt: skip
        assert [note.kept for note in take(html).notes] == [True]
    for html in ("<x-a>a</x-a>", "<x-a></x-a>", "<svg></svg>", "a <!-- b", "<video src=/v></video>"):
        assert [note.kept for note in take(html).notes] == [False]


PIECES = [name for name in NAMES if name not in CODE]
trees = st.recursive(
    st.sampled_from(["@ ", "<a href=https://@.example/>@</a>", "<img src=/@.jpg>", "<iframe src=/@></iframe>"]),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>",
        st.sampled_from(PIECES),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@given(trees)
@settings(max_examples=600, deadline=None)
def test_nothing_vanishes_however_tags_are_nested(html: str) -> None:
    words: list[str] = []

    def number(found: re.Match[str]) -> str:
        words.append(f"w{len(words)}w")
        return words[-1]

    html = re.sub("@", number, html)
    made = take(html)
    shown = " ".join([made.html, told(made), *(image.url for image in made.images)])
    if "…" not in shown:  # a note tells 200 characters of what is left out, and that there were more
        assert [word for word in words if word not in shown] == []
    assert clean(made.html) == made.html
