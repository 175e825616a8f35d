"""What the log's lines carry: everything that was given, in either format; and nothing of others' debugging."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import stoppress
from stoppress.cli import logs
from stoppress.settings import Settings

ROOT = Path(stoppress.__file__).parent


def extras() -> Iterator[tuple[str, str]]:
    """Every key of every `extra=` in the sources, and where."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg == "extra":
                    assert isinstance(keyword.value, ast.Dict), f"{path.name}: say the keys where they are given"
                    for key in keyword.value.keys:
                        assert isinstance(key, ast.Constant), f"{path.name}: a key that is no word"
                        yield key.value, f"{path.name}:{node.lineno}"


def record(**extra: object) -> logging.LogRecord:
    made = logging.getLogger("stoppress.x").makeRecord(
        "stoppress.x", logging.ERROR, "f", 1, "it %s", ("broke",), None, None, extra
    )
    return made


def test_there_are_extras_to_check() -> None:
    assert {"slug"} <= {key for key, _ in extras()}


@pytest.mark.parametrize(("key", "where"), sorted(set(extras())))
def test_every_extra_is_printed(key: str, where: str) -> None:
    assert f"({key}=night)" in logs.Lines().format(record(**{key: "night"})), where
    told = json.loads(logs.Objects().format(record(**{key: "night"})))
    assert (told[key], told["message"]) == ("night", "it broke"), where


def test_a_line_says_which_worker() -> None:
    assert " error [w2] stoppress.x: it broke" in logs.Lines("w2").format(record())
    assert json.loads(logs.Objects("w2").format(record()))["worker"] == "w2"
    assert "worker" not in json.loads(logs.Objects().format(record()))


def test_what_was_given_is_escaped_and_never_ends_a_line_early() -> None:
    said = logs.Lines().format(record(slug="a\rb\x1b[31m"))
    assert "\r" not in said
    assert "\x1b" not in said
    assert json.loads(logs.Objects().format(record(slug={1, 2})))["slug"] == "{1, 2}"


def test_others_extras_are_theirs() -> None:
    made = logging.getLogger("uvicorn.error").makeRecord(
        "uvicorn.error", logging.INFO, "f", 1, "x", (), None, None, {"color_message": "red"}
    )
    assert logs.Lines().format(made).endswith("uvicorn.error: x")


@pytest.fixture
def loggers() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("stoppress")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers[:], root.level = before[:2]
    own.setLevel(before[2])
    root.setLevel(before[1])


@pytest.mark.parametrize(("level", "ours", "theirs"), [("debug", True, False), ("info", False, False)])
def test_debug_is_ours_alone(loggers: None, level: str, ours: bool, theirs: bool) -> None:
    logs.set_up(Settings(log_level=level))
    assert logging.getLogger("stoppress.store.relay").isEnabledFor(logging.DEBUG) is ours
    for name in ("markdown_it.rules_block.table", "asyncio", "websockets", "redis"):
        assert logging.getLogger(name).isEnabledFor(logging.DEBUG) is theirs
        assert logging.getLogger(name).isEnabledFor(logging.INFO)
