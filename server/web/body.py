"""What a request carries: bodies with a limit, JSON whose mistakes are named with their place, and the headers of a
change (`Idempotency-Key`, `If-Match`)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from ..newsroom.errors import InvalidError
from .problems import RequestError

JSON_BYTES = 1024 * 1024
FORM_BYTES = 16 * 1024
SWALLOW_BYTES = 8 * 1024 * 1024
IMPORT_BYTES = 512 * 1024 * 1024
_JSON_TYPES = re.compile(r"application/(json|[a-z0-9.+-]+\+json)", re.I)
_LINES_TYPES = re.compile(r"application/(jsonl|x-jsonlines|jsonlines|x-ndjson|ndjson|json)|text/plain", re.I)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_VERSION = re.compile(r'"([1-9]\d{0,15})"')


async def read_json(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object of at most 1 MiB; `optional`: none is an empty one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
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
    return _chunks(request, IMPORT_BYTES, "an import")


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


def expected_version(request: Request) -> int | None:
    """The version an `If-Match` names; None without one, and for `*`: whatever version there is."""
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    given = given.strip()
    if given.startswith("W/"):
        # RFC 9110, section 13.1.1: If-Match compares strongly, so a weak one never matches.
        rule = f'a weak tag never matches; send the version alone, such as "3", not {given[:40]}'
        raise InvalidError("If-Match", rule)
    named = _VERSION.fullmatch(given)
    if not named:
        raise InvalidError("If-Match", f'must be one version in quotes, such as "3", or *; it is {given[:40]}')
    return int(named.group(1))


def _accept(kind: str) -> dict[str, str]:
    return {"Accept": f"application/{kind}"}


def _name_of(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
