"""The documents, read for what a test can hold them to: links, names, commands, tables."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from stoppress.cli.main import cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SOURCES = sorted(
    path
    for folder in ("server", "tests", "client_demo", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".lua", ".js", ".c", ".html", "") and path.is_file()
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def command_of(words: Sequence[str]) -> tuple[click.Command, Sequence[str]]:
    """The command that these words call, and what is left for it; KeyError for one that is not there."""
    command: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words[0])
            if found is None:
                raise KeyError(words[0])
            command, words = found, words[1:]
    return command, words


def options_of(command: click.Command) -> set[str]:
    with click.Context(cli) as above:
        parameters = command.get_params(click.Context(command, parent=above))
    return {option for one in parameters for option in (*one.opts, *one.secondary_opts)} | {"--help"}


def prose_of(path: Path) -> str:
    """What a file says to people: all of a document; of Python its comments and docstrings; of other code, all."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    said = [
        token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said.append(ast.get_docstring(node) or "")
    return "\n".join(said)


def literals_of(path: Path) -> Iterator[str]:
    """The texts in a Python file, those with gaps (f-strings) with a space for each gap."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)


def anchor_of(heading: str) -> str:
    """As forges make them: small letters, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(path: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}


def section_of(path: Path, heading: str) -> str:
    """The text from a heading to the next one of its level or above."""
    text = path.read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.M)
    assert found, f"{name_of(path)} has no section {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found.group(1))}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def rows_of(text: str) -> list[list[str]]:
    """The cells of every row of the tables in it, without heads and rules."""
    lines = text.splitlines()
    rules = {n for n, line in enumerate(lines) if re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", line)}
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for n, line in enumerate(lines)
        if line.startswith("|") and n not in rules and n + 1 not in rules
    ]


def codes_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)
