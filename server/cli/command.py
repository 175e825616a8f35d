"""How commands look and fail: help that ends with examples, and one sentence on stderr with an exit code."""

from __future__ import annotations

from typing import Any

import click

from ..newsroom.errors import NotFoundError, StoppressError, StoreError, TryAgainError


class Refusal(click.ClickException):
    """A StoppressError as the command line tells it."""

    def __init__(self, error: StoppressError, key: str = "") -> None:
        message = error.detail
        if isinstance(error, TryAgainError) and key:
            message += f"\nIt may have been done or not. Repeat the same command with --retry {key}: it cannot double."
        elif isinstance(error, StoreError) and key:
            message += f"\nThis changed nothing. When that is cured, repeat the same command with --retry {key}."
        elif isinstance(error, NotFoundError) and "stoppress " not in message:
            message += "\n`stoppress story list` shows the stories, `stoppress list SLUG` the posts of one."
        super().__init__(message)
        self.exit_code = error.exit_code

    def show(self, file: Any = None) -> None:
        click.echo(f"stoppress: {self.format_message()}", file=file, err=True)


class WhereOption(click.Option):
    """An option that says where a command goes; help lists these apart."""


class Taught(click.Command):
    """A command whose help ends with examples, a line each."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples.strip().splitlines()

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
                error.message += f" Did you mean {close[0]!r}?"
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoppressError as error:
            raise Refusal(error) from None
        except KeyboardInterrupt:
            ctx.exit(130)
