"""Addresses that strangers give are read or refused, and never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.newsroom.urls import split_url


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://news.example.org:8443/a?b#c", "news.example.org", 8443),
        ("http://[::1]/", "::1", None),
        ("", None, None),
    ],
)
def test_an_address_is_read(url: str, host: str | None, port: int | None) -> None:
    parts = split_url(url)

    assert parts is not None
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize("url", ["http://[::1", "http://[x]", "http://a:99999", "http://a:b", "http://a]/"])
def test_what_urlsplit_takes_and_cannot_read_is_none(url: str) -> None:
    assert split_url(url) is None


@given(st.text(alphabet="htp:/[]@a1.%?#\\ \t\n", max_size=20).map("http://".__add__))
def test_whatever_comes_can_be_asked_for_host_and_port(url: str) -> None:
    parts = split_url(url)

    if parts is not None:
        assert parts.hostname != ""
        assert parts.port is None or 0 <= parts.port <= 65_535
