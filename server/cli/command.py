"""How commands look and fail: help that ends with examples, and one sentence on stderr with an exit code.

It never knows what a command does.
"""

from __future__ import annotations

import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..newsroom.errors import NotFoundError, StoppressError, StoreError, TryAgainError

_ARGUMENTS = f"{__name__}.arguments"
_PASSWORD = re.compile(r"(?<=://)[^/@]*@")


class Refusal(click.ClickException):
    """A StoppressError as the command line tells it."""

    def __init__(self, error: StoppressError, key: str = "", *, hint: str = "") -> None:
        """`key`: under which it was tried. `hint`: where to look, on a line of its own."""
        message = f"{error.detail}\n{hint}" if hint else error.detail
        if isinstance(error, TryAgainError) and key:
            message += f"\nIt may have been done or not. Repeat the same command with --retry {key}: it cannot double."
        elif isinstance(error, StoreError) and key:
            message += f"\nThis changed nothing. When that is cured, repeat the same command with --retry {key}."
        super().__init__(message)
        for note in notes(error):
            self.add_note(note)
        self.exit_code = error.exit_code  # type: ignore[misc]  # a class has one; click reads the error's

    def show(self, file: Any = None) -> None:
        click.echo(f"stoppress: {self.format_message()}", file=file, err=True)


def not_found(error: NotFoundError) -> Refusal:
    """For a command that names a story or a post: where those that exist are found, unless one was guessed."""
    hint = "`stoppress story list` shows the stories, `stoppress list SLUG` the posts of one."
    return Refusal(error, hint="" if "did_you_mean" in error.extra else hint)


def notes(error: BaseException) -> list[str]:
    """What was added to an error on its way up, such as where a text was kept (PEP 678)."""
    return getattr(error, "__notes__", [])


def again(without: Sequence[str] = (), *more: str, instead: str = "") -> str:
    """The command that runs now, as somebody would type it to go on; without some options, with others at its end.

    `instead`: another command for the same post at the same place.

    Its token and passwords are left out: what commands print ends in logs and screenshots.
    """
    context = click.get_current_context()
    options, _, order = context.command.make_parser(context).parse_args(args=list(context.meta[_ARGUMENTS]))
    left = {name: [*held] if isinstance(held, list) else [held] for name, held in options.items()}
    path = context.command_path.split()
    arguments, words = [path[0], instead] if instead else path, list[str]()
    for parameter in order:
        name = parameter.name or ""
        if name in without or not left.get(name):
            continue
        if instead and name not in ("slug", "id") and not isinstance(parameter, WhereOption):
            continue
        value = left[name].pop(0)
        if isinstance(parameter, click.Argument):
            arguments += [value] if isinstance(value, str) else []
        elif isinstance(value, bool):
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            words += [parameter.opts[0], "…" if name == "token" else _PASSWORD.sub("…@", str(value))]
    return shlex.join([*arguments, *words, *more])


class Stop(click.ClickException):
    """A command that was stopped: without a word, unless there is something to say."""

    def __init__(self, stop: KeyboardInterrupt, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code  # type: ignore[misc]  # as above
        for note in notes(stop):
            self.add_note(note)

    def show(self, file: Any = None) -> None:
        """The notes say it all, on a line of their own: a terminal echoes ^C without ending its line."""
        if notes(self) and sys.stderr.isatty():
            click.echo(err=True)


class WhereOption(click.Option):
    """An option that says where a command goes; help lists these apart."""


class Taught(click.Command):
    """A command whose help ends with examples, a line each."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples.strip().splitlines()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        where: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            # click 8.5 lists arguments too; the usage line and the text name them already.
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                (where if isinstance(parameter, WhereOption) else own).append(record)
        for title, records in (("Options", own), ("Where to", where)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"  {line}\n" if line else "\n")


class Menu(Taught, click.Group):
    """A group of commands; the one place where errors become sentences and exit codes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.command_class = Taught

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            if close := get_close_matches(args[0], self.list_commands(ctx), n=1):
                raise click.UsageError(f"{error.message} Did you mean {close[0]!r}?", ctx) from None
            raise

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _heard():  # help is printed here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _heard():
                return self._invoke(ctx)
        except click.ClickException as error:
            if ctx.parent is None:
                _show_notes(error)
            raise

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoppressError as error:
            raise Refusal(error) from None
        except KeyboardInterrupt as stop:
            raise Stop(stop, 128 + signal.SIGINT) from None


@contextmanager
def _heard() -> Iterator[None]:
    """Around a command: who closes the pipe that it writes to ends it without a word, as SIGPIPE ends any other
    program, so that a shell does not take for whole what was cut off."""
    try:
        yield
    except BrokenPipeError:
        from .output import hush

        hush()
        raise click.exceptions.Exit(128 + signal.SIGPIPE) from None


def _show_notes(error: click.ClickException) -> None:
    """Below its sentence."""
    sentence = error.show

    def show(file: Any = None) -> None:
        sentence(file)
        for note in notes(error):
            click.echo(note, err=True)

    error.show = show  # type: ignore[method-assign]  # of this one error; the class is click's
