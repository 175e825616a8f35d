"""The end of the sample story, sent live: `python -m stoppress.demo.replay SLUG --stats URL --speed N`.

A process of its own that knows the store and nothing of the server: it edits as any editor would, through the Desk.
While somebody watches, a step follows the other in seconds; while nobody does, it waits up to a minute for each, so
that whoever opens the page late still sees the story happen. It ends with the last step, or with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import urllib.request
from typing import Any

import orjson

from ..desk.desk import Desk
from ..newsroom.errors import StoppressError, StoreError, TryAgainError
from ..settings import Settings
from ..store.store import Store
from .script import draft, steps

PATIENCE_S = 60.0
LOOKS = 120  # for a reader, within that time
RETRY_S = 1.0
RETRIES = 30


class Replay:
    """Each step is a method named as in the script; it returns the line for people."""

    def __init__(self, desk: Desk, slug: str) -> None:
        self._desk = desk
        self._slug = slug

    async def take(self, step: dict[str, Any], key: str) -> str:
        """`key` makes a step that is repeated happen once."""
        (name,) = step.keys() & {"publish", "edit", "correct", "withdraw", "pin", "story"}
        line: str = await getattr(self, "_" + name)(step, key)
        return line

    async def _publish(self, step: dict[str, Any], key: str) -> str:
        post = draft(step["publish"])
        await self._desk.publish(self._slug, post, key=key)
        return f"published   {post['headline']}"

    async def _edit(self, step: dict[str, Any], key: str) -> str:
        patch = dict(step["patch"])
        post = await self._desk.post(self._slug, step["edit"])
        if "replace" in step:
            patch["body"] = post["body"].replace(*step["replace"])
        await self._desk.edit(self._slug, step["edit"], patch, key=key)
        what = "key event" if patch.get("is_key_event") else "edited"
        return f"{what:<12}{post['headline']}"

    async def _correct(self, step: dict[str, Any], key: str) -> str:
        done = await self._desk.correct(self._slug, step["correct"], step["text"], key=key)
        return f"corrected   {done.value['headline']}"

    async def _withdraw(self, step: dict[str, Any], key: str) -> str:
        post = await self._desk.post(self._slug, step["withdraw"])
        await self._desk.withdraw(self._slug, step["withdraw"], step["note"], key=key)
        return f"withdrew    {post['headline']}"

    async def _pin(self, step: dict[str, Any], key: str) -> str:
        await self._desk.pin(self._slug, step["pin"], key=key)
        post = await self._desk.post(self._slug, step["pin"])
        return f"pinned      {post['headline']}"

    async def _story(self, step: dict[str, Any], key: str) -> str:
        done = await self._desk.edit_story(self._slug, step["story"], key=key)
        what = "ended" if step["story"].get("status") == "ended" else "new head"
        return f"{what:<12}{done.value['headline']}"


async def replay(desk: Desk, slug: str, stats: str, speed: float) -> None:
    player = Replay(desk, slug)
    parent = os.getppid()
    for number, step in enumerate(steps()):
        if number:  # the first one comes in any case
            await _watched(stats, PATIENCE_S / speed)
        await asyncio.sleep(step["after_s"] / speed)
        if os.getppid() != parent:  # killed; nobody is there to stop this process
            return
        for attempt in range(RETRIES):
            try:
                line = await player.take(step, f"demo-{slug}-{number}")
            except (TryAgainError, StoreError):
                if attempt == RETRIES - 1:
                    raise
                await asyncio.sleep(RETRY_S)
                continue
            except StoppressError as error:
                # Somebody at the page has already changed or deleted what the step is about; theirs stands.
                line = f"left out    {error.detail}"
            print(f"  {time.strftime('%H:%M:%S')}  {line}", flush=True)
            break


async def _watched(stats: str, patience_s: float) -> None:
    """Return when a reader is connected, or after `patience_s`."""
    for _ in range(LOOKS):
        if await asyncio.to_thread(_has_reader, stats):
            return
        await asyncio.sleep(patience_s / LOOKS)


def _has_reader(stats: str) -> bool:
    try:
        with urllib.request.urlopen(stats, timeout=5) as answer:
            return bool(orjson.loads(answer.read())["readers"])
    except (OSError, ValueError, KeyError):
        return True  # not for us to know (a token is wanted): then go on as if


async def _main(slug: str, stats: str, speed: float) -> None:
    store = await Store.open(Settings.from_env(os.environ))
    try:
        await replay(Desk(store, actor="demo"), slug, stats, speed)
    finally:
        await store.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stoppress.demo.replay")
    parser.add_argument("slug")
    parser.add_argument("--stats", required=True)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    try:
        asyncio.run(_main(given.slug, given.stats, given.speed))
    except StoppressError as error:
        sys.exit(f"stoppress demo: {error.detail}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
