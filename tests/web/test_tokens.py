"""Tokens: what is kept of them, and what they allow."""

from __future__ import annotations

import pytest

from stoppress.desk.tokens import ROLES, Grant, Tokens
from stoppress.newsroom.errors import ConflictError, InvalidError, NotFoundError


async def test_a_token_is_shown_once_and_only_its_hash_is_kept(store):
    tokens = Tokens(store, clock=lambda: 1_800_000_000_000)

    token, grant = await tokens.create("Night desk", role="editor", story="election-*")

    assert grant == Grant(grant.id, "Night desk", "editor", "election-*", "2027-01-15T08:00:00.000Z")
    assert await tokens.find(token) == grant
    assert await tokens.list() == [grant]
    kept = await store.server.client.hgetall(store.keys.tokens)
    assert token.encode() not in b"".join([*kept.keys(), *kept.values()])
    assert token.removeprefix("stp_").encode() not in b"".join([*kept.keys(), *kept.values()])


async def test_a_revoked_token_is_nobody_s(store):
    tokens = Tokens(store)
    first, _ = await tokens.create("one")
    second, grant = await tokens.create("two")

    assert (await tokens.revoke("one")).name == "one"
    assert (await tokens.revoke(grant.id)).name == "two"

    assert await tokens.find(first) is await tokens.find(second) is None
    assert await tokens.list() == []
    with pytest.raises(NotFoundError, match="token list"):
        await tokens.revoke("one")


async def test_what_cannot_be_a_token_is_not_looked_up(store):
    tokens = Tokens(store)
    for text in ("", "short", "with space in it", "x" * 201, "nul\x00nul\x00nul", "ümläuteümläute"):
        assert await tokens.find(text) is None


async def test_a_bad_wish_is_refused_with_its_rule(store):
    tokens = Tokens(store)
    await tokens.create("taken")
    for name, role, story, field in (
        (" ", "editor", "*", "name"),
        ("x" * 101, "editor", "*", "name"),
        ("line\nbreak", "editor", "*", "name"),
        ("a", "owner", "*", "role"),
        ("a", "editor", "Election", "story"),
        ("a", "editor", "", "story"),
    ):
        with pytest.raises(InvalidError) as refused:
            await tokens.create(name, role=role, story=story)
        assert refused.value.field == field
    with pytest.raises(ConflictError, match="taken"):
        await tokens.create("taken")


def test_each_role_has_the_rights_of_those_before_it():
    for n, role in enumerate(ROLES):
        grant = Grant("id", "name", role, "sport-*", "")
        assert [grant.may(needed) for needed in ROLES] == [True] * (n + 1) + [False] * (len(ROLES) - n - 1)
        assert grant.may("viewer", "sport-final")
        assert not grant.may("viewer", "sports")
        assert not grant.may("viewer", "a-sport-b")
