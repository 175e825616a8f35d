"""Who is asking: a bearer token, the login form's cookie, or a person at this very machine.

It never looks at an origin: `guard` has, before.

The API takes bearer tokens only: a browser never adds one by itself, so no other site can use it. Operations pages
also take the cookie (HttpOnly, SameSite=Strict), and are open without a token while the server listens on loopback
only. Then the Host header must name this machine too: else a page whose name was re-pointed to 127.0.0.1 (DNS
rebinding) could read them, and so could everybody through a proxy beside us.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from ..desk.tokens import Grant, Tokens
from ..newsroom.errors import NotAllowedError, StoreError
from ..newsroom.urls import is_loopback, network, split_url
from ..settings import Settings
from ..transport.problems import in_time
from .body import read_form
from .origins import host_name

COOKIE = "stoppress_token"
LOCAL = Grant(id="", name="this machine", role="viewer", story="*", created="")
LATELY = 1000
UNKNOWN = "the token is unknown or was revoked; ask for a new one"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
HOW = "send Authorization: Bearer TOKEN; `stoppress token create --name NAME` makes one"


class Auth:
    """Decides who a request comes from; raises NotAllowedError with status 401 or 403.

    `wrong` is called with the address of each that shows a token which is none.
    """

    def __init__(self, tokens: Tokens, settings: Settings, wrong: Callable[[str], None]) -> None:
        self.tokens = tokens
        self._settings = settings
        self._wrong = wrong
        self._lately: dict[int, Grant] = {}

    async def editor(self, conn: HTTPConnection, role: str, slug: str | None) -> Grant:
        """Who may do what needs `role` (to that story): by bearer token."""
        token = self._token(conn)
        if token is None:
            raise NotAllowedError(f"no token: {HOW}", status=401)
        grant = await self._find(token)
        if grant is None:
            self._is_wrong(conn)
            raise NotAllowedError(UNKNOWN, status=401)
        if not grant.may(role, slug):
            raise grant.refusal(role, slug)
        return grant

    async def operator(self, conn: HTTPConnection) -> Grant:
        """Who may see the operations pages: by bearer token, cookie, or from this machine."""
        token = self._token(conn) or conn.cookies.get(COOKIE, "")
        grant = await self._known_or_kept(token) if token else None
        if token and grant is None:
            self._is_wrong(conn)
        if grant is None and "authorization" in conn.headers:
            raise NotAllowedError(UNKNOWN, status=401)
        if grant is None and self._is_local(conn):
            grant = LOCAL
        if grant is None:
            raise NotAllowedError(f"operations pages need a token: log in at /login, or {HOW}", status=401)
        return grant

    async def stands(self, conn: HTTPConnection) -> bool:
        """Would the same connection be let in now? Asked again and again while an operations socket is open."""
        try:
            await self.operator(conn)
        except NotAllowedError:
            return False
        return True

    @staticmethod
    def _token(conn: HTTPConnection) -> str | None:
        """The bearer token that was sent, None without one."""
        given = conn.headers.get("authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            raise NotAllowedError(f"Authorization: must be a bearer token, not {scheme[:20]!r}: {HOW}", status=401)
        return token.strip()

    async def _known_or_kept(self, token: str) -> Grant | None:
        """While the store is away, operators who were let in lately stay: that is when they look."""
        hashed = hash(token)  # of this process only; the token itself is not kept
        try:
            grant = await self._find(token)
        except StoreError:
            if hashed in self._lately:
                return self._lately[hashed]
            raise
        self._lately.pop(hashed, None)
        if grant is not None:
            self._lately[hashed] = grant
            while len(self._lately) > LATELY:
                del self._lately[next(iter(self._lately))]
        return grant

    async def _find(self, token: str) -> Grant | None:
        async with in_time(self._settings.store_timeout_s + 1):
            return await self.tokens.find(token)

    def _is_wrong(self, conn: HTTPConnection) -> None:
        self._wrong(network(conn.client.host) if conn.client else "an unknown address")

    def _is_local(self, conn: HTTPConnection) -> bool:
        return (
            is_loopback(self._settings.host)
            and is_loopback(host_name(conn.headers))
            and (conn.client is None or is_loopback(conn.client.host))
            and not any(name in conn.headers for name in _FORWARDED)
        )

    async def log_in(self, request: Request) -> Response | None:
        """The login form was sent: on to where the person wanted to go, or None if the token is not one."""
        form = await read_form(request)
        token, onward = form.get("token", "").strip(), form.get("next", "")
        if await self._find(token) is None:
            self._is_wrong(request)
            return None
        answer = RedirectResponse(local_path(onward), 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict", secure=secure)
        return answer

    @staticmethod
    def log_out() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def local_path(asked: str) -> str:
    """`asked` if it is a path of this site, else the dashboard: a login must not send people elsewhere."""
    is_path = asked.startswith("/") and not asked.startswith("//") and asked.isprintable() and "\\" not in asked
    parts = split_url(asked) if is_path else None
    return asked if parts and not parts.scheme and not parts.netloc else "/dashboard"
