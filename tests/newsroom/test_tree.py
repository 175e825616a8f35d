"""The tree of a parser's output: elements, text without entities, and an end to depth."""

from __future__ import annotations

from stoppress.newsroom.tree import Node, parse


def shape(node: Node) -> list[object]:
    return [child if isinstance(child, str) else (child.tag, shape(child)) for child in node.children]


def tree(html: str) -> list[object]:
    root = parse(html)
    assert root is not None
    return shape(root)


def test_elements_text_and_attributes() -> None:
    root = parse('<p lang="en" title="a &amp; &quot;b&quot;">1 &lt; 2<br><b>x</b></p>')

    assert root is not None
    (paragraph,) = root.children
    assert isinstance(paragraph, Node)
    assert paragraph.attributes == {"lang": "en", "title": 'a & "b"'}
    assert shape(root) == [("p", ["1 < 2", ("br", []), ("b", ["x"])])]
    assert [node.tag for node in root.elements()] == ["", "p", "br", "b"]
    assert root.text() == "1 < 2x"


def test_what_holds_no_tags_is_text_to_its_own_end() -> None:
    assert tree("<iframe>a<b></iframe>c") == [("iframe", ["a<b>"]), "c"]
    assert tree("<xmp>a<b>") == [("xmp", ["a<b>"])]
    assert tree("<xmp></xmp>") == [("xmp", [])]


def test_what_is_no_tag_is_text_and_an_end_of_nothing_is_passed_over() -> None:
    assert tree("1 < 2</b><p>x</b>y</p></p>") == ["1 ", "<", " 2", ("p", ["x", "y"])]


def test_depth_has_an_end() -> None:
    assert parse("<b>" * 9, deepest=10) is not None
    assert parse("<b>" * 10, deepest=10) is None
    assert parse("<br>" * 10 + "<b></b>" * 10, deepest=2) is not None
