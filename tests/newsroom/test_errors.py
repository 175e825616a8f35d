"""Errors are for people: what each edge makes of one, and how a wrong shape is put into words."""

from __future__ import annotations

import re

import pytest

from stoppress.newsroom import errors
from stoppress.newsroom.errors import (
    BusyError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    StoppressError,
    VersionError,
)
from stoppress.newsroom.model import PostDraft
from stoppress.newsroom.shape import shape_error


def all_kinds(kind: type[StoppressError] = StoppressError) -> list[type[StoppressError]]:
    return [kind, *[one for child in kind.__subclasses__() for one in all_kinds(child)]]


def test_the_table_at_the_top_says_what_each_kind_means_to_both_edges() -> None:
    rows = re.findall(r"─ (\w+Error) .*?(\d{3})?\)?,? +exit (\d+)$", errors.__doc__ or "", re.M)
    kinds = [kind for kind in all_kinds() if kind.__module__ == errors.__name__][1:]

    assert {name: (int(status), int(code)) for name, status, code in rows} == {
        kind.__name__: (kind.status, kind.exit_code) for kind in kinds
    }
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_a_problem_document_has_what_rfc_9457_names_and_what_the_error_adds() -> None:
    assert NotFoundError("no story storm", slug="storm").problem() == {
        "type": "urn:stoppress:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "no story storm",
        "slug": "storm",
    }


def test_a_broken_rule_names_its_field_if_it_has_one() -> None:
    named, whole = InvalidError("headline", "must not be empty", line=3), InvalidError("", "is no JSON")

    assert (str(named), named.extra) == ("headline: must not be empty", {"field": "headline", "line": 3})
    assert (str(whole), whole.extra) == ("is no JSON", {})


def test_a_conflict_says_the_version_to_repeat_the_change_with() -> None:
    error = VersionError("post p1", 7)

    assert "post p1 is at version 7" in error.detail
    assert error.current_version == error.problem()["current_version"] == 7


def test_who_is_one_too_many_is_told_when_to_come_back_and_who_is_refused_is_not() -> None:
    busy = BusyError("1,000 readers", retry_after_s=7)

    assert (busy.retry_after_s, busy.status, busy.exit_code) == (7, 503, 75)
    lasting = (InvalidError("a", "b"), NotFoundError("x"), VersionError("post p", 1), NotAllowedError("x"))
    assert [error.retry_after_s for error in lasting] == [0, 0, 0, 0]


@pytest.mark.parametrize("status", [401, 403])
def test_no_token_and_not_enough_of_one_are_two_answers(status: int) -> None:
    error = NotAllowedError("needs the role editor", status=status)

    assert (error.status, error.problem()["status"], error.exit_code) == (status, status, 77)
    assert NotAllowedError("x").status == 403


def test_a_wording_that_nobody_foresaw_is_passed_on_without_the_library_s_marks() -> None:
    error = shape_error(PostDraft, "Something `new` is wrong - at `$.images[0].url`")

    assert (error.field, error.rule) == ("images[0].url", "something new is wrong")
