"""`stoppress`: the list of commands, each imported only when it is called.

It never knows what they do.

Exit codes (sysexits.h): 0 done, 1 given up (somebody said no, or wrote nothing; nothing was changed), 2 wrong usage,
65 the data breaks a rule, 69 the store or server cannot be reached, 70 a mistake of ours, 74 a file cannot be read or
written, 75 the outcome is unknown (repeat with `--retry KEY`), 77 not allowed, 128 + N stopped by signal N: 130 by
Ctrl-C, 141 by a reader of its output who closed the pipe.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from .. import __version__
from .command import Menu, notes

# Python's 700 has the collector walk through the modules again and again while they are imported, for nothing: they
# stay. A server sets its own.
GARBAGE = 50_000
COMMANDS = {
    "Posts": {
        "post": ("posts", "publish", "Publish a post."),
        "edit": ("posts", "edit", "Change a published post."),
        "correct": ("changes", "correct", "Add a correction that readers see."),
        "withdraw": ("changes", "withdraw", "Take a post back; readers see a note instead."),
        "delete": ("changes", "delete", "Take a post out without a trace for readers."),
        "restore": ("changes", "restore", "Bring a withdrawn or deleted post back."),
        "pin": ("changes", "pin", "Keep a post at the top of its story."),
        "unpin": ("changes", "unpin", "Let the pinned post go back to its place."),
        "revert": ("changes", "revert", "Go back to an earlier version of a post."),
        "history": ("reading", "history", "List the versions of a post."),
        "list": ("reading", "list_posts", "List the posts of a story."),
        "show": ("reading", "show", "Show one post, as editors see it."),
        "watch": ("watch", "watch", "Follow a story live."),
    },
    "Stories": {
        "story": ("stories", "story", "List, create, edit, start, end, reopen and delete stories."),
        "export": ("transfer", "export", "Write a story, or all, as JSON Lines."),
        "import": ("transfer", "import_", "Read posts from JSON Lines."),
    },
    "Running": {
        "serve": ("serve", "serve", "Serve readers, editors and the dashboard."),
        "demo": ("demo", "demo", "Serve a sample story that goes on while you watch."),
        "token": ("tokens", "token", "Make, list and revoke tokens for the API."),
    },
}


class Stoppress(Menu):
    """The commands above, found by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for names in COMMANDS.values():
            if cmd_name in names:
                module, function, _ = names[cmd_name]
                found: click.Command = getattr(import_module(f".{module}", __package__), function)
                return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, about) for name, (_, _, about) in names.items()])


EXAMPLES = """
stoppress demo
stoppress serve
stoppress story create election-night --headline "Election night" --time-zone America/New_York
stoppress post election-night --headline "Polls close" --body "The first counts are due at nine."
stoppress post --help
"""


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Stoppress, examples=EXAMPLES, context_settings=CONTEXT)
@click.version_option(__version__, message="stoppress %(version)s")
def cli() -> None:
    """Publish, correct and retract on live stories; every open page follows within a second.

    Editorial commands speak to the store in the data directory, with or without a running `stoppress serve`; --url
    sends them to a server or store elsewhere. Shell completion for bash (zsh and fish alike):

    eval "$(_STOPPRESS_COMPLETE=bash_source stoppress)"
    """


def main(arguments: list[str] | None = None) -> Any:
    """The console script."""
    gc.set_threshold(GARBAGE)
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding cannot show must not end a command that has already changed the store.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return cli.main(args=arguments, prog_name="stoppress")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) and not error.filename:
            from .output import hush

            hush()
            click.echo(f"stoppress: what came out cannot be written: {error.strerror}", err=True)
            sys.exit(74)
        if not error.filename:
            _excuse(error)
        name = str(error.filename).removesuffix(".part")  # of an export that is not whole
        click.echo(f"stoppress: {name}: {error.strerror}", err=True)
        sys.exit(74)
    except Exception as error:
        _excuse(error)


def _open_streams() -> None:
    """Give a stream that was closed before we began (`<&-`, `>&-`) to nobody, before a socket takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _excuse(error: Exception) -> NoReturn:
    """A sentence for what should not have happened; where, only for who looks for it."""
    import logging
    import traceback

    asked = os.environ.get("STOPPRESS_LOG_LEVEL", "").strip().lower() == "debug"
    if asked or logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    click.echo(
        f"stoppress: a mistake of ours: {said}\nSTOPPRESS_LOG_LEVEL=debug shows where; please report it.", err=True
    )
    for note in notes(error):
        click.echo(note, err=True)
    sys.exit(70)
