"""What a request carries: bodies with a limit, JSON whose mistakes are named with their place, and the headers of a
change (`Idempotency-Key`, `If-Match`). It never holds more than its limits, and never judges a field.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from ..newsroom.errors import InvalidError
from ..transport.problems import RequestError

JSON_BYTES = 1024 * 1024
FORM_BYTES = 16 * 1024
SWALLOW_BYTES = 8 * 1024 * 1024
IMPORT_BYTES = 512 * 1024 * 1024
_JSON_TYPES = re.compile(r"application/(json|[a-z0-9.+-]+\+json)", re.I)
_LINES_TYPES = re.compile(r"application/(jsonl|x-jsonlines|jsonlines|x-ndjson|ndjson|json)|text/plain", re.I)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*(?:,[ \t]*)+{_TAG})*")
_VERSION = re.compile(r'"([1-9]\d{0,15})"')
NAMED_VERSIONS = 8
NEVER = 0  # no version has this number


async def read_json(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object of at most 1 MiB; `optional`: none is an empty one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    _refuse_coding(request)
    body = await _read(request, JSON_BYTES, "a JSON body")
    if optional and not body:
        return {}
    if not _JSON_TYPES.fullmatch(kind):
        raise RequestError(415, f"Content-Type: must be application/json, not {kind[:60]!r}", headers=_accept("json"))
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidError("", f"the body is not JSON: {error.msg} at {where}") from None
    if not isinstance(value, dict):
        raise InvalidError("", f"the body must be a JSON object, not {_name_of(value)}")
    return value


def read_lines(request: Request) -> AsyncIterator[bytes]:
    """The body of an import as it comes in, in chunks; refused past 512 MiB."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if not _LINES_TYPES.fullmatch(kind):
        rule = f"Content-Type: must be application/jsonl (JSON Lines), not {kind[:60]!r}"
        raise RequestError(415, rule, headers=_accept("jsonl"))
    _refuse_coding(request)
    return _chunks(request, IMPORT_BYTES, "an import")


def _refuse_coding(request: Request) -> None:
    coding = request.headers.get("content-encoding", "").strip()
    if coding and coding.lower() != "identity":
        rule = f"Content-Encoding: must be left out; send the body as it is, not {coding[:60]!r}"
        raise RequestError(415, rule, headers={"Accept-Encoding": "identity"})  # RFC 9110 section 12.5.3


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form, last one wins."""
    body = await _read(request, FORM_BYTES, "a form")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))


async def _read(request: Request, limit: int, what: str) -> bytes:
    return b"".join([chunk async for chunk in _chunks(request, limit, what)])


async def _chunks(request: Request, limit: int, what: str) -> AsyncIterator[bytes]:
    told = request.headers.get("content-length", "")
    declared = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0
    size = 0
    # Who is still sending does not hear an answer: a little more than allowed is swallowed before it.
    most = max(limit, SWALLOW_BYTES)
    gave_up = declared > most
    async with aclosing(request.stream()) as stream:
        while not gave_up and (chunk := await anext(stream, None)) is not None:
            size += len(chunk)
            gave_up = size > most
            if chunk and max(size, declared) <= limit:
                yield chunk
    if max(size, declared) > limit:
        rule = f"the body is too large: {what} may have {limit:,} bytes"
        raise RequestError(413, rule, headers={"Connection": "close"} if gave_up else {})


def idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if "idempotency-key" in request.headers and not _KEY.fullmatch(key):
        raise InvalidError("Idempotency-Key", "must be 1 to 128 visible ASCII characters; a UUID is good")
    return key


def expected_versions(request: Request) -> list[int | None]:
    """The versions an `If-Match` names, of which one must stand; `[None]` without one, and for `*`: whatever stands.

    RFC 9110, section 13.1.1: a tag that is no version of ours, and a weak one, is right but never matches: NEVER.
    """
    given = ", ".join(request.headers.getlist("if-match")).strip()
    if given == "*" or "if-match" not in request.headers:
        return [None]
    if not _TAGS.fullmatch(given):
        raise InvalidError("If-Match", f'must be a version in quotes, such as "3", or *; it is {given[:40]}')
    tags = dict.fromkeys(re.findall(_TAG, given))
    named: list[int | None] = [int(found.group(1)) for tag in tags if (found := _VERSION.fullmatch(tag))]
    if len(named) > NAMED_VERSIONS:
        raise InvalidError("If-Match", f"may name {NAMED_VERSIONS} versions, not {len(named)}")
    return named or [NEVER]


def _accept(kind: str) -> dict[str, str]:
    return {"Accept": f"application/{kind}"}


def _name_of(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
