"""Records: every text in one has a rule, which its type brings along wherever it stands."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType
from msgspec.inspect import ListType, Metadata, StrType, StructType, Type, UnionType, type_info

from stoppress.desk import lines
from stoppress.newsroom import model, text
from stoppress.newsroom.errors import InvalidError
from stoppress.newsroom.fields import Line, Moment, Url
from stoppress.newsroom.record import CHECKS, Record, read

RECORDS = [
    kind
    for module in (model, lines)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]


def has_text(kind: Type) -> bool:
    """By msgspec's own reading of the annotations, not by the one that the rules are found with."""
    if isinstance(kind, UnionType):
        return any(has_text(one) for one in kind.types)
    if isinstance(kind, ListType):
        return has_text(kind.item_type)
    if isinstance(kind, StructType):
        return any(has_text(field.type) for field in kind.fields)
    return has_text(kind.type) if isinstance(kind, Metadata) else isinstance(kind, StrType)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_text_of_every_struct_has_a_rule(kind: type[Record]) -> None:
    info = type_info(kind)
    assert isinstance(info, StructType)
    assert {field.name for field in info.fields if has_text(field.type)} == CHECKS[kind].keys()


def test_these_are_all_records() -> None:
    assert len(RECORDS) == 14
    assert {*RECORDS} <= {*CHECKS}


@pytest.mark.parametrize(
    "hint",
    [
        str,
        str | None,
        str | UnsetType,
        Annotated[str, Meta(max_length=9)],
        list[str],
        Annotated[list[Annotated[str, Meta(max_length=9)]], Meta(max_length=9)] | UnsetType,
        dict[str, int],
    ],
    ids=str,
)
def test_no_record_can_be_made_with_a_text_without_a_rule(hint: Any) -> None:
    with pytest.raises(TypeError, match=r"Embed\.embed_src is text without a rule"):
        type("Embed", (Record,), {"__annotations__": {"embed_src": hint}})


class Credit(Record, kw_only=True):
    said: Line
    pages: list[Url] = []  # noqa: RUF012


class Embed(Record, kw_only=True):
    publish_at: Moment = ""
    embed_src: Url | UnsetType | None = UNSET
    credit: Credit | None = None
    credits: Annotated[list[Credit], Meta(max_length=9)] = []  # noqa: RUF012
    width: int = 0


def test_a_rule_holds_whatever_its_field_is_called_and_however_deep_it_stands() -> None:
    for given, field, rule in [
        ({"publish_at": "soon"}, "publish_at", "RFC 3339"),
        ({"embed_src": "//evil.example"}, "embed_src", "must be an http://"),
        ({"credit": {"said": "a\nb"}}, "credit.said", "one line"),
        ({"credit": {"said": "", "pages": ["/a", "data:x"]}}, "credit.pages[1]", "must be an http://"),
        ({"credits": [{"said": "a"}, {"said": "\x00"}]}, "credits[1].said", "U+0000"),
    ]:
        with pytest.raises(InvalidError) as caught:
            read(Embed, given)
        assert caught.value.field == field
        assert rule in caught.value.rule


def test_a_time_is_kept_in_the_one_form_and_the_rest_as_it_was_given() -> None:
    embed = read(Embed, {"publish_at": "2026-11-22T10:00:00-05:00", "credits": [{"said": "a", "pages": ["/b"]}]})

    assert embed == Embed(publish_at="2026-11-22T15:00:00.000Z", credits=[Credit(said="a", pages=["/b"])])
    assert read(Embed, {"embed_src": None}).embed_src is None


def test_a_slug_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidError, match=r"^slug: must be 1 to 80 of a-z and 0-9, .* such as election-night$"):
        read(model.StoryDraft, {"slug": "Election Night", "headline": "Election night"})


def test_an_address_from_html_is_held_to_what_a_picture_may_have() -> None:
    """Else it would be stored, and its own export could not be imported."""
    taken = text.take('<p>Smoke</p><img src="https://img.example/&#1;a.png">')

    assert (taken.images, [note.kind for note in taken.notes]) == ([], ["img"])
