"""Addresses: what HTML shows or leads to, as it stands in it. It never judges one: `fields` does."""

from __future__ import annotations

from html.parser import HTMLParser


def addresses_of(html: str) -> list[str]:
    """In their order."""
    reader = _Reader()
    reader.feed(html)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("src", "href", "poster", "data", "data-src"):
                self.found.append(value.strip())
            elif value and name == "srcset":
                self.found += [one.split()[0] for one in value.split(",") if one.strip()]
