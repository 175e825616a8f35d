"""The editorial API: the Desk over HTTP (PROTOCOL, section 5).

It never decides itself: `auth` says who may, the Desk what becomes of it.

Every change answers with the stored value, `ETag: "VERSION"` and `Stoppress-Position: EPOCH:SEQ`; 201 and `Location`
when it made something, 200 when it changed something or had been told before. Every mistake is
`application/problem+json` whose `detail` names the field and the rule.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ..desk.desk import Desk
from ..desk.reading import PAGE_POSTS
from ..desk.result import Result
from ..desk.tokens import Grant
from ..newsroom.errors import (
    InvalidError,
    NotFoundError,
    StoppressError,
    StoreError,
    TryAgainError,
    VersionError,
)
from ..newsroom.fields import check_slug
from ..store.records import KeyReusedError
from ..transport.parts import parts_of
from ..transport.problems import RequestError, problem
from .auth import Auth
from .body import expected_versions, idempotency_key, read_json, read_lines
from .parts import Parts

log = logging.getLogger(__name__)
LINES = "application/jsonl"
PATIENCE_S = 5.0  # beyond the time of one call to the store
NOBODY = Grant(id="", name="", role="viewer", story="", created="")


@dataclass(slots=True)
class Call:
    """One request to the API, its sender already let in."""

    request: Request
    desk: Desk
    grant: Grant
    slug: str
    id: str
    key: str
    expect: int | None
    patience_s: float
    deadline: asyncio.Timeout | None = None
    given: dict[str, Any] | None = None

    async def json(self, *known: str, optional: bool = False) -> dict[str, Any]:
        """The body's members; with `known` given, no others are allowed."""
        if self.given is None:
            self.wait(None)  # for the sender the connection has patience of its own
            self.given = await read_json(self.request, optional=optional)
            self.wait(self.patience_s)
        given = self.given
        for name in given:
            if known and name not in known:
                raise InvalidError(name[:80], f"is not a field here; there is {' and '.join(known)}")
        return given

    def wait(self, seconds: float | None) -> None:
        """So much longer may the answer take from now on; None = as long as it does."""
        assert self.deadline is not None
        self.deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    def number(self, name: str, default: int) -> int:
        text = self.request.query_params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidError(name, f"must be a whole number, not {text[:40]!r}")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.request.query_params.get(name, "false").lower()
        if text not in ("true", "1", "false", "0"):
            raise InvalidError(name, f"must be true or false, not {text[:40]!r}")
        return text in ("true", "1")


def _sorry(request: Request, error: StoppressError) -> Response:
    key = request.headers.get("idempotency-key", "")
    if error.status >= 500 and key:
        error.extra.setdefault("key", key[:128])  # to try again with, whether it was done or not
    return problem(error)


Handler = Callable[[Call], Awaitable[Response]]


