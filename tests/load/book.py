"""The book of a run: every measure as raw JSON in a folder, and the table of ratios with what the issue asks for."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """A line of the table. `is_floor`: at least `must`, instead of at most."""

    what: str
    value: float
    must: float | None = None
    aim: float | None = None
    unit: str = "×"
    is_floor: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.must is None:
            return ""
        if self.value != self.value:  # not a number: nothing was measured
            return "MISSED"

        def reaches(mark: float) -> bool:
            return self.value >= mark if self.is_floor else self.value <= mark

        if not reaches(self.must):
            return "MISSED"
        return "aim" if self.aim is not None and reaches(self.aim) else "must"


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


class Book:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lines: list[Line] = []
        self.failures: list[str] = []

    def add(self, name: str, run: dict[str, Any]) -> dict[str, Any]:
        """Keep one measure, whole, and say that it is there."""
        self._runs[name].append(run)
        number = len(self._runs[name])
        (self.folder / f"{name}-{number}.json").write_text(json.dumps(run, indent=1) + "\n")
        told = (
            "cpu_us_per_delivery",
            "connect_cpu_us",
            "rss_kb_per_reader",
            "deliveries_per_s",
            "ms_p99",
            "frame_bytes",
        )
        shown = "  ".join(f"{key} {run[key]}" for key in told if run.get(key))
        print(f"{time.strftime('%H:%M:%S')}  {name} #{number}  {shown}", file=sys.stderr, flush=True)
        return run

    def fail(self, said: str) -> None:
        self.failures.append(said)
        print(f"FAILED: {said}", file=sys.stderr, flush=True)

    def expect(self, holds: bool, said: str) -> None:
        if not holds:
            self.fail(said)

    def median(self, name: str, figure: str) -> float:
        held = [run[figure] for run in self._runs[name] if figure in run]
        return statistics.median(held) if held else float("nan")

    def ratio(self, one: str, other: str, figure: str) -> float:
        """Of medians."""
        below = self.median(other, figure)
        return self.median(one, figure) / below if below else float("nan")

    def has(self, *names: str) -> bool:
        return all(self._runs[name] for name in names)

    def line(self, what: str, value: float, must: float | None = None, aim: float | None = None, **more: Any) -> None:
        self._lines.append(Line(what, value, must, aim, **more))

    def close(self) -> int:
        """Print the table, keep it too; the number of what was missed or went wrong."""
        text = self.table()
        print(text)
        (self.folder / "table.md").write_text(text + "\n")
        lines = [{**line.__dict__, "verdict": line.verdict} for line in self._lines]
        whole = {"lines": lines, "failures": self.failures}
        (self.folder / "table.json").write_text(json.dumps(whole, indent=1, default=str) + "\n")
        missed = [line.what for line in self._lines if line.verdict == "MISSED"]
        for said in self.failures:
            print(f"failed: {said}")
        print(f"raw figures: {self.folder}")
        return len(self.failures) + len(missed)

    def table(self) -> str:
        rows = [("", "measured", "must", "aim", "")]
        for line in self._lines:
            sign = "≥" if line.is_floor else "≤"
            marks = [f"{sign} {mark:,g}" if mark is not None else "" for mark in (line.must, line.aim)]
            note = " · ".join(part for part in (line.verdict, line.note) if part)
            rows.append((line.what, f"{shown(line.value)} {line.unit}".strip(), *marks, note))
        widths = [max(len(row[n]) for row in rows) for n in range(5)]
        out = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
        ]
        out.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(out)
