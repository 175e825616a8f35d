"""Fairness: stalled, slow and restless readers must cost the healthy ones nothing that they notice."""

from __future__ import annotations

import json
from argparse import Namespace

from . import servers
from .bad_readers import bad_readers
from .book import Book
from .fanout import fan, keep
from .servers import Ours, ours

STORY_POSTS = 10
GONE_S, RIGHT_S = 45, 120
BUFFERS_KB = 256  # what one bad reader may cost: kernel's and our own buffers together


def shares(readers: int) -> tuple[int, int, int]:
    """Healthy, stalled, slow: one in a hundred of each bad kind."""
    bad = max(1, readers // 100)
    return readers - 2 * bad, bad, bad


def fairness(book: Book, asked: Namespace) -> None:
    """1 % stalled, 1 % slow, 100 leaving and joining each second: p99 of the others, beside a run without."""
    healthy, stalled, slow = shares(asked.readers)
    for _ in range(asked.rounds):
        with ours(posts=STORY_POSTS - 1) as target, bad_readers(target, 0, 0) as watch:
            run = fan(target, healthy, asked.messages, asked.rate)
            keep(book, "calm", {**run, "peak_rss_kb": watch.peak_rss_kb, "peak_tcp_kb": watch.peak_tcp_kb})
        with ours(posts=STORY_POSTS - 1) as target:
            _with_bad(book, asked, target, healthy, stalled, slow)
    book.line("p99 of the healthy ÷ without bad readers", book.ratio("unfair", "calm", "ms_p99"), 1.3)
    book.line("stalled readers: gone after", book.median("unfair", "gone_s"), GONE_S, unit="s")
    book.line("slow readers: at the right state after", book.median("unfair", "right_s"), RIGHT_S, unit="s")
    more = book.median("unfair", "peak_rss_kb") - book.median("calm", "peak_rss_kb")
    kernel = book.median("unfair", "peak_tcp_kb") - book.median("calm", "peak_tcp_kb")
    book.line(
        "memory at the peak for each bad reader, process and kernel",
        (more + kernel) / (stalled + slow),
        BUFFERS_KB,
        unit="KB",
    )


def _with_bad(book: Book, asked: Namespace, target: Ours, healthy: int, stalled: int, slow: int) -> None:
    restless = max(1, round(100 * asked.readers / 8000)) if asked.readers < 8000 else 100
    with bad_readers(target, stalled, slow) as bad:
        run = fan(target, healthy, asked.messages, asked.rate, "-J", 2 * restless, "-j", restless)
        final = json.loads(target.get(f"/live/{servers.SLUG}/snapshot"))
        run["right_s"] = round(bad.finish(final, RIGHT_S), 1)
        run["gone_s"] = round(max(bad.gone_s.values(), default=float("nan")), 1)
        run["peak_rss_kb"], run["peak_tcp_kb"] = bad.peak_rss_kb, bad.peak_tcp_kb
        gone, right, cut = len(bad.gone_s), len(bad.right_at), len(bad.cut)
    book.expect(
        gone == stalled, f"fairness: {stalled - gone} of {stalled} stalled readers are still held after a minute"
    )
    book.expect(right == slow, f"fairness: {right} of {slow} slow readers came to the right state, {cut} were cut off")
    wanted = 0.9 * restless * (asked.messages - 1) / asked.rate
    book.expect(run["joined"] >= wanted, f"fairness: {run['joined']} left and joined, not {wanted:.0f}")
    keep(book, "unfair", run)
