"""README says what is: its commands, settings and test files exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from stoppress.cli.main import cli
from stoppress.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("entry", fields(Settings), ids=lambda entry: entry.name)
def test_every_setting_has_its_line(entry) -> None:
    assert f"| `STOPPRESS_{entry.name.upper()}` |" in README
    assert entry.metadata["about"] in README


def test_no_setting_is_listed_that_is_not_there() -> None:
    known = {f"STOPPRESS_{entry.name.upper()}" for entry in fields(Settings)}
    assert set(re.findall(r"^\| `(STOPPRESS_\w+)` \|", README, re.M)) == known


def test_the_commands_in_it_exist() -> None:
    known = set(cli.list_commands(None)) | {"COMMAND"}  # type: ignore[arg-type]
    assert set(re.findall(r"^\$ (?:.*\$\()?stoppress ([a-zA-Z]+)", README, re.M)) <= known
    assert set(re.findall(r"`stoppress ([a-zA-Z]+)", README)) <= known


def test_the_files_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:tests|client_demo|server)/[\w./]+)`", README))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
