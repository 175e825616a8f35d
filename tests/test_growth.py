"""The check of growth itself: it must tell a square from a line, or it holds nothing."""

from __future__ import annotations

import re

import pytest

from growth import check_grows_in_line


@pytest.mark.timed
def test_a_line_passes_and_a_square_does_not() -> None:
    check_grows_in_line(lambda size: re.sub(r"[ \t]+", "", " x" * size), 400_000)
    with pytest.raises(pytest.fail.Exception, match=r"4 times as much takes .* times as long"):
        check_grows_in_line(lambda size: re.sub(r"[ \t]+\n", "", " " * size), 20_000)


def test_what_takes_no_time_may_grow_as_it_likes() -> None:
    check_grows_in_line(lambda size: re.sub(r"[ \t]+\n", "", " " * size), 400)
