"""Asking: what a command reads from the person at its terminal, or from a pipe; never while an event loop runs."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import IO

import click

from .output import columns, is_terminal, notice, wrapped
from .visit import Terminated

TEXT_BYTES = 1024 * 1024  # more than any body may have; enough to say by how much
STOPPED = "stoppress: stopped; nothing was changed"
_EDITORS = ("sensible-editor", "nano", "vi")


class Unfinished(KeyboardInterrupt):
    """Stopped while `text` was read."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.text = text


class GivenUp(click.ClickException):
    """Somebody said no, or wrote nothing: nothing was changed, exit 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"stoppress: {self.format_message()}", err=True)


def someone() -> bool:
    """Is somebody there to be asked: do they see the question, and can they answer?"""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def sure(question: Callable[[], str], yes: bool, *, final: bool = False) -> None:
    """Ask before something is taken out, where somebody is to be asked. `question` may look in the store.

    Where nobody is, what is `final` needs `--yes`. No answer is no.
    """
    if yes:
        return
    if not someone():
        if final:
            raise click.UsageError("this cannot be undone, and nobody is here to be asked: say --yes")
        return
    try:
        _ask(question())
    except KeyboardInterrupt as stop:
        stop.add_note(STOPPED)
        raise


def _ask(question: str) -> None:
    _no_loop()
    while True:
        click.echo("\n".join(wrapped(f"{question} [y/N]", columns() - 2)) + " ", err=True, nl=False)
        answer = sys.stdin.readline()
        if not answer:
            click.echo(err=True)  # Ctrl-D leaves the cursor behind the question
        word = answer.strip().lower()
        if word in ("y", "yes"):
            return
        if word in ("", "n", "no"):
            raise GivenUp("nothing was changed")
        notice("y for yes, n for no")


def standard_input(what: str) -> bytes:
    """All of it, up to `TEXT_BYTES`; at a terminal line by line until Ctrl-D.

    Unfinished carries what was read before Ctrl-C, which takes back a publication, not a text.
    """
    _no_loop()
    if is_terminal(sys.stdin):
        notice(f"Write {what}; Ctrl-D on an empty line ends it, Ctrl-C gives up.")
    text = b""
    try:
        while len(text) < TEXT_BYTES and (line := sys.stdin.buffer.readline(TEXT_BYTES)):
            text += line
    except KeyboardInterrupt:
        raise Unfinished(text) from None
    return text


def copy_input(file: IO[bytes], to: IO[bytes]) -> None:
    """All of a pipe, or of what is typed."""
    _no_loop()
    try:
        if file.isatty():
            notice("Give the lines; Ctrl-D on an empty line ends them, Ctrl-C gives up.")
        for line in iter(lambda: file.readline(TEXT_BYTES), b""):  # after one Ctrl-D a terminal goes on
            to.write(line)
    except KeyboardInterrupt as stop:
        stop.add_note(STOPPED)
        raise


def edit(path: str) -> None:
    """Have the file changed in $VISUAL or $EDITOR; GivenUp when that fails."""
    _no_loop()
    if not is_terminal(sys.stdin):
        raise click.UsageError("--editor needs a terminal; give the text by --body - or --body-file")
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    chosen = chosen or next((found for found in map(shutil.which, _EDITORS) if found), "vi")
    try:
        # In `id=$(stoppress post … --editor)` the editor draws on the terminal all the same.
        screen = sys.stderr if is_terminal(sys.stderr) and not is_terminal(sys.stdout) else None
        editor = subprocess.Popen([*shlex.split(chosen), path], stdout=screen)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise GivenUp(f"the editor {chosen!r} cannot be started ({why}); set EDITOR to one that can") from None
    while (code := editor.poll()) is None:
        try:
            code = editor.wait()
        except Terminated:
            editor.terminate()  # else it and the shell would share the terminal
            raise
        except KeyboardInterrupt:
            continue  # Ctrl-C within an editor is the editor's own
    if code in (-signal.SIGINT, 128 + signal.SIGINT):
        raise KeyboardInterrupt
    if code:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise GivenUp(f"the editor {chosen!r} {how}; nothing was changed")


def _no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise AssertionError("ask between two visits to the loop: within one, Ctrl-C is not heard")
