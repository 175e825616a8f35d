"""How the web says no: RFC 9457 problem documents for programs, a page for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ..newsroom.errors import StoppressError

RETRY_S = "1"
# 401 needs it (RFC 9110, section 11.6.1).
CHALLENGE = 'Bearer realm="stoppress"'


class RequestError(StoppressError):
    """The HTTP request itself is wrong: its method, length or type."""

    code = "request"

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.status = status
        self.title = HTTPStatus(status).phrase
        self.headers = headers or {}


def headers_of(error: StoppressError) -> dict[str, str]:
    """Headers that go with an error, on a page as in a problem document."""
    headers = {"Cache-Control": "no-store", **getattr(error, "headers", {})}
    if error.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if error.status == 503:
        headers["Retry-After"] = RETRY_S
    if hasattr(error, "current_version"):
        headers["ETag"] = f'"{error.current_version}"'
    return headers


def problem(error: StoppressError) -> Response:
    body = orjson.dumps(error.problem())
    return Response(body, error.status, headers_of(error), media_type="application/problem+json")


def wants_page(request: Request) -> bool:
    """Would a person rather read this? Browsers ask for HTML by name; programs do not."""
    return "text/html" in request.headers.get("accept", "")
