"""README is the front page: its first screen says what, for whom and how, and every command of its tour is taken."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from documents import README, command_of
from stoppress.cli.main import cli

TEXT = README.read_text()
SCREEN = 35  # lines


def typed(text: str) -> Iterator[str]:
    """What the console blocks of a document have behind a `$`, each with the lines it goes on in."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if line.startswith("$ "):
                yield line[2:]


TOUR = [line for line in typed(TEXT) if line.startswith("stoppress ")]


def test_the_first_screen_says_what_for_whom_and_the_two_commands() -> None:
    screen = "\n".join(TEXT.splitlines()[:SCREEN])

    assert screen.startswith("# Stoppress\n")
    for wanted in ("**A push server for live stories.**", "**For**", "stoppress demo\n", "/bin/pytest\n"):
        assert wanted in screen


def test_it_stays_a_front_page() -> None:
    assert len(TEXT.splitlines()) <= 140, "what grows here belongs in docs/"


def test_the_tour_has_commands() -> None:
    assert len(TOUR) >= 8


@pytest.mark.parametrize("line", TOUR)
def test_a_command_of_the_tour_is_taken_as_it_stands(line: str) -> None:
    """Names, options, values and the number of arguments, by click's own parser; nothing is run."""
    command, arguments = command_of(shlex.split(line, comments=True)[1:])

    with click.Context(cli) as above:
        command.make_context(command.name, list(arguments), parent=above)


def test_each_promise_names_tests() -> None:
    promises = re.findall(r"^\d\. \*\*.*?(?=^\d\. |^What is not)", TEXT, re.S | re.M)

    assert len(promises) == 8
    assert [promise[:40] for promise in promises if "`tests/" not in promise] == []
