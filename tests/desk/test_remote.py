"""RemoteDesk: addresses that are none."""

from __future__ import annotations

import pytest

from stoppress.desk.remote import RemoteDesk
from stoppress.newsroom.errors import InvalidError


@pytest.mark.parametrize(
    "url",
    [
        *("", "news.example", "ftp://a", "http://", "http://[::1", "https://[x]", "http://a:b", "http://a:99999"),
        *("http://" + "a" * 300 + ".x", "http://a/?b", "http://me:secret@a"),
    ],
)
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(InvalidError) as error:
        RemoteDesk(url)
    assert error.value.field == "url"
