"""Draft: a text that somebody wrote, in a file of its own from the moment it is known until the store has it.

So nothing that ends the command takes the text along, not even `kill -9`. Drafts lie in
`$XDG_STATE_HOME/stoppress/drafts`, for their owner's eyes only, and never go but by the change that stores them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

from ..clock import now_ms
from ..newsroom.errors import InvalidError

_NAME = re.compile(r".+\.[0-9]{8}-[0-9]{6}-[0-9]{3}\.([0-9]+)\.(md|html)")
MARK = "------------------------ >8 ------------------------"
SCISSORS = f"""{MARK}
The first line is the headline, the rest the body (CommonMark).
The line with the scissors and all below it is left out."""


class Draft:
    """`path`: an absolute one."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()

    @classmethod
    def new(cls, about: str, text: bytes, *, is_html: bool = False) -> Draft:
        """`about`: what it is for, as part of the file's name: `storm.new`, `storm.k7mwq2x9fd`."""
        at = time.strftime("%Y%m%d-%H%M%S") + f"-{now_ms() % 1000:03}"
        name = f"{_part(about)}.{at}.{os.getpid()}.{'html' if is_html else 'md'}"
        for directory in (_home(), Path(tempfile.gettempdir())):
            with contextlib.suppress(OSError):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                made = cls(directory / name)
                with open(os.open(made.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(text)
                return made
        raise InvalidError("body", f"cannot be kept: neither {_home()} nor {tempfile.gettempdir()} can be written")

    @classmethod
    def left(cls, about: str) -> list[Draft]:
        """Drafts for the same that a command left when it was ended, last one first."""
        found = [(path, _NAME.fullmatch(path.name)) for path in sorted(_home().glob(f"{_part(about)}.*"), reverse=True)]
        return [cls(path) for path, name in found if name and not _runs(name[1])]

    @property
    def is_ours(self) -> bool:
        """Made by a command, and not somebody's own file."""
        return _NAME.fullmatch(self.path.name) is not None and self.path.parent in (
            _home(),
            Path(tempfile.gettempdir()),
        )

    @property
    def is_html(self) -> bool:
        return self.path.suffix == ".html"

    def read(self, most: int = -1) -> bytes:
        """Up to `most` bytes of it."""
        try:
            with open(self.path, "rb") as file:
                return file.read(most)
        except OSError as error:
            raise InvalidError("body", f"cannot read {self.path}: {error.strerror}") from None

    def headline_and_body(self) -> tuple[str, str]:
        """The first line, and what follows it down to the scissors. InvalidError when it is no text."""
        try:
            text = self.read().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise InvalidError("body", f"is not UTF-8: byte {error.start} of {self.path}") from None
        headline, _, body = text.partition(MARK)[0].strip().partition("\n")
        return headline.strip(), body.strip("\n").rstrip()

    def add_below(self, text: str) -> None:
        """For the eyes of who goes on, below the scissors."""
        above = self.read().decode("utf-8", "replace").partition(MARK)[0].rstrip()
        self.path.write_text(f"{above}\n\n{scissors(self.is_html)}\n\n{text}\n")

    def stored(self) -> None:
        """The store has it. A file that somebody made stays."""
        if self.is_ours:
            with contextlib.suppress(OSError):
                self.path.unlink()


def as_draft(headline: str, body: str, *, is_html: bool = False) -> bytes:
    return f"{headline}\n\n{body}\n\n{scissors(is_html)}\n".encode("utf-8", "replace")


def scissors(is_html: bool) -> str:
    return SCISSORS.replace("CommonMark", "HTML") if is_html else SCISSORS


def _home() -> Path:
    # XDG Base Directory 0.8: a relative path is invalid and ignored.
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "stoppress" / "drafts"


def _part(about: str) -> str:
    """Not yet checked, so no path may come of it, and no pattern."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", about)[:160].lstrip(".")


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:  # it does, and is not ours
        return True
    except (ValueError, OverflowError, OSError):
        return False
    return True
