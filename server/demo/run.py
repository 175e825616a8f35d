"""`stoppress demo`: a sample story on this machine, served here, and carried on by another process.

The story is imported into a store of its own (an invented story is not for a newsroom's), then served as `stoppress
serve` would; the process `replay` sends its last posts. Everything ends with this process; the next one deletes what
this one leaves, so that there is one sample story at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..clock import now_ms
from ..desk.desk import Desk
from ..newsroom.errors import ConflictError, GoneError, NotFoundError
from ..settings import Settings
from ..store.store import Store
from ..transport.listening import ListenError, listen
from ..transport.parts import parts_of
from ..transport.serve import serve
from ..web.app import create_app
from ..web.parts import Parts
from .script import SLUG, backlog

PORTS = 100  # tried one after the other
DRAIN_S = 0.5


def run(
    *,
    host: str | None = None,
    port: int | str | None = None,
    data_dir: str | Path | None = None,
    speed: float = 1.0,
    open_browser: bool = False,
    echo: Callable[[str], Any] = print,
) -> None:
    """Serve the sample story until Ctrl-C or SIGTERM. None means: as the environment says, else the default; but the
    default data directory is one beside the usual one.

    `speed`: 2 halves the pauses. A port that was asked for and is taken raises ListenError; else the next one is used.
    """
    environ = dict(os.environ)
    settings = Settings.from_env(environ, host=host, port=port, data_dir=data_dir, redis="", prefix=Settings.prefix)
    usual = settings.data_dir
    own = usual if data_dir else usual.with_name(f"{usual.name}-demo")
    settings = replace(settings, data_dir=own, public_url="", workers=1, drain_s=DRAIN_S, notice_s=0)
    if port is None and not environ.get("PORT") and not environ.get("STOPPRESS_PORT"):
        settings = _on_free_port(settings, echo)
    listen(settings).close()  # a taken port should be told before a story is stored
    asyncio.run(_run(settings, speed, open_browser, echo))


async def _run(settings: Settings, speed: float, open_browser: bool, echo: Callable[[str], Any]) -> None:
    store = await Store.open(settings)
    try:
        desk = Desk(store, actor="demo")
        if not await asyncio.to_thread(_answers, await store.site_address.find()):
            await _clear(desk)
        slug = await _imported(desk)
        count = (await desk.story(slug))["post_count"]
        app = create_app(settings, store=store)
        replays: list[asyncio.Task[None]] = []

        async def ready(address: str) -> None:
            await parts_of(app, Parts).board.announce(address)
            echo(_welcome(address, slug, count, settings))
            replays.append(asyncio.create_task(_replay(settings, slug, address, speed, echo)))
            if open_browser:
                import webbrowser

                await asyncio.to_thread(webbrowser.open, f"{address}/live/{slug}")

        try:
            await serve(app, settings, ready)
        finally:
            for task in replays:
                task.cancel()
            await asyncio.gather(*replays, return_exceptions=True)
    finally:
        await store.aclose()


def _answers(address: str) -> bool:
    """Is a server there? Then the sample story it shows is not ours to delete."""
    place = urlsplit(address)
    try:
        with socket.create_connection((place.hostname, place.port), 2):
            return True
    except (OSError, ValueError):
        return False


async def _clear(desk: Desk) -> None:
    """Delete what earlier demos left."""
    for story in await desk.stories():
        if re.fullmatch(rf"{SLUG}(-\d+)?", story["slug"]):
            with contextlib.suppress(GoneError, NotFoundError):
                await desk.delete_story(story["slug"])


async def _imported(desk: Desk) -> str:
    """The slug the story got: one that was used never returns, so the next one has a number."""
    number = 1
    while True:
        slug = SLUG if number == 1 else f"{SLUG}-{number}"
        number += 1
        try:
            await desk.story(slug)
        except GoneError:
            continue
        except NotFoundError:
            lines = backlog(now_ms())
            lines[0] = lines[0].replace(f'"slug":"{SLUG}",'.encode(), b"")
            try:
                await desk.import_(slug, lines)
                return slug
            except ConflictError:  # another demo took the slug just now
                continue


async def _replay(settings: Settings, slug: str, address: str, speed: float, echo: Callable[[str], Any]) -> None:
    """The other process, from start to end; ended with this task."""
    environ = {**os.environ, "STOPPRESS_DATA_DIR": str(settings.data_dir), "STOPPRESS_REDIS": ""}
    environ["STOPPRESS_PREFIX"] = settings.prefix
    command = ["-m", "stoppress.demo.replay", slug, "--stats", f"{address}/stats", "--speed", str(speed)]
    # In a session of its own: a terminal's Ctrl-C is for this process, which ends the other in its turn.
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env=environ, start_new_session=True)
    try:
        if await process.wait() == 0:
            echo("The story has ended; the page stays, and takes posts. Ctrl-C stops the server.")
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()


def _on_free_port(settings: Settings, echo: Callable[[str], Any]) -> Settings:
    for port in range(settings.port, min(settings.port + PORTS, 65536)):
        found = replace(settings, port=port)
        try:
            listen(found).close()
        except ListenError:
            continue
        if port != settings.port:
            echo(f"Port {settings.port} is taken; using {port}.")
        return found
    return settings  # serve says what is wrong


def _welcome(address: str, slug: str, count: int, settings: Settings) -> str:
    command = [*_executable(), "post", slug, "--headline", "Hello from another terminal"]
    command += ["--body", "I pressed return, and every open page has this.", "--data-dir", str(settings.data_dir)]
    return f"""
  A lighthouse is being moved. {count} posts are on the page; another process sends the rest while you watch.

    the story    {address}/live/{slug}
    dashboard    {address}/dashboard

  You are the editor: paste this into another terminal, with the page open.

    {shlex.join(command)}

  Ctrl-C stops everything.
"""


def _executable() -> list[str]:
    """How this program was started, by full path."""
    called = Path(sys.argv[0])
    for script in (called, Path(sys.executable).with_name("stoppress")):
        if script.name == "stoppress" and script.is_file() and os.access(script, os.X_OK):
            return [str(script.absolute())]
    return [sys.executable, "-m", "stoppress"]
