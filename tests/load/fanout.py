"""The rows of the table: fan-out, floods, connects, memory, growth. Each in turns with the floor and the peers."""

from __future__ import annotations

import dataclasses
import itertools
import math
from argparse import Namespace
from typing import Any

from . import servers
from .book import Book
from .generator import crowd, fanload, floor
from .machine import apart
from .servers import EVENT_BYTES, FRAME_BYTES, Ours, Target, installed, nchan, ours, peer, streaming

CPU = "cpu_us_per_delivery"
# When memory is measured so many are there already: they fill what start-up left free. And few come at once, because
# a crowd of handshakes under way leaves free memory behind too, which is then taken for a saving.
FIRST_READERS = 3000
GENTLY = ("-c", 32)
FEW = 1000  # readers, with whom a post's own cost shows
FASTEST = 48  # posts a second: events closer than 10 ms would leave together
# Messages that are not counted where growth is: the other side acknowledges the first ones on a connection at once,
# within our send, which doubles what it costs.
WARM = 20
LADDER = (20, 10, 5, 2, 1, 0.5)


def model() -> Ours:
    """A calibrated event for the peers; its server has gone."""
    with ours() as target:
        return target


def keep(book: Book, name: str, run: dict[str, Any], frame_bytes: int = 0) -> dict[str, Any]:
    """Into the book, and held against the rules that every quoted run obeys."""
    book.expect(run["valid"], f"{name}: {'; '.join(run['faults'])}")
    if frame_bytes:
        off = abs(run["frame_bytes"] / frame_bytes - 1)
        book.expect(off <= 0.05, f"{name}: frames have {run['frame_bytes']} B, not {frame_bytes} ± 5 %")
    return book.add(name, run)


def fan(target: Target, readers: int, messages: int, rate: float, *more: str | int) -> dict[str, Any]:
    with apart(target.pids[0]):
        return fanload(target, *target.publishing, "-n", readers, "-m", messages, "-r", rate, "-w", 120, *more)


def keeps_up(span_s: float, messages: int, rate: float) -> bool:
    """Did the last delivery come about when it should? Who falls behind for long delivers nothing in the end."""
    return span_s <= (messages - 1) / rate * 1.1 + 0.5


def peer_rate(name: str, shape: Ours, readers: int, most: float) -> float:
    """The highest rate, not above ours, at which a peer delivers everything and does not fall behind."""
    for rate in [most, *(step for step in LADDER if step < most)]:
        with peer(name, shape) as target:
            messages = max(10, math.ceil(rate * 4))
            run = fan(target, readers, messages, rate)
        if run["valid"] and keeps_up(run["span_s"], messages, rate):
            return rate
    return LADDER[-1]


def pace(book: Book, name: str, messages: int, rate: float) -> str:
    """A remark, if a server fell behind the rate: then it may have joined messages, which is cheaper."""
    is_level = keeps_up(book.median(name, "span_s"), messages, rate)
    return "" if is_level else f"{name} falls behind {rate:g} posts a second"


def fanout(book: Book, asked: Namespace) -> None:
    """CPU per delivery: ours plain, deflated and as event streams, the floor, the peers."""
    few = min(FEW, asked.readers)
    shape = model()
    peers = [name for name in installed() if not asked.peers or name in asked.peers]
    rates = {name: peer_rate(name, shape, asked.readers, asked.rate) for name in peers}
    for _ in range(asked.rounds):
        book.add("floor", floor(asked.readers, asked.messages, FRAME_BYTES, asked.rate))
        with ours() as target:
            keep(book, "ours", fan(target, asked.readers, asked.messages, asked.rate), FRAME_BYTES)
        with ours() as target:
            run = keep(book, "ours-deflate", fan(target, asked.readers, asked.messages, asked.rate, "-z"))
            book.expect(run["frame_bytes"] < FRAME_BYTES * 0.9, "ours-deflate: no deflate was negotiated")
        with ours() as target:
            keep(book, "ours-sse", fan(streaming(target), asked.readers, asked.messages, asked.rate), EVENT_BYTES)
        with ours() as target:
            keep(book, "ours-few", fan(target, few, asked.messages, asked.rate), FRAME_BYTES)
        with ours() as target:
            keep(book, "ours-sse-few", fan(streaming(target), few, asked.messages, asked.rate), EVENT_BYTES)
        for name, rate in rates.items():
            with peer(name, shape) as target:
                # Fewer messages at a low rate: the same time, not the same count.
                messages = max(5, round(asked.messages * rate / asked.rate))
                keep(book, name, fan(target, asked.readers, messages, rate), FRAME_BYTES)
    note = pace(book, "ours", asked.messages, asked.rate)
    book.line("CPU per delivery ÷ bare send in C", book.ratio("ours", "floor", CPU), 1.25, 1.10, note=note)
    book.line("the same, deflated ÷ bare send", book.ratio("ours-deflate", "floor", CPU), 1.25, 1.0)
    note = pace(book, "ours-sse", asked.messages, asked.rate)
    book.line("SSE: CPU per delivery ÷ ours over WebSocket", book.ratio("ours-sse", "ours", CPU), 1.15, 1.0, note=note)
    ratio = book.ratio("ours-sse-few", "ours-few", CPU)
    book.line(f"SSE: the same with {few:,} readers", ratio, 1.15, 1.0)
    marks = {"nchan": (1.0, 0.9), "starlette": (0.25, 0.2)}
    for name, rate in rates.items():
        note = f"{name} at {rate:g}/s" if rate != asked.rate else pace(book, name, asked.messages, rate)
        must, aim = marks.get(name, (None, None))
        book.line(f"CPU per delivery ÷ {name}", book.ratio("ours", name, CPU), must, aim, note=note)
    for name in ("nchan", "starlette"):
        if name not in rates:
            book.fail(f"{name} is not installed: its ratio is missing")


