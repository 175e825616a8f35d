"""The house rules that a reader of the code relies on: imports point down, the core is pure, every module says what
it promises, and none grows beyond what one sitting takes in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import stoppress
from stoppress.newsroom import events

ROOT = Path(stoppress.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# From the ground up; the files on top lie beside newsroom, the package's own __main__ beside cli.
LAYERS = [
    {"newsroom", "settings", "tasks", "clock", "single_flight"},
    {"hub"},
    {"wire"},
    {"store"},
    {"desk"},
    {"transport"},
    {"web"},
    {"cli", "demo", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
PURE = {"newsroom", "hub", "wire"}
# Whatever waits, talks, or answers differently the second time.
IMPURE = {
    "asyncio", "concurrent", "fcntl", "http", "io", "logging", "multiprocessing", "os", "random", "redis", "secrets",
    "select", "shutil", "signal", "socket", "ssl", "starlette", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib.request", "uuid", "uvicorn", "uvloop", "websockets", "click", "jinja2", "prometheus_client", "httpx",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}
LINES = 400
EDGES = {"transport", "web", "cli", "desk"}
WORDED = {"store/faults.py"}  # the first word of a Redis error is its type, and there is no other place for it


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every import as an absolute dotted name (of the package: `stoppress.room…`) and its line, lazy ones too."""
    package = ("stoppress", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield ".".join([*base, alias.name]), node.lineno


def test_there_is_something_to_check() -> None:
    """A moved package must not make the rules below pass on nothing."""
    rooms = {room_of(path) for path in MODULES}

    assert rooms >= PURE
    assert rooms - {"__init__"} <= RANK.keys(), "a new room needs its place in LAYERS"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    upward = [
        f"line {line}: {name}"
        for name, line in imports(path)
        if name.startswith("stoppress.") and RANK.get(name.split(".")[1], -1) > RANK[room]
    ]

    assert not upward


def test_imports_never_run_in_a_circle() -> None:
    """Not within a room either, nor for types only: two modules that need each other are one idea in two files."""
    named = {".".join(("stoppress", *path.relative_to(ROOT).with_suffix("").parts)): path for path in MODULES}
    needs: dict[str, set[str]] = {}
    for name, path in named.items():
        parts = [imported.split(".") for imported, _ in imports(path)]
        prefixes = {".".join(part[:n]) for part in parts for n in range(1, len(part) + 1)}
        needs[name] = prefixes & named.keys()
    assert sum(len(modules) for modules in needs.values()) > len(named), "the imports were understood"

    TopologicalSorter(needs).prepare()  # a CycleError names the circle


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in PURE], ids=name_of)
def test_the_core_is_pure(path: Path) -> None:
    """No I/O, clock, chance or environment: whoever calls passes them in, so every test is exact."""
    impure = [
        f"line {line}: {name}"
        for name, line in imports(path)
        if any(name == forbidden or name.startswith(forbidden + ".") for forbidden in IMPURE)
    ]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            impure.append(f"line {node.lineno}: .{node.func.attr}() reads a clock")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print"):
            impure.append(f"line {node.lineno}: {node.func.id}()")
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            impure.append(f"line {node.lineno}: async")

    assert not impure


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_promises_and_stays_small(path: Path) -> None:
    text = path.read_text()

    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no docstring"
    lines = text.count("\n")
    assert lines <= LINES, "too long: make two modules of it"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in EDGES], ids=name_of)
def test_a_module_says_what_it_never_does(path: Path) -> None:
    """What is elsewhere: so the right file is found by its first lines."""
    opening = ast.get_docstring(ast.parse(path.read_text())) or ""

    assert re.search(r"\b(never|nothing)\b", opening, re.I)


WORDINGS = {"detail", "rule", "reason"}  # what errors call their sentences
READING = {"startswith", "endswith", "find", "index", "count", "partition", "rpartition", "split", "removeprefix"}


