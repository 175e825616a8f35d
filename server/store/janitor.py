"""The embedded store's janitor: waits out the grace time, then shuts the server down if nobody holds its lease.

Run by path in a process of its own (`python janitor.py DIRECTORY GRACE_S FD`), because the last user has left by then.
FD is a connection to the server: by it the server can be told even when its directory has been removed meanwhile.
Standard library only, and nothing of this package: it must start in a few milliseconds and outlive upgrades. Owns the
end of a server, never its beginning (`embedded.py`).
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time

TYPE_CHECKING = False  # importing `typing` for it would take longer than all the rest
if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

SHUTDOWN_S = 30.0  # a server that has not gone by then is busy or frozen: left to whoever comes next


def connect(path: str) -> socket.socket | None:
    """A connection to the server, or None. By relative path: a socket's address holds about 100 bytes."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(5)
    try:
        link.connect(path)
    except OSError:
        link.close()
        return None
    return link


def locked(file: FileDescriptorLike) -> bool:
    """Take `file`'s lock alone, without waiting; False when somebody holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def shut_down(link: socket.socket | None, socket_path: str) -> None:
    """Ask until the server has gone: it refuses while it writes its first file, and says so."""
    deadline = time.monotonic() + SHUTDOWN_S
    if link:
        link.settimeout(5)
    while time.monotonic() < deadline:
        link = link or connect(socket_path)
        if link is None:
            return
        try:
            link.sendall(b"SHUTDOWN\r\n")
            gone = not link.recv(4096)  # an answer is a refusal
        except TimeoutError:
            gone = False
        except OSError:
            gone = True
        if gone:
            link.close()
            link = None
            continue  # believed only when nobody answers the door
        time.sleep(0.2)


def main(directory: str, grace_s: float, link: socket.socket | None) -> None:
    try:
        os.chdir(directory)
        # Opened, never made: the directory may be on its way out.
        lease, only = open("lease"), open("janitor.lock")  # noqa: SIM115 (both are locks, held to the end)
    except OSError:
        shut_down(link, "valkey.sock")  # nobody can find this server any more
        return
    while locked(only):  # else another janitor is already waiting
        while (wait := os.fstat(lease.fileno()).st_mtime + grace_s - time.time()) > 0:
            time.sleep(min(wait, grace_s))
        if locked(lease):  # held until the server has gone: who comes now waits, then starts a new one
            shut_down(link, "valkey.sock")
            return
        # In use again. Whoever leaves while this lock is held starts no janitor, so look once more after it.
        fcntl.flock(only, fcntl.LOCK_UN)
        if not locked(lease):
            return
        fcntl.flock(lease, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), socket.socket(fileno=int(sys.argv[3])))
