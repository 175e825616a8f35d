"""Addresses that strangers give are read or refused, and never an exception; and whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoppress.newsroom.urls import is_loopback, network, split_url


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


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.255.3.4", "::1", "[::1]"])
def test_this_machine_has_several_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "127.0.0.1.example.org", "128.0.0.1", "localhost.example.org", "::2", "0.0.0.0"])
def test_another_machine_is_not_this_one(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),  # no address at all: itself
        ("", ""),
    ],
)
def test_an_ipv6_line_is_one_whatever_its_last_half(host: str, whose: str) -> None:
    assert network(host) == whose