class Resource:
    """One address of the API: what each method does and which role it needs ("" = none)."""

    def __init__(self, methods: Mapping[str, tuple[str, Handler]]) -> None:
        self.methods = methods
        names = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
        self.allow = ", ".join(sorted(names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            answer = await self._answer(request)
        except StoppressError as error:
            answer = _sorry(request, error)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("the API failed: %s %s", request.method, request.url.path)
            mistake = StoppressError("the server made a mistake and logged it; the outcome is unknown")
            answer = _sorry(request, mistake)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        slug, id = request.path_params.get("slug", ""), request.path_params.get("id", "")
        parts = parts_of(request.app, Parts)
        auth = parts.auth
        if method == "OPTIONS":
            allow = await self._allowed(request, auth, slug) if "authorization" in request.headers else self.allow
            return Response(status_code=204, headers={"Allow": allow, "Cache-Control": "no-store"})
        if method not in self.methods:
            rule = f"{request.url.path} does not take {request.method[:20]}; it takes {self.allow}"
            raise RequestError(405, rule, headers={"Allow": self.allow})
        role, handler = self.methods[method]
        grant = await auth.editor(request, role, slug or None) if role else NOBODY
        if slug:
            check_slug("slug", slug)
        changes = method != "GET"
        call = Call(
            request,
            parts.desk.of(grant.name),
            grant,
            slug,
            id,
            idempotency_key(request) if changes else "",
            None,
            parts.settings.store_timeout_s + PATIENCE_S,
        )
        try:
            async with asyncio.timeout(call.patience_s) as call.deadline:
                return await _as_expected(handler, call, expected_versions(request) if changes else [None])
        except TimeoutError:
            late = "the store did not answer in time"
            if not changes:
                raise StoreError(f"{late}; try it again in a few seconds") from None
            if call.key:
                told = f"{late}, and nobody knows if it was done: try again with the key {call.key}"
                raise TryAgainError(told, key=call.key) from None
            raise TryAgainError(f"{late}, and nobody knows if it was done: look before you try again") from None

    async def _allowed(self, request: Request, auth: Auth, slug: str) -> str:
        """The methods that this token may use here: for who wants to know before they write a text."""
        grant = await auth.editor(request, "viewer", None)
        unfit = [name for name, (role, _) in self.methods.items() if role and not grant.may(role, slug or None)]
        if "GET" in unfit:
            unfit.append("HEAD")
        return ", ".join(name for name in self.allow.split(", ") if name not in unfit)


async def _as_expected(handler: Handler, call: Call, versions: list[int | None]) -> Response:
    """The call, made for the first of the `versions` that stands. A key belongs to the one it was first used with."""
    for call.expect in versions[:-1]:
        try:
            return await handler(call)
        except (VersionError, KeyReusedError):
            continue
    call.expect = versions[-1]
    return await handler(call)


def shown(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    told = {"Cache-Control": "no-store", **(headers or {})}
    if isinstance(value, dict) and isinstance(value.get("version"), int):
        told["ETag"] = f'"{value["version"]}"'
    return Response(orjson.dumps(value), status, told, media_type="application/json")


def changed(result: Result, *, made_at: str = "") -> Response:
    """`made_at`: where the thing this call makes can be read."""
    headers = {"Stoppress-Position": result.position}
    if made_at:
        headers["Location"] = made_at
    value = {**result.value, "warnings": list(result.warnings)} if result.warnings else result.value
    return shown(value, status=201 if made_at and result.created else 200, headers=headers)


# Stories


async def list_stories(call: Call) -> Response:
    held = await call.desk.stories()
    return shown({"stories": [story for story in held if call.grant.may("viewer", story["slug"])]})


async def create_story(call: Call) -> Response:
    draft = await call.json()
    slug = draft.get("slug")
    if isinstance(slug, str) and not call.grant.may("editor", slug):
        raise call.grant.refusal("editor", slug[:80])
    result = await call.desk.create_story(draft, key=call.key)
    return changed(result, made_at=f"/api/stories/{result.value['slug']}")


async def show_story(call: Call) -> Response:
    return shown(await call.desk.story(call.slug))


async def edit_story(call: Call) -> Response:
    return changed(await call.desk.edit_story(call.slug, await call.json(), expect=call.expect, key=call.key))


async def delete_story(call: Call) -> Response:
    return changed(await call.desk.delete_story(call.slug, expect=call.expect, key=call.key))


# Posts


async def list_posts(call: Call) -> Response:
    before = call.request.query_params.get("before", "")
    return shown(await call.desk.posts(call.slug, before=before, limit=call.number("limit", PAGE_POSTS)))


async def publish(call: Call) -> Response:
    draft = await call.json()
    if draft.get("pin") is True and not call.grant.may("editor"):
        raise call.grant.refusal("editor", field="pin")
    result = await call.desk.publish(call.slug, draft, key=call.key)
    return changed(result, made_at=f"/api/stories/{call.slug}/posts/{result.value['id']}")


async def show_post(call: Call) -> Response:
    return shown(await call.desk.post(call.slug, call.id))


async def edit_post(call: Call) -> Response:
    patch = await call.json()
    return changed(await call.desk.edit(call.slug, call.id, patch, expect=call.expect, key=call.key))


async def delete_post(call: Call) -> Response:
    purge = call.flag("purge")
    if purge and not call.grant.may("admin"):
        raise call.grant.refusal("admin", field="purge")
    return changed(await call.desk.delete(call.slug, call.id, purge=purge, expect=call.expect, key=call.key))


async def withdraw(call: Call) -> Response:
    given = await call.json("note")
    note = _member(given, "note", str, "the public reason, in a sentence")
    return changed(await call.desk.withdraw(call.slug, call.id, note, expect=call.expect, key=call.key))


async def restore(call: Call) -> Response:
    if await call.json(optional=True):
        raise InvalidError("", "restore takes no fields; send an empty body or {}")
    return changed(await call.desk.restore(call.slug, call.id, expect=call.expect, key=call.key))


async def correct(call: Call) -> Response:
    given = await call.json("text", "kind")
    text = _member(given, "text", str, "what was wrong and what is right")
    kind = _member({"kind": "correction", **given}, "kind", str, "correction, clarification or retraction")
    return changed(await call.desk.correct(call.slug, call.id, text, kind, expect=call.expect, key=call.key))


async def list_revisions(call: Call) -> Response:
    return shown({"revisions": await call.desk.revisions(call.slug, call.id)})


async def revert(call: Call) -> Response:
    version = _member(await call.json("version"), "version", int, "the number of the version to go back to")
    return changed(await call.desk.revert(call.slug, call.id, version, expect=call.expect, key=call.key))


# Whole stories, as JSON Lines


async def export(call: Call) -> Response:
    lines = call.desk.export(call.slug)
    first = await anext(aiter(lines))  # an unknown story is an answer of its own, not a stream that breaks

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{call.slug}.jsonl"'}
    return StreamingResponse(body(), headers=headers, media_type=LINES)


async def import_(call: Call) -> Response:
    call.wait(None)  # how long depends on how much there is
    report = await call.desk.import_(
        call.slug, read_lines(call.request), dry_run=call.flag("dry_run"), strict=call.flag("strict")
    )
    return shown(report.view())


async def unknown(call: Call) -> Response:
    raise NotFoundError(f"the API has no {call.request.url.path[:200]}; docs/protocol.md lists what it has")


def _member(given: dict[str, Any], name: str, kind: type, what: str) -> Any:
    if name not in given:
        raise InvalidError(name, f"is missing and required: {what}")
    if type(given[name]) is not kind:
        raise InvalidError(name, f"must be {'a whole number' if kind is int else 'a string'}: {what}")
    return given[name]


_POST = "/api/stories/{slug}/posts/{id}"
RESOURCES: dict[str, dict[str, tuple[str, Handler]]] = {
    "/api/stories": {"GET": ("viewer", list_stories), "POST": ("editor", create_story)},
    "/api/stories/{slug}": {
        "GET": ("viewer", show_story),
        "PATCH": ("editor", edit_story),
        "DELETE": ("admin", delete_story),
    },
    "/api/stories/{slug}/posts": {"GET": ("viewer", list_posts), "POST": ("contributor", publish)},
    _POST: {
        "GET": ("viewer", show_post),
        "PATCH": ("contributor", edit_post),
        "DELETE": ("editor", delete_post),
    },
    _POST + "/withdraw": {"POST": ("editor", withdraw)},
    _POST + "/restore": {"POST": ("editor", restore)},
    _POST + "/corrections": {"POST": ("contributor", correct)},
    _POST + "/revisions": {"GET": ("contributor", list_revisions)},
    _POST + "/revert": {"POST": ("editor", revert)},
    "/api/stories/{slug}/export": {"GET": ("contributor", export)},
    "/api/stories/{slug}/import": {"POST": ("editor", import_)},
}


def routes() -> list[BaseRoute]:
    found: list[BaseRoute] = [Route(path, Resource(methods)) for path, methods in RESOURCES.items()]
    anything = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), ("", unknown))
    return [*found, Route("/api", Resource(anything)), Route("/api/{rest:path}", Resource(anything))]
