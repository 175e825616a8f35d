"""A command on a real pseudo-terminal, with somebody typing."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
import time

from support import require_terminal

WAIT_S = 20.0


class Terminal:
    """`streams`: those that are not the terminal."""

    def __init__(self, env: dict[str, str], *arguments: str, columns: int = 60, **streams: int) -> None:
        self.ours, theirs = require_terminal()
        self._name = os.ttyname(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environ = {name: held for name, held in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stoppress", *arguments],
            env={**environ, **env, "TERM": "xterm"},
            **{"stdin": theirs, "stdout": theirs, "stderr": theirs, **streams},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # so that ^C is a signal to it
        )
        os.close(theirs)
        self.seen = ""

    def until(self, mark: str) -> str:
        deadline = time.monotonic() + WAIT_S
        while mark not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), f"ended before {mark!r}: {self.seen}"
        return self.seen

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def is_taken(self) -> bool:
        """Has the command read what was typed? Ctrl-C empties the terminal's queue."""
        theirs = os.open(self._name, os.O_RDONLY | os.O_NOCTTY)
        try:
            (waiting,) = struct.unpack("i", fcntl.ioctl(theirs, termios.FIONREAD, b"\0" * 4))
            return bool(waiting == 0)
        finally:
            os.close(theirs)

    def end(self) -> str:
        while self._read():
            pass
        self.process.wait(WAIT_S)
        os.close(self.ours)
        return self.seen

    def _read(self) -> bool:
        try:
            read = os.read(self.ours, 65536)
        except OSError:  # how Linux says that nobody has the other end
            return False
        self.seen += read.decode(errors="replace")
        return bool(read)
