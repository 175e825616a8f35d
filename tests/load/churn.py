"""Churn: readers come and go for a long time, posts come and are withdrawn, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import statistics
import time
from argparse import Namespace
from pathlib import Path

from . import servers
from .book import Book
from .generator import Crowd, crowd, fanload
from .machine import HERE, descriptors, rss_kb, until
from .newsroom import stamp
from .servers import Editor, Ours, ours

RING = 1100  # posts that fill the hub's ring of recent events, so that it cannot pass for a leak
SAMPLE_S = 2.0


def churn(book: Book, asked: Namespace) -> None:
    """Memory of the last quarter beside the second one; descriptors and tasks before and after."""
    with servers.folder() as place:
        os.environ["COUNT_FILE"] = str(place / "tasks")
        os.environ["PYTHONPATH"] = str(HERE)  # for its worker
        with ours(entry="counted.py") as target:
            _one(book, asked, target, place)


def _one(book: Book, asked: Namespace, target: Ours, place: Path) -> None:
    silent = dataclasses.replace(target, pids=[])
    requests = place / "requests"
    target.newsroom.requests(servers.SLUG, RING, target.pad, requests)
    flood = ["-U", target.newsroom.socket_path, "-X", requests, "-A", "$2\r\nok\r\n", "-m", RING, "-r", 0, "-w", 60]
    fanload(silent, "-n", 1, *flood)
    # Once in and out, and as many editors at once as there will ever be: what is made once and kept is made.
    fanload(silent, "-n", 1, *target.publishing, "-m", 64, "-r", 0, "-E", 16)
    fanload(silent, "-n", asked.readers, "-m", 0, "-l", 1, "-J", asked.readers, "-j", asked.rate)
    before = _counts(target, place)
    seconds = asked.minutes * 60
    messages = int(seconds * asked.posts)
    options = ["-n", asked.readers, "-J", asked.readers, "-j", asked.rate, "-m", messages, "-l", seconds + 30]
    with crowd(silent, *options) as readers:
        readers.wait_ready()
        readers.go()
        samples = _carry_on(target, readers, messages, asked.posts)
        run = readers.result()
    after = _counts(target, place, before)
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    run |= {
        "before": before,
        "after": after,
        "rss_kb": samples,
        "growth": statistics.mean(last) / statistics.mean(second),
    }
    book.expect(run["valid"], f"churn: {'; '.join(run['faults'])}")
    book.add("churn", run)
    book.line("memory: last quarter ÷ second quarter", run["growth"], 1.02)
    book.line("descriptors: after − before", after["descriptors"] - before["descriptors"], 0, unit="")
    book.line("tasks: after − before", after["tasks"] - before["tasks"], 0, unit="")
    wanted = 0.9 * asked.rate * seconds
    book.line("readers that left and joined again", run["joined"], wanted, is_floor=True, unit="")


def _carry_on(target: Ours, readers: Crowd, messages: int, posts_per_s: float) -> list[int]:
    """Post at the rate, take back every fifth post; resident memory of the server every two seconds."""
    editor, samples, made = Editor(target), [], ""
    began = time.monotonic()
    for n in range(messages):
        while (left := began + n / posts_per_s - time.monotonic()) > 0:
            time.sleep(min(left, SAMPLE_S))
        # Not at once: an event that has not left yet would leave without its text, and be counted as missed.
        if n % 5 == 0 and made:
            target.newsroom.withdraw(servers.SLUG, made)
        made = editor.post(stamp(n), target.pad)
        while len(samples) * SAMPLE_S < time.monotonic() - began:
            samples.append(rss_kb([target.process.pid]))
        if readers.process.poll() is not None:
            break
    editor.close()
    return samples


def _counts(target: Ours, place: Path, wanted: dict[str, int] | None = None) -> dict[str, int]:
    """Descriptors and tasks once all readers are gone; with `wanted`, waits a while for just these."""
    until(lambda: target.metric("stoppress_readers") == 0, 60, "all readers to be gone")
    counts: dict[str, int] = {}

    def look() -> bool:
        file = place / "tasks"
        file.unlink(missing_ok=True)
        (worker,) = target.worker_pids
        os.kill(worker, signal.SIGUSR2)
        until(file.exists, 10, "the number of tasks")
        counts.update(descriptors=descriptors(worker), tasks=int(file.read_text()))
        return wanted is None or counts == wanted

    settled = time.monotonic() + 20
    while not look() and time.monotonic() < settled:
        time.sleep(0.5)
    return counts
