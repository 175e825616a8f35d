"""Scripts: the Lua beside this file, as the server runs it. Owns its text and its digests, never what it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from .server import Server


@cache
def source(name: str) -> str:
    """The text of a script, between how each one begins and how each one ends."""
    prelude, body, epilogue = (
        (files(__package__) / f"{part}.lua").read_text() for part in ("prelude", name, "epilogue")
    )
    return f"{prelude}\nlocal function script()\n{body}end\n{epilogue}"


class Scripts:
    """Runs scripts by their digest; they are loaded where the server does not know them (after a restart, say)."""

    def __init__(self, server: Server, source: Callable[[str], str] = source) -> None:
        self._server = server
        self._source = source
        self._known: dict[str, Any] = {}

    async def run(self, name: str, keys: Sequence[str], arguments: Mapping[str, Any]) -> Any:
        """Its answer. `arguments`: by name, as it knows them; it is also told whether the server is durable."""
        script = self._known.get(name)
        if script is None:
            script = self._known[name] = self._server.client.register_script(self._source(name))
        named = {"durable": int(self._server.durable), **arguments}
        return await script(keys=keys, args=[part for pair in named.items() for part in pair])
