"""Running fanload and floor, once, and judging whether what they say may be quoted."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .machine import build, cpu_s, end
from .servers import Target

_built = Path(tempfile.gettempdir())


def use(folder: Path) -> None:
    """Where the programs are built; before anything else here."""
    global _built
    _built = folder


def floor(readers: int, messages: int, size: int, rate: float, warm: int = 0) -> dict[str, Any]:
    program = build("floor", _built)
    told = subprocess.run(
        [program, str(readers), str(messages), str(size), str(rate), str(warm)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return json.loads(told.stdout)


def command(target: Target, *options: str | int | float) -> list[str]:
    given = [str(option) for option in options]
    pids = [part for pid in target.pids for part in ("-s", str(pid))]
    return [str(build("fanload", _built)), *target.reading, *target.greeting, *pids, *given]


def fanload(target: Target, *options: str | int | float, timeout_s: float = 900) -> dict[str, Any]:
    """One measure: what fanload printed, with `valid` and `name`."""
    told = subprocess.run(command(target, *options), capture_output=True, text=True, timeout=timeout_s, check=False)
    if not told.stdout:
        raise RuntimeError(f"fanload said nothing about {target.name}: {told.stderr.strip()}")
    return judged(target.name, told.stdout, told.stderr)


def judged(name: str, printed: str, complaints: str = "") -> dict[str, Any]:
    run = json.loads(printed)
    faults = [f"{key} {run[key]}" for key in ("dropped", "misordered", "publish_failed") if run[key]]
    if run["deliveries"] != run["expected"] or run["connected"] != run["readers"]:
        faults.append(f"{run['deliveries']} of {run['expected']} deliveries, {run['connected']} readers connected")
    said = [line for line in complaints.splitlines() if not line.startswith(("ready ", "counting"))]
    return {"name": name, **run, "valid": not faults, "faults": faults, "complaints": said[:5]}


class Crowd:
    """fanload behind its gate: `wait_ready` → all are connected; `go` → it counts; `result` → what it printed."""

    def __init__(self, target: Target, *options: str | int | float) -> None:
        self.target = target
        self.process = subprocess.Popen(
            command(target, "-g", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.complaints: list[str] = []

    def wait_ready(self) -> int:
        """Readers connected; the next call waits until all are back after having been lost."""
        return int(self._wait_line("ready ").split()[1])

    def go(self) -> None:
        """From the return of this on, every message counts."""
        self.process.stdin.write("go\n")  # type: ignore[union-attr]
        self._wait_line("counting")

    def _wait_line(self, start: str) -> str:
        for line in self.process.stderr:  # type: ignore[union-attr]
            if line.startswith(start):
                return line
            self.complaints.append(line.strip())
        raise RuntimeError(f"fanload ended early: {self.complaints}")

    def result(self, timeout_s: float = 900) -> dict[str, Any]:
        out, complaints = self.process.communicate(timeout=timeout_s)
        return judged(self.target.name, out, "\n".join([*self.complaints, complaints]))

    def cpu_s(self) -> float:
        return cpu_s([self.process.pid])


@contextlib.contextmanager
def crowd(target: Target, *options: str | int | float) -> Iterator[Crowd]:
    made = Crowd(target, *options)
    try:
        yield made
    finally:
        end(made.process, timeout_s=10)
        for stream in (made.process.stdin, made.process.stdout, made.process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
