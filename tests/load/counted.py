"""`stoppress`, which on SIGUSR2 writes the number of its asyncio tasks to the file that COUNT_FILE names."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from stoppress.cli.main import main


def count(*_: object) -> None:
    whole = Path(os.environ["COUNT_FILE"])
    part = whole.with_suffix(".part")
    part.write_text(str(len(asyncio.all_tasks(asyncio.get_running_loop()))))
    part.replace(whole)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, count)
    main()
