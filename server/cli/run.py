"""Running a server for a command: workers that serve, under a supervisor that imports none of what they do.

It never binds or accepts: `transport` does.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from ..settings import Settings
from ..transport.worker import Lifeline
from . import logs

log = logging.getLogger(__name__)


def run(settings: Settings, on_ready: Callable[[str], Any]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready(address)` when requests are answered."""
    from ..transport.workers import Workers

    Workers(settings, work, on_ready).run()


def work(settings: Settings, lifeline: Lifeline) -> None:
    """In a worker, on uvloop where that installs."""
    logs.set_up(settings, lifeline.duty.name if settings.workers > 1 else "")
    import asyncio

    from ..transport.parts import parts_of
    from ..transport.serve import serve
    from ..web.app import create_app
    from ..web.parts import Parts

    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        new_loop = uvloop.new_event_loop
    app = create_app(settings, lifeline=lifeline)

    async def ready(address: str) -> None:
        await parts_of(app, Parts).board.announce(address)
        log.info("serving at %s, process %d", address, os.getpid())
        lifeline.ready(address)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(app, settings, ready, lifeline))
    log.info("stopped, process %d", os.getpid())
