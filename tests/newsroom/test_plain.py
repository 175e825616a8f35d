"""A post's HTML as a person would read it aloud."""

from __future__ import annotations

import pytest

from stoppress.newsroom.plain import plain


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li><p>a</p><p>b</p></li><li> <p>c</p></li></ul>", "- a\n\nb\n\n- c"),
        ("<ul><li><ol><li>a</li></ol></li></ul>", "- 1. a"),
        ("<dl> <dt>Dead</dt> <dd>3</dd> <dd>or 4</dd></dl>", "Dead: 3; or 4"),
        ("<dl><dt>Dead</dt><dd></dd><dd>3</dd></dl>", "Dead: 3"),  # what is empty says nothing
        ("<dl><dd>3</dd><dt>Dead</dt></dl>", "3\nDead"),
        ("<table> <tr> <td>a<br>b</td><td></td><td>c</td> </tr></table>", "a b · – · c"),
        ("<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby></p>", "漢(kan)"),
        ("<p>a <sup> </sup>b</p>", "a b"),
        ("<sub>2</sub>", "₂"),
    ],
)
def test_html_is_read_aloud(html: str, text: str) -> None:
    assert plain(html) == text


@pytest.mark.parametrize(
    ("attributes", "marks"),
    [
        ("", ["1.", "2."]),
        (' start="26" type="a"', ["z.", "aa."]),
        (' start="702" type="A"', ["ZZ.", "AAA."]),
        (' start="1998" type="I"', ["MCMXCVIII.", "MCMXCIX."]),
        (' start="4" type="i"', ["iv.", "v."]),
        (' start="0" type="i"', ["0.", "i."]),  # what letters cannot count
        (' start="3999" type="i"', ["mmmcmxcix.", "4000."]),
        (' start="-1"', ["-1.", "0."]),
        (' reversed=""', ["2.", "1."]),
        (' reversed="" start="9"', ["9.", "8."]),
    ],
)
def test_a_list_counts_as_it_says(attributes: str, marks: list[str]) -> None:
    assert plain(f"<ol{attributes}> <li>x</li> <li>x</li> </ol>") == "\n".join(f"{mark} x" for mark in marks)


def test_an_item_may_have_a_number_of_its_own() -> None:
    assert plain('<ol><li>a</li><li value="7">b</li><li>c</li></ol>') == "1. a\n7. b\n8. c"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p><del>3</del>4 people are hurt</p>", "4 people are hurt"),
        ("<p>The toll: <del>12</del><ins>34</ins></p>", "The toll: 34"),
        ("<p>price<del>100</del>80, 80<del>, not 100,</del>euros</p>", "price 80, 80 euros"),
        ("<p>1<del>2</del>3 and wor<del>l</del>d</p>", "13 and word"),
        ("<table><tr><td><del>1</del>2</td><td><del>5</del></td></tr></table>", "2"),
        ("<p><del>All of it, 10<sup>6</sup>.</del></p>", "All of it, 10⁶."),
    ],
)
def test_what_is_struck_out_is_not_read_aloud_unless_it_is_all_there_is(html: str, text: str) -> None:
    assert plain(html) == text
