"""`stoppress`, whose workers on SIGUSR2 write the number of their asyncio tasks to the file that COUNT_FILE names."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from stoppress.cli import run
from stoppress.cli.main import main
from stoppress.settings import Settings
from stoppress.transport.worker import Lifeline


def count(*_: object) -> None:
    whole = Path(os.environ["COUNT_FILE"])
    part = whole.with_suffix(".part")
    part.write_text(str(len(asyncio.all_tasks(asyncio.get_running_loop()))))
    part.replace(whole)


def work(settings: Settings, lifeline: Lifeline) -> None:
    """In a worker."""
    signal.signal(signal.SIGUSR2, count)
    served(settings, lifeline)


served = run.work

if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    import counted  # by the name that a worker finds it under

    run.work = counted.work
    main()
