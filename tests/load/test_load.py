"""The load tests themselves, at a size that takes seconds: they must run, and what they count must add up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from math import isnan
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "what",
    [
        "fanout --readers 40 --messages 10 --rate 20 --peers starlette",
        "memory --readers 40 --idle 0.2",
        "hundred-thousand --readers 40 --messages 3 --pause 0.1 --workers 2 --generators 2",
    ],
    ids=lambda what: what.split()[0],
)
def test_a_small_run_counts_every_delivery(what: str, require: Callable[[str], str], tmp_path: Path) -> None:
    require("cc")

    command = [sys.executable, "-m", "tests.load", "--out", str(tmp_path), *what.split(), "--rounds", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    assert (tmp_path / "table.json").exists(), told.stderr
    table = json.loads((tmp_path / "table.json").read_text())
    # How fast is not asked here; that everything arrived, once and in order, is.
    assert set(table["failures"]) <= {"nchan is not installed: its ratio is missing"}
    assert not [line["what"] for line in table["lines"] if isnan(line["value"])]
