"""Addresses: by what a store's URL is known. Never connects, and imports no driver: the command line only looks."""

from __future__ import annotations

SCHEMES = ("redis://", "rediss://", "unix://")


def is_store(url: str) -> bool:
    """Does it name a store, and not a server?"""
    return url.startswith(SCHEMES)
