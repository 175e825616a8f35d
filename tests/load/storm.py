"""Storm: the process that holds every reader ends, and another one takes them all back: the server by SIGKILL and by
SIGTERM, and by SIGKILL its only worker, whose supervisor starts the next one on the socket that it kept."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from argparse import Namespace
from typing import Any

from . import servers
from .book import Book
from .generator import Crowd, crowd
from .machine import cpu_s, ends, listens, rss_kb, until
from .newsroom import stamp
from .servers import Ours, ours

POSTS = 4  # before, during and after each
PATIENCE_S = 120
SENT = {"evalsha", "evalsha_ro", "eval", "eval_ro", "fcall", "fcall_ro", "script|load"}


def storm(book: Book, asked: Namespace) -> None:
    """SIGKILL and SIGTERM of the process with all readers: its replacement resumes them, without asking the store."""
    has_peer = servers.has_centrifugo()
    for _ in range(asked.rounds):
        for number in (signal.SIGKILL, signal.SIGTERM):
            _one(book, asked, number)
        _worker(book, asked)
        if has_peer:
            _peer(book, asked)
    for name in ("SIGKILL", "SIGTERM"):
        ratio = book.median(name, "return_cpu_us") / book.median(name, "first_cpu_us")
        book.line(f"{name}: CPU per return ÷ first connect", ratio, 1.5)
        book.line(f"{name}: share of readers resumed", book.median(name, "resumed_share"), 1.0, is_floor=True, unit="")
        book.line(f"{name}: scripts run in the store for one story", book.median(name, "scripts"), 5, unit="")
        book.line(f"{name}: commands in the store per reader", book.median(name, "calls_per_reader"), 0.05, unit="")
        book.line(f"{name}: all readers back after", book.median(name, "back_s"), unit="s")
    book.line("SIGKILL of the only worker: all readers back after", book.median("worker", "back_s"), 2.6, unit="s")
    if has_peer:
        ratio = book.ratio("worker", "centrifugo", "back_s")
        book.line("the same ÷ Centrifugo, killed and started", ratio, 1.2, 0.8)
        book.line("SIGKILL of the server ÷ the same", book.ratio("SIGKILL", "centrifugo", "back_s"))
    book.line("its supervisor's memory", book.median("worker", "supervisor_kb") / 1024, unit="MB")


def _worker(book: Book, asked: Namespace) -> None:
    with ours() as target:
        silent = dataclasses.replace(target, pids=[])
        with crowd(silent, "-k", "-n", asked.readers, "-m", 3 * POSTS, "-l", 3 * PATIENCE_S) as readers:
            readers.wait_ready()
            readers.go()
            _post(target, 0)
            (worker,) = (pid for pid in target.worker_pids if pid != target.newsroom.store_pid)
            supervisor_kb = rss_kb([target.process.pid]) - rss_kb([worker])
            began = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            ends(worker, PATIENCE_S)
            _post(target, 1)
            readers.wait_ready()
            back_s = round(time.monotonic() - began, 2)
            _post(target, 2)
            run = readers.result() | {"back_s": back_s, "supervisor_kb": supervisor_kb}
        book.expect(run["valid"], f"worker: {'; '.join(run['faults'])}")
        book.expect(run["snapshots"] == 0, f"worker: {run['snapshots']} readers were given a snapshot")
        book.expect(run["lost"] >= asked.readers, f"worker: only {run['lost']} readers lost their connection")
        book.add("worker", run)


def _one(book: Book, asked: Namespace, number: signal.Signals) -> None:
    with ours("--drain-s", str(asked.drain)) as target:
        silent = dataclasses.replace(target, pids=[])
        before = cpu_s([target.process.pid])
        options = ["-k", "-n", asked.readers, "-m", 3 * POSTS, "-l", 3 * PATIENCE_S]
        with crowd(silent, *options) as readers:
            readers.wait_ready()
            first_cpu = cpu_s([target.process.pid]) - before
            readers.go()
            _post(target, 0)
            run = _strike(target, readers, number)
            _post(target, 2)
            run |= readers.result()
        run["first_cpu_us"] = first_cpu / asked.readers * 1e6
        run["resumed_share"] = min(run["resumed"], asked.readers) / asked.readers
        quiet, quiet_cpu = _quiet_start(target, run["window_s"])
        run["return_cpu_us"] = (run["return_cpu_s"] - quiet_cpu) / asked.readers * 1e6
        run["quiet_commands"] = quiet
        # The same start without readers asks too: what is left was asked for their sake.
        grown = {name: calls - quiet.get(name, 0) for name, calls in run["commands"].items() if name != "info"}
        run["grown_commands"] = {name: calls for name, calls in grown.items() if calls > 0}
        # A script counts once, and what it does inside counts again: so both, what was sent and all that was done.
        run["scripts"] = sum(calls for name, calls in run["grown_commands"].items() if name in SENT)
        run["calls_per_reader"] = sum(run["grown_commands"].values()) / asked.readers
        name = number.name
        book.expect(run["valid"], f"{name}: {'; '.join(run['faults'])}")
        book.expect(run["snapshots"] == 0, f"{name}: {run['snapshots']} readers were given a snapshot")
        book.expect(run["lost"] >= asked.readers, f"{name}: only {run['lost']} readers lost their connection")
        book.add(name, run)


def _peer(book: Book, asked: Namespace) -> None:
    with servers.centrifugo() as target:
        with crowd(target, "-k", "-n", asked.readers, "-m", 2 * POSTS, "-l", 3 * PATIENCE_S) as readers:
            readers.wait_ready()
            readers.go()
            for n in range(POSTS):
                target.post(stamp(n))
            began = time.monotonic()
            target.kill()
            target.start()
            for n in range(POSTS, 2 * POSTS):
                target.post(stamp(n))
            readers.wait_ready()
            run = readers.result() | {"back_s": round(time.monotonic() - began, 2)}
        book.expect(run["valid"], f"centrifugo: {'; '.join(run['faults'])}")
        book.add("centrifugo", run)


def _post(target: Ours, part: int) -> None:
    for n in range(part * POSTS, (part + 1) * POSTS):
        target.newsroom.post(servers.SLUG, stamp(n), target.pad)


def _strike(target: Ours, readers: Crowd, number: signal.Signals) -> dict[str, Any]:
    """End the process, post while nobody serves, start another one, wait for everyone."""
    old, began = target.process, time.monotonic()
    if number == signal.SIGKILL:
        target.kill()
    else:
        old.send_signal(number)
        until(lambda: not listens(target.port), PATIENCE_S, "the old process to let go of its port")
    _post(target, 1)
    commands, start = target.newsroom.commandstats(), time.monotonic()
    target.start()
    readers.wait_ready()
    run: dict[str, Any] = {
        "return_cpu_s": cpu_s([target.process.pid]) - target.start_cpu_s,
        "back_s": round(time.monotonic() - began, 2),
        "window_s": time.monotonic() - start,
    }
    now = target.newsroom.commandstats()
    run["commands"] = {name: calls - commands.get(name, 0) for name, calls in now.items()}
    if old.poll() is None:
        old.wait(PATIENCE_S)
    return run


def _quiet_start(target: Ours, seconds: float) -> tuple[dict[str, int], float]:
    """What a start without readers asks of the store, and the CPU it takes once ready, in the same time."""
    target.kill()
    before, began = target.newsroom.commandstats(), time.monotonic()
    target.start()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    used = cpu_s([target.process.pid]) - target.start_cpu_s
    return {name: calls - before.get(name, 0) for name, calls in target.newsroom.commandstats().items()}, used