def is_wording(node: ast.AST) -> bool:
    """`error.detail`, `str(error)`, `error.args[0]`, or one of them in another case."""
    if isinstance(node, ast.Attribute):
        return node.attr in WORDINGS and "error" in ast.unparse(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "casefold"):
        return is_wording(node.func.value)
    return ast.unparse(node) in ("str(error)", "error.args[0]", "repr(error)")


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) not in WORDED], ids=name_of)
def test_nothing_is_decided_by_the_wording_of_an_error(path: Path) -> None:
    """A sentence may be put better on any day: what an error means stands in its type and its members."""
    decided = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            found = any(is_wording(side) for side in (node.left, *node.comparators))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            reads = node.func.attr in READING and is_wording(node.func.value)
            matches = node.func.attr in ("match", "search", "fullmatch", "findall")
            found = reads or (matches and any(is_wording(argument) for argument in node.args))
        else:
            continue
        if found:
            decided.append(f"line {node.lineno}: {ast.unparse(node)}")

    assert not decided


# Of the messages that have no seq those whose word means nothing else.
SPELT = {*events.EVENTS, "post.", events.RESUMED, events.BEAT, events.BYE}


def endless_loops(path: Path) -> set[str]:
    """Async functions of a module that hold a loop which nothing but an error or a cancellation ends."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AsyncFunctionDef):
            for loop in ast.walk(node):
                if isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant) and loop.test.value is True:
                    ends = (ast.Return, ast.Break)
                    if not any(isinstance(inner, ends) for inner in ast.walk(loop)):
                        found.add(node.name)
    return found


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "tasks.py"], ids=name_of)
def test_only_the_supervisor_starts_endless_tasks(path: Path) -> None:
    """A task that dies takes its work with it for good: `tasks.keep` starts it again. (Seen within a module only.)"""
    endless = endless_loops(path)
    unkept = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("create_task", "ensure_future", "_spawn")):
            work = node.args[0].func if node.args and isinstance(node.args[0], ast.Call) else None
            name = ast.unparse(work).removeprefix("self.") if work else ""
            if name in endless:
                unkept.append(f"line {node.lineno}: {name}")

    assert not unkept, "run it by tasks.keep"


OUTSIDE = [path for path in MODULES if room_of(path) != "store"]
# Whose `.client` is another thing: the address of who asks, the standard library's HTTP.
NO_STORE = {"conn", "connection", "http", "self"}
# They pass the setting on. Who does not know the prefix builds no name.
PREFIX = {"settings.py", "demo/run.py", "store/store.py"}


def attributes(path: Path) -> Iterator[tuple[str, str, int]]:
    """Every `owner.name` of a module, and its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr, node.lineno


@pytest.mark.parametrize("path", OUTSIDE, ids=name_of)
def test_only_the_store_room_knows_what_the_store_is(path: Path) -> None:
    """Not its driver, not its client, not how a key is made: it may be another kind of server tomorrow."""
    known = [f"line {line}: {name}" for name, line in imports(path) if name.split(".")[0] in ("redis", "hiredis")]
    for owner, name, line in attributes(path):
        if (name == "client" and owner not in NO_STORE) or (name == "of" and owner.endswith("keys")):
            known.append(f"line {line}: {owner}.{name}")

    assert not known


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "store/keys.py"], ids=name_of)
def test_names_in_the_store_are_built_in_one_place(path: Path) -> None:
    prefixed = [
        f"line {line}: {owner}.{name}"
        for owner, name, line in attributes(path)
        if name in ("prefix", "_prefix") and name_of(path) not in PREFIX
    ]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            prefixed += [f"line {node.lineno}" for inner in ast.walk(node) if "prefix" in _name(inner)]

    assert not prefixed, "its place is store/keys.py"


def _name(node: ast.AST) -> str:
    """Of `settings.prefix`, or a local `prefix`; not of `removeprefix`, which is called."""
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr.strip("_") == "prefix" else ""
    return node.id if isinstance(node, ast.Name) and node.id.strip("_") == "prefix" else ""


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "clock.py"], ids=name_of)
def test_the_wall_clock_is_read_in_milliseconds_in_one_place(path: Path) -> None:
    assert not [line for owner, name, line in attributes(path) if (owner, name) == ("time", "time_ns")]


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "newsroom/events.py"], ids=name_of)
def test_types_of_events_are_spelt_in_one_place(path: Path) -> None:
    """A type that is misspelt is one that nobody listens for: a name that is, does not import."""
    spelt = [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in SPELT
    ]

    assert not spelt, "import it from newsroom/events.py"
