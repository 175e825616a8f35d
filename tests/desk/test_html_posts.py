"""Posts that are written in HTML, and what is said when something of a post cannot be kept."""

from __future__ import annotations

import pytest

from stoppress.desk.desk import Desk
from stoppress.newsroom.errors import ConflictError, InvalidError
from stoppress.store.store import Store


@pytest.fixture
async def desk(store: Store) -> Desk:
    desk = Desk(store)
    await desk.create_story({"slug": "storm", "headline": "One"})
    return desk


HTML = '<div>a <b>b</b></div><img src="/a.jpg" alt="A"><form>c</form>'
KEPT = "<p>a <strong>b</strong></p><p>c</p>"
SAID = ("form left out, its text kept", "img moved to images")


async def test_html_is_kept_and_what_it_loses_is_said(desk: Desk) -> None:
    made = await desk.publish("storm", {"id": "p", "headline": "h", "content_html": HTML})

    assert made.warnings == SAID
    assert (made.value["body"], made.value["content_html"], made.value["article_body"]) == ("", KEPT, "a b\n\nc")
    assert made.value["images"] == [{"url": "/a.jpg", "alt": "A"}]


async def test_an_edit_of_other_fields_leaves_html_alone(desk: Desk) -> None:
    await desk.publish("storm", {"id": "p", "headline": "h", "content_html": HTML})
    edited = await desk.edit("storm", "p", {"headline": "i"})

    assert (edited.value["content_html"], edited.warnings) == (KEPT, ())


async def test_html_replaces_a_body_and_a_body_html(desk: Desk) -> None:
    await desk.publish("storm", {"id": "p", "headline": "h", "body": "*x*"})
    edited = await desk.edit("storm", "p", {"content_html": HTML})
    assert (edited.value["body"], edited.value["content_html"], edited.warnings) == ("", KEPT, SAID)
    assert edited.value["images"] == [{"url": "/a.jpg", "alt": "A"}]
    version = edited.value["version"]

    same = await desk.edit("storm", "p", {"content_html": HTML})
    assert same.value["version"] == version
    other = await desk.edit("storm", "p", {"content_html": "<p>Other</p>"})
    assert (other.value["content_html"], other.value["version"]) == ("<p>Other</p>", version + 1)
    back = await desk.revert("storm", "p", version)
    assert back.value["content_html"] == KEPT

    written = await desk.edit("storm", "p", {"body": "*y*"})
    assert (written.value["body"], written.value["content_html"]) == ("*y*", "<p><em>y</em></p>")


async def test_the_pictures_of_new_html_replace_the_old_ones(desk: Desk) -> None:
    await desk.publish("storm", {"id": "p", "headline": "h", "content_html": '<img src="/1.jpg"><img src="/2.jpg">'})
    given = [{"url": "/1.jpg"}, {"url": "/2.jpg", "alt": "Two"}]
    await desk.edit("storm", "p", {"images": given})

    edited = await desk.edit("storm", "p", {"content_html": '<img src="/3.jpg"><img src="/2.jpg">'})
    assert edited.value["images"] == [{"url": "/3.jpg"}, {"url": "/2.jpg", "alt": "Two"}]
    assert edited.warnings == ("img moved to images", "images replaced by those in the HTML, left out: /1.jpg")

    for patch in ({"content_html": "<p>No picture</p>"}, {"body": "None"}):
        assert (await desk.edit("storm", "p", patch)).value["images"] == edited.value["images"]
    both = await desk.edit("storm", "p", {"content_html": '<img src="/4.jpg">', "images": given})
    assert both.value["images"] == [*given, {"url": "/4.jpg"}]


async def test_body_and_html_together_are_refused(desk: Desk) -> None:
    await desk.publish("storm", {"id": "p", "headline": "h"})
    both = {"body": "a", "content_html": "<p>b</p>"}
    with pytest.raises(InvalidError, match="content_html: stands beside a body"):
        await desk.publish("storm", {"headline": "h", **both})
    with pytest.raises(InvalidError, match="content_html: stands beside a body"):
        await desk.edit("storm", "p", both)


async def test_a_body_that_is_html_is_said_to_be_shown_as_it_stands(desk: Desk) -> None:
    made = await desk.publish("storm", {"id": "p", "headline": "h", "body": "<p>Hello"})
    assert made.warnings == ("<p> is shown as it stands: a body is Markdown; give HTML as content_html (--html)",)
    assert (await desk.edit("storm", "p", {"body": "<div>x</div>"})).warnings[0].startswith("<div> is shown as it")


async def test_a_key_answers_the_same_with_the_same_warnings(desk: Desk) -> None:
    draft = {"headline": "h", "content_html": HTML}
    first = await desk.publish("storm", draft, key="k")
    again = await desk.publish("storm", draft, key="k")

    assert (again.value, again.position, again.warnings) == (first.value, first.position, first.warnings)
    with pytest.raises(ConflictError):
        await desk.publish("storm", {"headline": "h", "content_html": HTML + "!"}, key="k")


async def test_html_counts_in_what_a_post_was_created_with(desk: Desk) -> None:
    await desk.publish("storm", {"id": "p", "headline": "h", "content_html": "<p>a</p>"})
    assert not (await desk.publish("storm", {"id": "p", "headline": "h", "content_html": "<p>a</p>"})).created
    with pytest.raises(ConflictError):
        await desk.publish("storm", {"id": "p", "headline": "h", "content_html": "<p>b</p>"})
