"""What must be true of a story's keys at any moment, whatever happened before: read past everything that could hide it.

`faults_of(client, prefix)` names each contradiction between meta, order, key events, posts, versions, revisions, log,
kept answers and the index; an empty list is a store in order.
"""

from __future__ import annotations

from typing import Any

import orjson
from redis.asyncio import Redis

from stoppress.newsroom.times import parse_time

PARTS = ("meta", "posts", "order", "keys", "log", "revisions", "versions", "created")
LISTED = ("published", "withdrawn")


async def faults_of(client: Redis, prefix: str) -> list[str]:
    slugs = set()
    async for name in client.scan_iter(match=f"{prefix}:{{*}}:*", count=1000):
        slugs.add(name.decode().split("{")[1].split("}")[0])
    found: list[str] = []
    index = {slug.decode() for slug in await client.smembers(f"{prefix}:stories")}
    for slug in sorted(slugs):
        found += [f"{slug}: {fault}" for fault in await _story(client, f"{prefix}:{{{slug}}}:")]
        if await client.exists(f"{prefix}:{{{slug}}}:meta") and slug not in index:
            found.append(f"{slug}: is not in the index")
    return found


async def _story(client: Redis, key: str) -> list[str]:
    meta = _text(await client.hgetall(key + "meta"))
    held = {id: orjson.loads(post) for id, post in _text(await client.hgetall(key + "posts")).items()}
    versions = {id: int(number) for id, number in _text(await client.hgetall(key + "versions")).items()}
    revisions = {name: orjson.loads(post) for name, post in _text(await client.hgetall(key + "revisions")).items()}
    created = _text(await client.hgetall(key + "created"))
    order = {id.decode(): int(at) for id, at in await client.zrange(key + "order", 0, -1, withscores=True)}
    marks = {id.decode() for id in await client.zrange(key + "keys", 0, -1)}
    log = [(int(id.split(b"-")[0]), _text(fields)) for id, fields in await client.xrange(key + "log")]
    answers = [await client.get(name) async for name in client.scan_iter(match=key + "idem:*", count=1000)]
    if not meta:
        return ["has keys but no meta"] if held or log or order or answers else []

    seq = int(meta["seq"])
    listed = {id for id, post in held.items() if post.get("status", "published") in LISTED}
    published = {id for id in listed if held[id].get("status", "published") == "published"}
    # Neither renewed nor imported into since it was created.
    whole = bool(log) and log[0][0] == 1 and log[0][1]["type"] == "story.updated" and not _barrier(log)
    told = {fields["id"] for _, fields in log if "id" in fields} if whole else set(held)
    same: list[tuple[str, Any, Any]] = [
        ("the log's top", log[-1][0] if log else 0, seq),
        ("the log without a hole", [at for at, _ in log], list(range(seq - len(log) + 1, seq + 1))),
        ("order", order, {id: parse_time(held[id]["sort_time"]) for id in listed}),
        ("key events", marks, {id for id in published if held[id].get("is_key_event")}),
        ("versions", versions, {id: post.get("version", 1) for id, post in held.items()}),
        ("created", set(created), set(held)),
        ("the newest revisions", {id: revisions.get(f"{id}:{versions.get(id)}") for id in held}, held),
        ("post_count", int(meta["post_count"]), len(published)),
        ("listed_count", int(meta["listed_count"]), len(listed)),
        ("the pinned post", meta["pinned_post_id"] in {"", *order}, True),
        ("the posts that the log tells of", told, set(held)),
    ]
    found = [f"{what}: {is_}, not {should}" for what, is_, should in same if is_ != should]
    for answer in answers:
        _, epoch, at, _, id, version, *_ = answer.decode().split("\n")
        if epoch == meta["epoch"] and int(at) > seq:
            found.append(f"a key was answered with seq {at}, which never was")
        if id and held.get(id, {}).get("status") != "deleted" and f"{id}:{version}" not in revisions:
            found.append(f"a key was answered with {id}:{version}, which is not kept")
    return found


def _barrier(log: list[tuple[int, dict[str, str]]]) -> bool:
    return any(fields["type"] == "reset" for _, fields in log)


def _text(held: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in held.items()}


async def everything(client: Redis, prefix: str) -> dict[str, Any]:
    """Every key of the stories, and their index: equal before and after means that nothing was written."""
    names = sorted([name.decode() async for name in client.scan_iter(match=f"{prefix}:{{*}}:*", count=1000)])
    names += [f"{prefix}:stories"] * await client.exists(f"{prefix}:stories")
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.type(name)
    kinds = await pipe.execute()
    for name, kind in zip(names, kinds, strict=True):
        read = {b"set": pipe.smembers, b"hash": pipe.hgetall, b"string": pipe.get, b"stream": pipe.xrange}.get(kind)
        read(name) if read else pipe.zrange(name, 0, -1, withscores=True)
    return dict(zip(names, await pipe.execute(), strict=True))