def hub_alone(target: Ours, readers: int, messages: int, rate: float, *more: str | int) -> dict[str, Any]:
    """Events come through the project's script on one pipelined connection; the store is not counted."""
    with servers.folder() as place:
        target.newsroom.requests(servers.SLUG, messages, target.pad, place / "requests")
        sending = ["-U", target.newsroom.socket_path, "-X", place / "requests", "-A", "$2\r\nok\r\n"]
        alone = dataclasses.replace(target, pids=target.pids[:-1])  # the last is the store's
        with apart(target.process.pid):
            return fanload(alone, *sending, "-n", readers, "-m", messages, "-r", rate, "-w", 120, *more)


def flood_hub(book: Book, asked: Namespace) -> None:
    """The hub alone, 2,000 events as fast as the store takes them, beside Nchan flooded by HTTP."""
    shape = model()
    for _ in range(asked.rounds):
        with ours() as target:
            keep(book, "ours-flood", hub_alone(target, asked.readers, asked.messages, 0), FRAME_BYTES)
        with nchan(shape, keep=asked.messages) as peer_target:
            keep(book, "nchan-flood", fan(peer_target, asked.readers, asked.messages, 0), FRAME_BYTES)
    book.line("flood, hub alone: CPU per delivery ÷ nchan", book.ratio("ours-flood", "nchan-flood", CPU), 0.6, 0.25)
    speed = book.ratio("ours-flood", "nchan-flood", "deliveries_per_s")
    book.line("flood, hub alone: deliveries per second ÷ nchan", speed, 1.5, 4, is_floor=True)


def flood_api(book: Book, asked: Namespace) -> None:
    """16 editors at once through the API, each waiting for its answer; the store is counted."""
    shape = model()
    for _ in range(asked.rounds):
        with ours() as target:
            keep(book, "ours-api", fan(target, asked.readers, asked.messages, 0, "-E", 16), FRAME_BYTES)
        with nchan(shape, keep=asked.messages) as peer_target:
            keep(book, "nchan-api", fan(peer_target, asked.readers, asked.messages, 0, "-E", 16), FRAME_BYTES)
    book.line("flood through the API: CPU per delivery ÷ nchan", book.ratio("ours-api", "nchan-api", CPU), 0.8, 0.4)


def connect(book: Book, asked: Namespace) -> None:
    """The first 32 KB: our hello and snapshot, Nchan's 32 newest messages of the same posts; WebSocket and SSE."""
    posts = 32
    shape = model()
    with ours(posts=0) as target:
        # The envelope of an event is not in the snapshot: longer bodies make up for it.
        body = target.pad + 250
    for _ in range(asked.rounds):
        with ours(posts=posts - 1, body=body) as target:
            size = len(target.get(f"/live/{servers.SLUG}/snapshot"))
            book.expect(abs(size / 32768 - 1) < 0.05, f"connect: the snapshot has {size} B, not 32 KB ± 5 %")
            run = fanload(target, "-n", asked.readers, "-m", 0, "-l", 0.1)
            keep(book, "ours-connect", {**run, "snapshot_bytes": size})
            keep(book, "ours-connect-sse", fanload(streaming(target), "-n", asked.readers, "-m", 0, "-l", 0.1))
        with nchan(shape, first="-32") as peer_target:
            fanload(peer_target, *peer_target.publishing, "-n", 1, "-m", posts, "-r", 0)
            peer_target.reading += ["-e", f"#{posts - 1}"]
            keep(book, "nchan-connect", fanload(peer_target, "-n", asked.readers, "-m", 0, "-l", 0.1))
            keep(book, "nchan-connect-sse", fanload(streaming(peer_target), "-n", asked.readers, "-m", 0, "-l", 0.1))
    ratio = book.ratio("ours-connect", "nchan-connect", "connect_cpu_us")
    book.line("connect with a 32 KB snapshot ÷ nchan with 32 messages", ratio, 0.6, 0.4)
    ratio = book.ratio("ours-connect-sse", "nchan-connect-sse", "connect_cpu_us")
    book.line("SSE: the same ÷ nchan's", ratio, 0.65, 0.45)


