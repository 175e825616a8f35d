"""`python -m tests.load WHAT`: measure Stoppress beside the floor and the peers that are installed, in turns.

Run it from the checkout, with Stoppress installed in the Python that runs it. Loopback only; everything is bounded in
time; whatever it starts, it ends. Absolute times of a shared machine mean little: the table has ratios of medians.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import churn, fairness, fanout, generator, hundred, storm
from .book import Book
from .machine import raise_descriptors

# Of each what is worth a row; churn takes as long as it is asked to, so it is left out.
ALL = ("fanout", "flood-hub", "flood-api", "connect", "memory", "growth", "hundred-thousand", "fairness", "storm")


def everything(book: Book, _asked: argparse.Namespace) -> None:
    """One table of all the others but churn, with their defaults; about an hour."""
    for name in ALL:
        asked = parser().parse_args([name])
        try:
            asked.run(book, asked)
        except Exception as error:  # the others are worth knowing
            book.fail(f"{name}: {error!r}")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.splitlines()[0])
    made.add_argument("--out", type=Path, help="folder for raw figures (default: a new temporary one)")
    what = made.add_subparsers(dest="what", required=True, metavar="WHAT")

    def add(name: str, run: object, rounds: int, readers: int = 0, messages: int = 0, **more: float):  # type: ignore[no-untyped-def]
        one = what.add_parser(name, help=(run.__doc__ or "").splitlines()[0].replace("%", "%%"))
        one.set_defaults(run=run)
        if rounds:
            one.add_argument("--rounds", type=int, default=rounds)
        if readers:
            one.add_argument("--readers", type=int, default=readers)
        if messages:
            one.add_argument("--messages", type=int, default=messages)
        for option, default in more.items():
            one.add_argument(f"--{option.replace('_', '-')}", type=float, default=default)
        return one

    # At 8 posts a second one process is nearly full, and everybody but idiomatic Starlette keeps up.
    one = add("fanout", fanout.fanout, 5, 8000, 80, rate=8)
    one.add_argument("--peers", nargs="*", choices=("nchan", "starlette", "ws", "socketio"), help="only these")
    add("flood-hub", fanout.flood_hub, 5, 1000, 2000)
    add("flood-api", fanout.flood_api, 5, 1000, 2000)
    add("connect", fanout.connect, 5, 8000)
    add("memory", fanout.memory, 5, 8000, idle=60)
    one = add("growth", fanout.growth, 5, seconds=12, load=96_000)
    one.add_argument("--counts", type=numbers, default=(1000, 4000, 16000), help="readers, by commas")
    one = add("hundred-thousand", hundred.hundred_thousand, 1, 100_000, 10, pause=3)
    one.add_argument("--workers", type=int, default=6)
    one.add_argument("--generators", type=int, default=6)
    add("fairness", fairness.fairness, 5, 8000, 60, rate=2)
    add("storm", storm.storm, 5, 8000, drain=20)
    add("churn", churn.churn, 1, 500, minutes=5, rate=100, posts=2)
    add("all", everything, 0)
    return made


def main() -> int:
    asked = parser().parse_args()
    raise_descriptors()
    out = asked.out or Path(tempfile.mkdtemp(prefix="stoppress-load-"))
    with tempfile.TemporaryDirectory(prefix="spbuild-") as built:
        generator.use(Path(built))
        book = Book(out)
        try:
            asked.run(book, asked)
        except KeyboardInterrupt:
            book.fail("interrupted")
        return 1 if book.close() else 0


if __name__ == "__main__":
    sys.exit(main())
