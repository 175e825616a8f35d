"""Running a server for a command: in this process, or by workers; with its log and the fastest loop there is."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from ..settings import Settings
from . import logs

log = logging.getLogger(__name__)


def run(settings: Settings, on_ready: Callable[[str], Any]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready(address)` when requests are answered."""
    if settings.workers == 1:
        run_here(settings, on_ready)
    else:
        from ..transport.workers import Workers

        logs.set_up(settings)
        Workers(settings, run_here, on_ready).run()


def run_here(settings: Settings, on_ready: Callable[[str], Any], listening: socket.socket | None = None) -> None:
    """In this process, on uvloop where that installs."""
    from ..transport.serve import serve
    from ..web.app import create_app

    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = None
    logs.set_up(settings)
    app = create_app(settings)

    async def ready(address: str) -> None:
        await app.state.board.announce(address)
        log.info("serving at %s, process %d", address, os.getpid())
        on_ready(address)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(app, settings, ready, listening))
    log.info("stopped, process %d", os.getpid())
