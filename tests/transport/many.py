"""`python many.py [option=value …]`: a server of several workers, for tests: the settings it takes, and these besides.

`gate`: a file without which a worker's relay is not level. `broken`: a file with which a worker cannot start.
`shared`: all places share one socket, as on systems whose kernel does not balance. `late_s`: after a stop's time a
worker may take so long before it is killed. `GET /pid` says who answers,
`GET /slow` takes a minute.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stoppress.hub.hub import Hub
from stoppress.newsroom.errors import StoppressError, StoreError
from stoppress.settings import Settings
from stoppress.transport import workers
from stoppress.transport.serve import serve
from streams import make_app, new_state


async def pid(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


async def slow(request: Request) -> PlainTextResponse:
    await asyncio.sleep(60)
    return PlainTextResponse("at last")


async def readyz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("", 503 if request.app.state.hub.is_draining else 200)


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.01)


async def hear_when(path: str, heard: asyncio.Event) -> None:
    await asyncio.to_thread(wait_for, path)
    heard.set()


async def run(
    options: dict[str, str], settings: Settings, on_ready: Callable[[str], Any], listening: socket.socket
) -> None:
    app = make_app(settings, Hub())
    app.router.routes += [Route("/pid", pid), Route("/slow", slow), Route("/readyz", readyz)]
    app.state.hub.add("a", new_state())
    opening = None
    if "gate" in options:
        app.state.relay.heard = asyncio.Event()
        opening = asyncio.create_task(hear_when(options["gate"], app.state.relay.heard))
    await serve(app, settings, on_ready, listening)
    if opening:
        opening.cancel()


def run_here(
    options: dict[str, str], settings: Settings, on_ready: Callable[[str], Any], listening: socket.socket
) -> None:
    import uvloop

    if os.path.exists(options.get("broken", "")):
        raise StoreError("the store is broken")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options, settings, on_ready, listening))


def main() -> None:
    options = dict(option.split("=") for option in sys.argv[1:])
    own = {name: options.pop(name) for name in ("gate", "broken", "shared", "late_s") if name in options}
    workers.BALANCES = "shared" not in own
    workers.LATE_S = float(own.get("late_s", workers.LATE_S))
    settings = Settings.from_env({"HOME": "/nowhere"}, **{"port": 0, "workers": 2, "drain_s": 1, **options})
    try:
        workers.Workers(settings, functools.partial(run_here, own), functools.partial(print, flush=True)).run()
    except StoppressError as error:
        print(error.detail, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
