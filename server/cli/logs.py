"""What a server says while it runs, on stderr: a line for people, or an object a line for machines.

It never decides what is worth saying.

A record's own facts (`extra={"slug": …}`) stand at the end of the line, or are members of the object. Only this
package is heard below `info`: what its libraries say there is about themselves.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import Any

from ..settings import Settings

PACKAGE = __name__.partition(".")[0]
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_USUAL = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`, by this package. (uvicorn gives colours.)"""
    if record.name.partition(".")[0] != PACKAGE:
        return {}
    return {name: value for name, value in record.__dict__.items() if name not in _USUAL}


class Lines(logging.Formatter):
    """`2026-11-22T17:58:03Z warning stoppress.store.relay: … (slug=night)`; control characters of others' text are
    escaped. `worker`: which of several says it."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = ""

    def __init__(self, worker: str = "") -> None:
        super().__init__()
        self._worker = f" [{worker}]" if worker else ""

    def format(self, record: logging.LogRecord) -> str:
        about = f"{self.formatTime(record)} {record.levelname.lower()}{self._worker} {record.name}"
        text = f"{about}: {record.getMessage()}"
        if found := facts(record):
            text += f" ({', '.join(f'{name}={value}' for name, value in found.items())})"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


class Objects(logging.Formatter):
    """`{"at":…,"level":…,"logger":…,"message":…,"worker":…,"slug":…}`"""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, worker: str = "") -> None:
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        import orjson  # not for those who read text: a supervisor is small

        told = {
            **facts(record),
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._worker,
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(told, default=str).decode()


def set_up(settings: Settings, worker: str = "") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Objects(worker) if settings.log_format == "json" else Lines(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(PACKAGE).setLevel(level)
