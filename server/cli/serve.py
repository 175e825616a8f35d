"""`stoppress serve`: an option for every setting, then the server itself.

It never reads a setting itself: `settings` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

import click

from ..newsroom.errors import InvalidError
from ..newsroom.urls import is_loopback
from ..settings import PREFIX, Settings
from .command import Taught

OTHERS = (f"{PREFIX}URL", f"{PREFIX}TOKEN")  # of the commands
TESTS = f"{PREFIX}TEST_"


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every setting; the function gets one `Settings`. A bad value is named by Settings itself."""

    def set_up(**parameters: Any) -> Any:
        given = {entry.name: parameters.pop(entry.name) for entry in fields(Settings)}
        try:
            settings = Settings.from_env(os.environ, **given)
        except InvalidError as error:
            if given.get(error.field) is None:
                raise  # it came from a variable
            raise click.UsageError(f"--{error.field.replace('_', '-')} {error.rule}") from None
        return function(settings=settings, **parameters)

    set_up.__doc__ = function.__doc__
    set_up.__dict__.update(function.__dict__)
    for entry in reversed(fields(Settings)):
        name = f"--{entry.name.replace('_', '-')}"
        about = entry.metadata["about"]
        about = about if "://" in about.split()[0] else about[0].upper() + about[1:]
        if entry.default not in (MISSING, "", (), False) and entry.name != "data_dir":
            about += f"  [{PREFIX}{entry.name.upper()}; default: {entry.default}]"
        else:
            about += f"  [{PREFIX}{entry.name.upper()}]"
        if entry.default is False:
            set_up = click.option(f"{name}/--no-{name[2:]}", entry.name, default=None, help=about)(set_up)
        else:
            metavar = {"int": "N", "float": "N"}.get(str(entry.type), "TEXT")
            set_up = click.option(name, entry.name, metavar=metavar, help=about)(set_up)
    return set_up


@click.command(
    "serve",
    cls=Taught,
    examples="""
stoppress serve
stoppress serve --port 9000 --data-dir /var/lib/stoppress
stoppress serve --host 0.0.0.0 --public-url https://news.example.org --redis redis://10.0.0.5:6379/0
PORT=9000 STOPPRESS_LOG_FORMAT=json stoppress serve
""",
)
@settings_options
def serve(settings: Settings) -> None:
    """Serve readers, the editorial API and the dashboard, until Ctrl-C.

    Every option is also a variable, named beside it; an option wins.
    """
    import logging

    from . import logs
    from .run import run

    logs.set_up(settings)
    for sentence in strays(os.environ):
        logging.getLogger(__name__).warning(sentence)
    run(settings, lambda address: _tell(address, settings.host))


def strays(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable that looks like a setting and is none."""
    from difflib import get_close_matches

    settings = [PREFIX + entry.name.upper() for entry in fields(Settings)]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in (*settings, *OTHERS) and not name.startswith(TESTS):
            close = get_close_matches(name, settings, n=1)
            way_out = f"did you mean {close[0]}?" if close else "`stoppress serve --help` names them all"
            yield f"{name} is no setting and changes nothing; {way_out}"


def _tell(address: str, host: str) -> None:
    click.echo(f"{address}  (dashboard: {address}/dashboard; Ctrl-C stops)")
    if not is_loopback(host):
        click.echo(
            f"Open to the network on {host}: anybody may read; the dashboard and the API need a token, "
            "`stoppress token create --name NAME --role viewer` makes one."
        )
