"""Note: one piece of a text that was changed or left out on its way to a post. It never decides what is."""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """What became of a piece of a body. `kept`: nothing of it is lost."""

    kind: str
    text: str
    kept: bool = False
