"""`python many.py [option=value …]`: a server of several workers, for tests: its settings, and these besides.

`gate`: a file without which a worker's relay is not level. `broken`: one with which a worker cannot start; `bug`: one
with which its start fails in a way nobody thought of. `shared`: all slots share one socket, as on systems whose kernel
does not balance. `tick_s`, `late_s`: see `workers.Pace`. `GET /pid` says who answers, `GET /slow` takes a minute, `GET
/stuck` keeps the event loop for ever.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import sys
import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stoppress.hub.hub import Hub
from stoppress.newsroom.errors import StoppressError, StoreError
from stoppress.settings import Settings
from stoppress.transport import workers
from stoppress.transport.parts import StreamParts, parts_of
from stoppress.transport.serve import serve
from stoppress.transport.worker import Lifeline
from streams import make_app, new_state


async def pid(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


async def slow(request: Request) -> PlainTextResponse:
    await asyncio.sleep(60)
    return PlainTextResponse("at last")


async def stuck(request: Request) -> PlainTextResponse:
    while True:
        pass


async def readyz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("", 503 if parts_of(request.app, StreamParts).hub.is_draining else 200)


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.01)


async def hear_when(path: str, heard: asyncio.Event) -> None:
    await asyncio.to_thread(wait_for, path)
    heard.set()


async def run(options: dict[str, str], settings: Settings, lifeline: Lifeline) -> None:
    app = make_app(settings, Hub())
    app.router.routes += [Route("/pid", pid), Route("/slow", slow), Route("/stuck", stuck), Route("/readyz", readyz)]
    parts = parts_of(app, StreamParts)
    parts.hub.add("a", new_state())
    opening = None
    if "gate" in options:
        parts.relay.heard = asyncio.Event()
        opening = asyncio.create_task(hear_when(options["gate"], parts.relay.heard))
    await serve(app, settings, lifeline.ready, lifeline)
    if opening:
        opening.cancel()


def work(options: dict[str, str], settings: Settings, lifeline: Lifeline) -> None:
    import uvloop

    if os.path.exists(options.get("broken", "")):
        raise StoreError("the store is broken")
    if os.path.exists(options.get("bug", "")):
        raise KeyError("of no importance")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options, settings, lifeline))


def main() -> None:
    options = dict(option.split("=") for option in sys.argv[1:])
    names = ("gate", "broken", "bug", "shared", "tick_s", "late_s")
    own = {name: options.pop(name) for name in names if name in options}
    workers.BALANCES = "shared" not in own
    pace = workers.Pace(tick_s=float(own.get("tick_s", 1)), late_s=float(own.get("late_s", 10)))
    settings = Settings.from_env({"HOME": "/nowhere"}, **{"port": 0, "workers": 2, "drain_s": 1, **options})
    try:
        # By the name a worker finds it under; here this file is `__main__`.
        serve_one = functools.partial(importlib.import_module("many").work, own)
        workers.Workers(settings, serve_one, functools.partial(print, flush=True), pace).run()
    except StoppressError as error:
        print(error.detail, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
