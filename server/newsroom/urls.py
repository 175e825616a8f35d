"""Addresses: reading what people and strangers give as one."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_url(url: str) -> SplitResult | None:
    """`urlsplit`, or None for what it takes and then cannot read: `http://[::1`, `http://[x]`, `http://a:99999`."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