def memory(book: Book, asked: Namespace) -> None:
    """Resident memory per idle reader, a while after the last connect; each has seen beats, and sent one frame if it
    can."""
    seen = ["-i", '{"type":"seen","seq":1}']
    kinds = {"plain": seen, "deflate": ["-z", *seen], "SSE": []}
    for _ in range(asked.rounds):
        for name, options in kinds.items():
            with ours(posts=49) as target:
                idle = ["-q", asked.idle, "-t", '"type":"beat"']
                reading = streaming(target) if name == "SSE" else target
                run = fanload(reading, *options, *idle, "-n", asked.readers, "-m", 0, "-l", 0.1)
                run["beats"] = run["counted"] / max(1, run["connected"])
                due = 2 if asked.idle >= 60 else 0
                book.expect(run["beats"] >= due, f"memory {name}: {run['beats']} beats a reader, not {due}")
                keep(book, f"memory-{name}", run)
    for name in kinds:
        value = book.median(f"memory-{name}", "rss_kb_per_reader")
        book.line(f"memory per idle reader, {name}", value, 2.5, 1.6 if name == "SSE" else 1.5, unit="KB")


def growth(book: Book, asked: Namespace) -> None:
    """Cost over the floor, and memory, from few readers to many; and from a short backlog to a long one."""
    counts, backlogs = asked.counts, (1, 50, 500)
    for _ in range(asked.rounds):
        for count in counts:
            # Pauses are shorter than 200 ms for all: after one longer than its retransmission time-out the other side
            # acknowledges at once, within our send, which then costs 11 µs instead of 5.
            rate = min(FASTEST, asked.load / count)
            messages = round(rate * asked.seconds)
            warmed = (count, WARM + messages, rate, "-W", WARM)
            book.add(f"floor-{count}", floor(count, messages, FRAME_BYTES, rate, warm=WARM))
            with ours() as target:
                keep(book, f"ours-{count}", fan(target, *warmed), FRAME_BYTES)
            with ours() as target:
                keep(book, f"hub-{count}", hub_alone(target, *warmed), FRAME_BYTES)
            with ours() as target, crowd(target, "-n", FIRST_READERS, "-m", 1, "-l", 1, *GENTLY) as first:
                first.wait_ready()
                keep(book, f"memory-{count}", fanload(target, "-n", count, "-m", 0, "-l", 0.1, *GENTLY))
        for backlog in backlogs:
            # calibrate() posts one more
            with ours("--backlog", str(max(backlog, 50)), posts=backlog - 1) as target:
                messages = round(FASTEST * asked.seconds)
                run = hub_alone(target, counts[0], WARM + messages, FASTEST, "-W", WARM)
                keep(book, f"backlog-{backlog}", run, FRAME_BYTES)
    # By the API each post also costs the same few milliseconds whether ten read it or ten thousand: so both.
    for name, what in (("hub", "hub alone"), ("ours", "through the API")):
        over = {count: book.ratio(f"{name}-{count}", f"floor-{count}", CPU) for count in counts}
        for count, ratio in over.items():
            book.line(f"CPU per delivery ÷ floor, {what}, {count:,} readers", ratio)
        if name == "hub":
            book.line("growth of the cost: highest ÷ lowest", max(over.values()) / min(over.values()), 1.15)
    few = min(counts)
    more_us = book.median(f"ours-{few}", CPU) - book.median(f"hub-{few}", CPU)
    book.line("a post through the API costs, whoever reads it", more_us * few / 1000, unit="ms")
    held = {count: book.median(f"memory-{count}", "rss_kb_per_reader") for count in counts}
    each = {}
    for fewer, more in itertools.pairwise((0, *counts)):
        each[more] = (held[more] * more - held.get(fewer, 0) * fewer) / (more - fewer)
        book.line(f"memory of each further reader, {fewer:,} to {more:,}", each[more], unit="KB")
    book.line("growth of the memory: highest ÷ lowest", max(each.values()) / max(min(each.values()), 0.01), 1.15)
    costs = [book.median(f"backlog-{backlog}", CPU) for backlog in backlogs]
    book.line("backlog of 1, 50, 500 posts: highest cost ÷ lowest", max(costs) / min(costs), 1.15)
