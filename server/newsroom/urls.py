"""Addresses: reading what people and strangers give as one."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def split_url(url: str) -> SplitResult | None:
    """`urlsplit`, or None for what it takes and then cannot read: `http://[::1`, `http://[x]`, `http://a:99999`."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Is this address, or the host of a Host header, this machine itself?"""
    name = host.strip("[]").lower()
    return name in LOOPBACK_HOSTS or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def network(host: str) -> str:
    """Whom an address belongs to, as far as it can be told: itself, or the /64 an IPv6 line usually has to itself."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host
