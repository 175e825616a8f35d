"""`stoppress demo`: a story that goes on while you watch. It never runs the story itself: `stoppress.demo` does."""

from __future__ import annotations

import click

from .command import Taught


@click.command(
    "demo",
    cls=Taught,
    examples="""
stoppress demo
stoppress demo --speed 3 --open
stoppress demo --data-dir /tmp/try-out --port 9000
""",
)
@click.option("--host", metavar="TEXT", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", help="Port to listen on.  [default: 8000, or the next free one]")
@click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Directory of its store.  [default: a directory of its own]",
)
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, metavar="N", help="2 halves the pauses.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def demo(host: str | None, port: str | None, data_dir: str | None, speed: float, open_browser: bool) -> None:
    """Serve a sample story: a day's backlog at once, then new posts, edits and a withdrawal from another process.

    It is a server like any other: the editorial commands work on its story, from a second terminal, with the
    --data-dir it prints. Its store is its own, and each demo deletes the sample story of the one before.
    """
    import os

    from ..demo.run import run
    from ..settings import Settings
    from . import logs

    logs.set_up(Settings.from_env(os.environ, log_level=os.environ.get("STOPPRESS_LOG_LEVEL") or "warning"))
    run(host=host, port=port, data_dir=data_dir, speed=speed, open_browser=open_browser, echo=click.echo)
