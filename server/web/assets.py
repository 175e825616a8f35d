"""What pages are made of: templates and the files they link to, both from `client_demo/`.

It never reads a file outside of that, and no story.
"""

from __future__ import annotations

import hashlib
import mimetypes
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from ..newsroom.errors import NotFoundError
from .caching import not_modified

HOME = Path(str(files("stoppress.client_demo")))
# Machines differ in what their registry knows; a module served as text/plain does not run.
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
FOREVER = "public, max-age=31536000, immutable"
CHECK = "public, no-cache"
LOOK_S = 1.0


class Assets:
    """The files under `client_demo/assets`, each known by the hash of what it holds.

    Read again when it changes on disk, so that an editor of the page sees it without a restart.
    """

    def __init__(self, home: Path = HOME / "assets") -> None:
        self.home = home
        self._held: dict[str, tuple[int, str, bytes]] = {}
        self._hashes: dict[str, tuple[int, bytes]] = {}
        self._version = (float("-inf"), "")

    def address(self, path: str) -> str:
        """`/assets/reader.js?v=…`: the address changes with the content, so it may be kept for ever."""
        found = self.find(path)
        return f"/assets/{path}?v={found[0]}" if found else f"/assets/{path}"

    def find(self, path: str) -> tuple[str, bytes] | None:
        """(hash, content), None if there is no such file."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        file = self.home.joinpath(*parts)
        try:
            changed = file.stat().st_mtime_ns
            held = self._held.get(path)
            if held is None or held[0] != changed:
                content = file.read_bytes()
                held = self._held[path] = (changed, hashlib.sha256(content).hexdigest()[:16], content)
        except OSError:
            return None
        return held[1], held[2]

    def version(self) -> str:
        """Changes with any file here or template: what a page was made with. Looked at again after a second."""
        looked_at, version = self._version
        if time.monotonic() - looked_at > LOOK_S:
            seen = hashlib.sha256()
            for file in sorted(self.home.parent.rglob("*")):
                if file.is_file() and file.suffix != ".pyc":
                    path, held = str(file), file.stat()
                    if path not in self._hashes or self._hashes[path][0] != held.st_mtime_ns:
                        # By content: the same release has the same tags on every machine, whenever it was unpacked.
                        self._hashes[path] = (held.st_mtime_ns, hashlib.sha256(file.read_bytes()).digest())
                    seen.update(file.relative_to(self.home.parent).as_posix().encode() + self._hashes[path][1])
            version = seen.hexdigest()[:8]
            self._version = (time.monotonic(), version)
        return version

    async def serve(self, request: Request) -> Response:
        """The file asked for."""
        path = request.path_params["path"]
        found = self.find(path)
        if found is None:
            raise NotFoundError("There is no such file.")
        version, content = found
        keep = FOREVER if request.query_params.get("v") == version else CHECK
        headers = {"ETag": f'"{version}"', "Cache-Control": keep, "Cross-Origin-Resource-Policy": "cross-origin"}
        if not_modified(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        suffix = Path(path).suffix.lower()
        kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
        if suffix == ".svg":
            # An SVG opened by itself is a document; as a picture none of this matters.
            headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        return Response(content, headers=headers, media_type=kind)


def environment(home: Path = HOME / "templates", **given: Any) -> Environment:
    """Templates: everything is escaped, a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(home),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(given)
    return made
