"""The Desk of a server far away, over its HTTP API: same operations, same answers, same errors.

It never opens a store.

For one caller at a time (a command line): requests share one kept-alive connection. Each runs in a thread of its own,
so that Ctrl-C need not wait for a silent server. A connection that failed while it was idle is opened again and the
request repeated, which is safe: every change carries a key.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson

from ..newsroom import errors
from ..newsroom.errors import (
    InvalidError,
    NotAllowedError,
    NotFoundError,
    StoppressError,
    StoreError,
    TryAgainError,
    VersionError,
)
from ..newsroom.urls import split_url
from .result import ImportReport, Result

TIMEOUT_S = 30.0
IMPORT_TIMEOUT_S = 900.0  # a large file is rendered before it is answered
LINE_BYTES = 64 * 1024
_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, StoppressError) and kind is not StoppressError
}
_BY_STATUS: dict[int, type[StoppressError]] = {
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    410: errors.GoneError,
}
_BY_STATUS |= {409: errors.ConflictError, 429: TryAgainError}
T = TypeVar("T")


class RemoteDesk:
    """`url`: where the server is, `https://news.example.org`; `token`: what `stoppress token create` printed there."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        parts = split_url(url)
        is_one = parts and parts.scheme in ("http", "https") and not parts.query and not parts.fragment
        if not parts or not is_one or not _is_host(parts.hostname):
            raise InvalidError("url", f"must be an address such as https://news.example.org, not {url[:100]!r}")
        if parts.username is not None:
            raise InvalidError("url", "must not hold a name or password; give the token in STOPPRESS_TOKEN")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise InvalidError("token", "must be the text that `stoppress token create` printed")
        self.url = url.rstrip("/")
        self._root = parts.path.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)

    async def aclose(self) -> None:
        self._connection.close()

    # Reading

    async def stories(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = (await self._get("/api/stories"))["stories"]
        return told

    async def story(self, slug: str) -> dict[str, Any]:
        return await self._get(_story(slug))

    async def posts(self, slug: str, before: str = "", limit: int = 50) -> dict[str, Any]:
        query = urlencode({"limit": limit, **({"before": before} if before else {})})
        return await self._get(f"{_story(slug)}/posts?{query}")

    async def post(self, slug: str, id: str) -> dict[str, Any]:
        return await self._get(_post(slug, id))

    async def revisions(self, slug: str, id: str) -> list[dict[str, Any]]:
        """As the Desk's."""
        told: list[dict[str, Any]] = (await self._get(f"{_post(slug, id)}/revisions"))["revisions"]
        return told

    async def check(self, slug: str) -> None:
        """As the Desk's; and whether the token has the right."""
        await self.story(slug)
        response, body = await _away(lambda: self._exchange("OPTIONS", f"{_story(slug)}/posts", None, {}))
        if response.status != 204:
            raise self._error(response, body)
        if "POST" not in response.headers.get("Allow", "POST"):
            raise NotAllowedError(f"the token may read {slug} but not write there; ask for one that may")

    # Stories

    async def create_story(self, draft: dict[str, Any], *, key: str = "") -> Result:
        return await self._change("POST", "/api/stories", draft, key)

    async def edit_story(self, slug: str, patch: dict[str, Any], *, expect: int | None = None, key: str = "") -> Result:
        return await self._change("PATCH", _story(slug), patch, key, expect)

    async def delete_story(self, slug: str, *, expect: int | None = None, key: str = "") -> Result:
        return await self._change("DELETE", _story(slug), None, key, expect)

    async def pin(self, slug: str, id: str, *, key: str = "") -> Result:
        return await self.edit_story(slug, {"pinned_post_id": id}, key=key)

    async def unpin(self, slug: str, *, key: str = "") -> Result:
        return await self.edit_story(slug, {"pinned_post_id": None}, key=key)

    # Posts

    async def publish(self, slug: str, draft: dict[str, Any], *, key: str = "") -> Result:
        return await self._change("POST", f"{_story(slug)}/posts", draft, key)

    async def edit(
        self, slug: str, id: str, patch: dict[str, Any], *, expect: int | None = None, key: str = ""
    ) -> Result:
        return await self._change("PATCH", _post(slug, id), patch, key, expect)

    async def withdraw(self, slug: str, id: str, note: str, *, expect: int | None = None, key: str = "") -> Result:
        return await self._change("POST", f"{_post(slug, id)}/withdraw", {"note": note}, key, expect)

    async def delete(
        self, slug: str, id: str, *, purge: bool = False, expect: int | None = None, key: str = ""
    ) -> Result:
        return await self._change("DELETE", _post(slug, id) + ("?purge=true" if purge else ""), None, key, expect)

    async def correct(
        self, slug: str, id: str, text: str, kind: str = "correction", *, expect: int | None = None, key: str = ""
    ) -> Result:
        said = {"text": text, "kind": kind}
        return await self._change("POST", f"{_post(slug, id)}/corrections", said, key, expect)

    async def restore(self, slug: str, id: str, *, expect: int | None = None, key: str = "") -> Result:
        return await self._change("POST", f"{_post(slug, id)}/restore", {}, key, expect)

    async def revert(self, slug: str, id: str, version: int, *, expect: int | None = None, key: str = "") -> Result:
        return await self._change("POST", f"{_post(slug, id)}/revert", {"version": version}, key, expect)

    # Whole stories

    async def export(self, slug: str) -> AsyncIterator[bytes]:
        response = await _away(lambda: self._send("GET", f"{_story(slug)}/export", None, {}))
        if response.status != 200:
            raise self._error(response, await _away(response.read))
        # A line has no limit of its own, and chunked transfer coding tells a cut from an end (RFC 9112, 8).
        while line := await _away(lambda: self._reading(response.readline)):
            yield line

    async def import_(
        self,
        slug: str,
        lines: Iterable[bytes],
        progress: Callable[[int, int], None] | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
    ) -> ImportReport:
        """As the Desk's, but `progress` is not told: the server does all its work before it answers."""
        asked = [name for name, held in (("dry_run", dry_run), ("strict", strict)) if held]
        path = f"{_story(slug)}/import" + ("?" if asked else "") + "&".join(f"{name}=true" for name in asked)
        self._connection.close()  # a file is read once, so this request cannot be repeated on a fresh connection
        self._connection.timeout = IMPORT_TIMEOUT_S
        headers = {"Content-Type": "application/jsonl"}
        response, body = await _away(lambda: self._exchange("POST", path, lines, headers))
        self._connection.timeout = self._timeout_s
        told = self._value(response, body)
        return ImportReport.of(told)

    # One request

    async def _get(self, path: str) -> dict[str, Any]:
        response, body = await _away(lambda: self._exchange("GET", path, None, {}))
        return self._value(response, body)

    async def _change(self, method: str, path: str, value: Any, key: str, expect: int | None = None) -> Result:
        headers = {"Idempotency-Key": key or os.urandom(16).hex()}
        if expect is not None:
            headers["If-Match"] = f'"{expect}"'
        if value is not None:
            headers["Content-Type"] = "application/json"
        try:
            body = None if value is None else orjson.dumps(value)
        except TypeError:
            raise InvalidError("", "the text is not valid Unicode (a lone surrogate); send UTF-8") from None
        response, answer = await _away(lambda: self._exchange(method, path, body, headers))
        told = self._value(response, answer)
        created = response.status == 201 or method != "POST" or not path.endswith(("/stories", "/posts"))
        warnings = tuple(told.pop("warnings", ()))
        return Result(told, created, response.headers.get("Stoppress-Position", ""), warnings)

    def _value(self, response: http.client.HTTPResponse, body: bytes) -> dict[str, Any]:
        if response.status not in (200, 201):
            raise self._error(response, body)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise StoreError(f"{self.url} answers, but not like Stoppress: is that its address?")
        return value

    def _exchange(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        response = self._send(method, path, body, headers)
        return response, self._reading(response.read)

    def _send(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        told = {"Accept": "application/json", "User-Agent": "stoppress", **headers}
        if self._token:
            told["Authorization"] = f"Bearer {self._token}"
        reused = self._connection.sock is not None
        try:
            if not reused:
                self._connect()
            try:
                self._connection.request(method, self._root + path, body, told)
            except (BrokenPipeError, ConnectionResetError):
                if reused:
                    raise
                # A server that refuses a large body answers before it has read it.
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if reused:
                return self._send(method, path, body, headers)
            raise self._lost(error) from None

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except OSError as error:
            self._connection.close()
            raise StoreError(
                f"cannot reach {self.url}: {_reason(error)}; is `stoppress serve` running there?"
            ) from None

    def _reading(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> StoppressError:
        return TryAgainError(f"the connection to {self.url} broke before the answer: {_reason(error)}")

    def _error(self, response: http.client.HTTPResponse, body: bytes) -> StoppressError:
        """The error a response tells of; problem documents (RFC 9457) become what they were over there."""
        status = response.status
        if 300 <= status < 400:
            where = response.headers.get("Location", "elsewhere")[:200]
            return InvalidError("url", f"{self.url} sends on to {where}: use that address")
        problem: dict[str, Any] = {}
        if "json" in response.headers.get("Content-Type", ""):
            try:
                read = orjson.loads(body)
                problem = read if isinstance(read, dict) else {}
            except orjson.JSONDecodeError:
                pass
        code = str(problem.pop("type", "")).removeprefix("urn:stoppress:")
        detail = str(problem.pop("detail", "") or f"{self.url} answered {status} {response.reason}")
        if status == 401 and not self._token:
            detail += "; give it in STOPPRESS_TOKEN"
        for member in ("title", "status"):
            problem.pop(member, None)
        kind = _KINDS.get(code) or _BY_STATUS.get(status) or (InvalidError if status < 500 else TryAgainError)
        return _made(kind, status, detail, problem)


def _made(kind: type[StoppressError], status: int, detail: str, extra: dict[str, Any]) -> StoppressError:
    """An error of that kind with a sentence that is complete already, past the constructors that would build one."""
    error = kind.__new__(kind)
    StoppressError.__init__(error, detail, **extra)
    error.status = status
    if isinstance(error, InvalidError):
        error.field = str(extra.get("field", ""))
        error.rule = detail.removeprefix(f"{error.field}: ") if error.field else detail
    if isinstance(error, VersionError):
        error.current_version = int(extra.get("current_version", 0))
    return error


def _story(slug: str) -> str:
    return f"/api/stories/{quote(slug, safe='')}"


def _post(slug: str, id: str) -> str:
    return f"{_story(slug)}/posts/{quote(id, safe='')}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def _away(call: Callable[[], T]) -> T:
    """`call` in a daemon thread: unlike an executor's, it keeps no process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(set_it: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            set_it(value)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], object]
        try:
            outcome = (done.set_result, call())
        except BaseException as error:
            outcome = (done.set_exception, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=run, daemon=True).start()
    return await done


def _is_host(name: str | None) -> bool:
    """Can it be looked up? A label has at most 63 bytes (RFC 1035 section 2.3.4)."""
    try:
        return bool((name or "").encode("idna"))
    except UnicodeError:
        return False
