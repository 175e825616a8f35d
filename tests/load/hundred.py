"""A hundred thousand readers on one machine: several workers, and several generators with an address each."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from argparse import Namespace
from contextlib import ExitStack
from typing import Any

from .book import Book
from .generator import Crowd, crowd
from .machine import cpu_s, memory_kb, rss_kb, tcp_memory_kb, until
from .newsroom import stamp
from .servers import Editor, Ours, ours


def held(target: Ours, crowds: list[Crowd]) -> dict[str, int]:
    """Memory now, in KB; `kernel_kb` is slab, of the whole machine."""
    return {
        "workers_kb": rss_kb([target.process.pid]),
        "store_kb": rss_kb([target.newsroom.store_pid]),
        "generators_kb": rss_kb(one.process.pid for one in crowds),
        "tcp_kb": tcp_memory_kb(),
        "kernel_kb": memory_kb("Slab"),
        "available_kb": memory_kb("MemAvailable"),
    }


def hundred_thousand(book: Book, asked: Namespace) -> None:
    """All connected at once, ten posts, every delivery in order; memory of all processes and the kernel."""
    each = math.ceil(asked.readers / asked.generators)
    for _ in range(asked.rounds):
        with ours("--workers", str(asked.workers)) as target, ExitStack() as stack:
            until(lambda: len(json.loads(target.get("/stats"))["workers"]) == asked.workers, 60, "all workers")
            silent = dataclasses.replace(target, pids=[])  # six programs asking after them would cost more than they
            before, cpu_before, began = held(target, []), cpu_s(target.pids), time.monotonic()
            crowds = [
                stack.enter_context(
                    crowd(silent, "-a", 2 + n, "-n", each, "-m", asked.messages, "-l", 300, "-T", 600, "-c", 64)
                )
                for n in range(asked.generators)
            ]
            connected = sum(one.wait_ready() for one in crowds)
            run: dict[str, Any] = {
                "connected": connected,
                "connect_s": round(time.monotonic() - began, 1),
                "connect_cpu_us": (cpu_s(target.pids) - cpu_before) / max(1, connected) * 1e6,
            }
            after = held(target, crowds)
            run["memory"] = {name: after[name] - before[name] for name in after} | {
                name: after[name] for name in ("workers_kb", "store_kb", "generators_kb")
            }
            for one in crowds:
                one.go()
            editor = Editor(target)
            cpu_before, began = cpu_s(target.pids), time.monotonic()
            for n in range(asked.messages):
                # The next one when the last one has had its time: what is asked is the time to the last reader.
                time.sleep(max(0.0, began + n * asked.pause - time.monotonic()))
                editor.post(stamp(n), target.pad)
            results = [one.result() for one in crowds]
            used = cpu_s(target.pids) - cpu_before
            editor.close()
            run["deliveries"] = sum(one["deliveries"] for one in results)
            run["expected"] = asked.messages * each * asked.generators
            run["cpu_us_per_delivery"] = used / max(1, run["deliveries"]) * 1e6
            run["ms_last"] = max(one["ms_max"] for one in results)
            run["ms_p50"] = max(one["ms_p50"] for one in results)
            run["generators"] = results
            for one in results:
                book.expect(one["valid"], f"hundred-thousand: {'; '.join(one['faults'])}")
            book.add("hundred-thousand", run)
            kernel = run["memory"]["kernel_kb"] + run["memory"]["tcp_kb"]
            book.line("readers connected at once", connected, each * asked.generators, is_floor=True, unit="")
            book.line("deliveries in order", run["deliveries"], run["expected"], is_floor=True, unit="")
            book.line("slowest post: time to the last reader", run["ms_last"] / 1000, unit="s")
            book.line("CPU per delivery", run["cpu_us_per_delivery"], unit="µs")
            book.line("CPU per connect", run["connect_cpu_us"], unit="µs")
            for name in ("workers", "store", "generators"):
                book.line(f"memory: {name}", run["memory"][f"{name}_kb"] / 1024, unit="MB")
            book.line("memory: kernel (slab and TCP buffers, both ends)", kernel / 1024, unit="MB")
            whole = -run["memory"]["available_kb"] / 1024
            book.line("memory: all that the machine has less", whole, unit="MB")
