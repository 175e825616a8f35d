"""Tokens: who may do what. Made once, shown once; the store keeps only their SHA-256.

A token itself is never kept.

A token has a role and a glob of story slugs. Roles are steps, each with the rights of those before it: *viewer* reads
the API and the operations pages, *contributor* also publishes, edits and corrects posts, *editor* also withdraws,
deletes, restores, reverts, pins, imports and makes and changes stories, *admin* also deletes stories and purges.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

from ..clock import now_ms
from ..newsroom.errors import ConflictError, InvalidError, NotAllowedError, NotFoundError
from ..newsroom.fields import check_line
from ..newsroom.times import format_time
from ..store.store import Store

ROLES = ("viewer", "contributor", "editor", "admin")
MARK = "stp_"  # so that scanners for leaked secrets, and people, know one when they see it
_TOKEN = re.compile(r"[\x21-\x7e]{8,200}")
_GLOB = re.compile(r"[a-z0-9*?\[\]!-]{1,100}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows. `id` is public: the first 12 hex digits of the token's SHA-256; `created` RFC 3339."""

    id: str
    name: str
    role: str
    story: str
    created: str

    def may(self, role: str, slug: str | None = None) -> bool:
        """Has at least `role`, and for that story if one is named."""
        return ROLES.index(self.role) >= ROLES.index(role) and (slug is None or fnmatchcase(slug, self.story))

    def refusal(self, role: str, slug: str | None = None, field: str = "") -> NotAllowedError:
        """What to say to who holds this token and would need `role` (for that story; to use that field)."""
        said = f"{field}: " if field else ""
        if not self.may(role):
            return NotAllowedError(f"{said}the token {self.name!r} has the role {self.role}; this needs {role}")
        return NotAllowedError(f"{said}the token {self.name!r} is for stories named {self.story}, not {slug!r}")

    def view(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Tokens:
    """The tokens of one store."""

    def __init__(self, store: Store, *, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._clock = clock

    async def create(self, name: str, *, role: str = "editor", story: str = "*") -> tuple[str, Grant]:
        """A new token and what it allows; nobody can show the token again."""
        if not name.strip() or len(name) > 100:
            raise InvalidError("name", "must be 1 to 100 characters; say whose token it is")
        check_line("name", name)
        if role not in ROLES:
            raise InvalidError("role", f"must be one of {', '.join(ROLES)}, not {role[:40]!r}")
        if not _GLOB.fullmatch(story):
            raise InvalidError("story", "must be a slug or a pattern of slugs such as election-*")
        if any(grant.name == name for grant in await self.list()):
            raise ConflictError(f"name: a token called {name!r} exists already; revoke it or choose another name")
        token = MARK + secrets.token_urlsafe(32)
        hashed = _sha256(token)
        grant = Grant(hashed[:12], name, role, story, format_time(self._clock()))
        await self._store.tokens.put(hashed, orjson.dumps(grant.view()))
        return token, grant

    async def find(self, token: str) -> Grant | None:
        """What the token allows, None if it is unknown or revoked."""
        if not _TOKEN.fullmatch(token):
            return None
        # Looked up by its hash, so how long it takes says nothing about a token.
        held = await self._store.tokens.get(_sha256(token))
        return Grant(**orjson.loads(held)) if held else None

    async def list(self) -> list[Grant]:
        """All that stand, oldest first."""
        held = (await self._store.tokens.all()).values()
        return sorted((Grant(**orjson.loads(record)) for record in held), key=lambda grant: (grant.created, grant.id))

    async def named(self, id_or_name: str) -> Grant:
        """The one with this id or name; NotFoundError else."""
        return (await self._named(id_or_name))[1]

    async def revoke(self, id_or_name: str) -> Grant:
        """From now on nobody gets in with it; its open sockets close within seconds."""
        hashed, grant = await self._named(id_or_name)
        await self._store.tokens.remove(hashed)
        return grant

    async def _named(self, id_or_name: str) -> tuple[str, Grant]:
        for hashed, record in (await self._store.tokens.all()).items():
            grant = Grant(**orjson.loads(record))
            if id_or_name in (grant.id, grant.name):
                return hashed, grant
        raise NotFoundError(f"no token has the id or name {id_or_name[:100]!r}; `stoppress token list` shows them")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
