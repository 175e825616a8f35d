"""What operators see, and who counts as one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from doubles import Ear
from stoppress.hub.hub import Hub
from stoppress.hub.peers import FORGET, SILENT
from stoppress.hub.reader import Reader
from stoppress.hub.sample import Incident
from stoppress.settings import Settings
from stoppress.store.channels import DeafError
from stoppress.store.store import Store
from stoppress.tasks import end
from stoppress.transport.worker import Duty, Lifeline
from stoppress.web.board import Board
from story_model import Editor

HAS_PROC = Path("/proc/self").exists()
OPERATIONS = ("/dashboard", "/stats", "/metrics")


@pytest.fixture
async def story(site):
    await site.desk.create_story({"slug": "flood", "headline": "The river rises"})
    await site.desk.publish("flood", {"headline": "Water at the bridge"})


@pytest.fixture
def own_store(require, until, running) -> Callable[..., contextlib.AbstractAsyncContextManager]:
    """A server over a store of its own that may be killed: `(site, kill, revive)`."""
    program = require("redis-server")

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple]:
        home = Path(tempfile.mkdtemp(prefix="sp-"))
        path = home / "redis.sock"
        command = [program, "--port", "0", "--unixsocket", str(path), "--dir", str(home), "--appendonly", "yes"]
        processes: list[subprocess.Popen] = []

        async def revive() -> None:
            path.unlink(missing_ok=True)
            processes.append(started([*command, "--appendfsync", "always"]))
            await until(lambda: listens(path))  # there before it may be connected to

        async def kill(number: int = signal.SIGKILL) -> None:
            processes[-1].send_signal(number)
            if number == signal.SIGKILL:
                processes[-1].wait(10)

        await revive()
        settings = Settings(
            redis=f"unix://{path}", prefix=f"t{uuid.uuid4().hex[:8]}", store_timeout_s=1, store_durable=True, port=0
        )
        store = await Store.open(settings)
        try:
            async with running(settings, store) as site:
                yield site, kill, revive
        finally:
            await store.aclose()
            await kill()
            shutil.rmtree(home, ignore_errors=True)

    return opened


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(path)) == 0


def started(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


async def read_on(socket) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in socket:
            pass


async def close_code(socket) -> int:
    """Reads on until the server closes."""
    async with asyncio.timeout(10):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code


# Who may look


async def test_on_this_machine_operators_need_no_token(site):
    for path in OPERATIONS:
        assert (await site.client.get(path)).status_code == 200


async def test_a_name_that_was_pointed_here_is_not_this_machine(site):
    """DNS rebinding, and proxies beside us: what comes under another name, or forwarded, needs a token."""
    for headers in (
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=203.0.113.7"},
    ):
        for path in ("/stats", "/metrics"):
            answer = await site.client.get(path, headers=headers)
            assert answer.status_code in (400, 401), (headers, path)
        assert (await site.client.get("/dashboard", headers=headers)).status_code in (303, 400)
    for headers in ({"Host": "localhost"}, {"Host": "LOCALHOST:1"}, {"Host": "[::1]:80"}, {"Host": "127.0.0.2"}):
        assert (await site.client.get("/stats", headers=headers)).status_code == 200


async def test_a_server_open_to_the_world_asks_everybody(site_with):
    async with site_with(host="0.0.0.0") as site:
        viewer = await site.as_("viewer")
        for path in ("/stats", "/metrics"):
            answer = await site.client.get(path)
            assert answer.status_code == 401
            assert "stoppress token create" in answer.json()["detail"]
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert (await viewer.get(path)).status_code == 200
        turned = await site.client.get("/dashboard")
        assert (turned.status_code, turned.headers["location"]) == (303, "/login?next=/dashboard")
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.socket_url("/stats/ws"), proxy=None)
        assert refused.value.response.status_code == 401
        for path in ("/healthz", "/readyz"):
            assert (await site.client.get(path)).status_code == 200


async def test_the_login_form_gives_a_cookie_that_scripts_and_other_sites_cannot_use(site_with):
    async with site_with(host="0.0.0.0") as site:
        token, _ = await site.tokens.create("me", role="viewer")
        form = (await site.client.get("/login?next=/dashboard")).text
        assert 'method="post"' in form
        wrong = await site.client.post("/login", data={"token": "stp_wrong-wrong-wrong", "next": "/dashboard"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
        assert 'role="alert"' in wrong.text

        done = await site.client.post("/login", data={"token": f" {token} ", "next": "/dashboard"})

        assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert (await site.client.get("/dashboard")).status_code == 200
        out = await site.client.post("/logout")
        assert out.headers["location"] == "/login"
        assert (await site.client.get("/dashboard")).status_code == 303


async def test_a_login_leads_to_this_site_only(site):
    token, _ = await site.tokens.create("me", role="viewer")
    for onward in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\nb",
        "x",
        "//[",
        "http://[",
        "http://[x]/",
    ):
        assert (await site.client.get("/login", params={"next": onward})).status_code == 200, onward
        done = await site.client.post("/login", data={"token": token, "next": onward})
        assert done.headers["location"] == "/dashboard", onward
    assert (await site.client.post("/login", data={"token": token, "next": "/stats"})).headers["location"] == "/stats"
    assert (await site.client.post("/login", content=b"a" * 100_000)).status_code == 413


async def test_a_revoked_token_s_socket_closes(site_with):
    async with site_with(host="0.0.0.0") as site:
        token, _ = await site.tokens.create("wall display", role="viewer")
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(site.socket_url("/stats/ws"), additional_headers=headers, proxy=None) as socket:
            await socket.recv()
            await site.tokens.revoke("wall display")
            assert await close_code(socket) == 4401


# What they see


async def sample_when(socket, true) -> dict:
    async with asyncio.timeout(10):
        while True:
            sample = orjson.loads(await socket.recv())
            if true(sample):
                return sample


async def test_the_stream_shows_readers_come_and_posts_go_out(site, story):
    async with connect(site.socket_url("/stats/ws"), proxy=None) as stats:
        assert orjson.loads(await stats.recv())["type"] == "stats"
        async with connect(site.socket_url("/live/flood/ws"), proxy=None) as reader:
            await reader.recv()
            sample = await sample_when(stats, lambda sample: sample["readers"] == 1)
            assert sample["stories"]["flood"]["readers"] == 1
            await site.desk.publish("flood", {"headline": "Water over the bridge"})
            sample = await sample_when(stats, lambda sample: sample["latency_ms"]["written"]["p50"] is not None)
            assert sample["stories"]["flood"] | {"epoch": ""} == {
                "epoch": "",
                "seq": 3,
                "readers": 1,
                "at_head": 1,
                "post_count": 2,
                "status": "live",
            }
            assert sample["at_head"] == 1.0
            assert sample["store"]["status"] == "ok"
        await sample_when(stats, lambda sample: sample["readers"] == 0)


async def test_an_operator_s_socket_that_talks_is_closed(site):
    async with connect(site.socket_url("/stats/ws"), proxy=None) as socket:
        await socket.send("hello?")
        assert await close_code(socket) == 1008


async def test_two_workers_show_the_same_whole(site, site_with, story):
    """Each counts the other's readers too, and tells its own about them; one that stops is forgotten."""
    mine = site.parts.board.worker
    async with site_with() as second:
        theirs = second.parts.board.worker
        async with (
            connect(site.socket_url("/stats/ws"), proxy=None) as stats,
            connect(site.socket_url("/live/flood/ws"), proxy=None),
            connect(second.socket_url("/live/flood/ws"), proxy=None),
            connect(second.socket_url("/live/flood/ws"), proxy=None),
        ):
            sample = await sample_when(stats, lambda sample: sample["readers"] == 3)
            assert sample["workers"][mine]["readers"] == 1
            assert sample["workers"][theirs]["readers"] == 2
            assert sample["stories"]["flood"]["readers"] == 3
            assert site.parts.hub.feeds["flood"].elsewhere == 2
            async with connect(site.socket_url("/live/flood/ws"), proxy=None) as reader:
                assert orjson.loads(await reader.recv())["readers"] >= 3
    async with connect(site.socket_url("/stats/ws"), proxy=None) as stats:
        await sample_when(stats, lambda sample: list(sample["workers"]) == [mine])


class Node:
    """The lifelines of a node's workers, without its supervisor."""

    def __init__(self, name: str, settings: Settings, workers: int) -> None:
        self.name = name
        self.settings = replace(settings, workers=workers)
        self.boards: dict[str, Board] = {}
        self.lines: dict[str, Lifeline] = {}
        self.events: list[dict] = []

    def worker(self, store: Store, name: str, generation: int = 1, readers: int = 0) -> Board:
        """One that starts now, and hears what the others told last."""
        duty = Duty(print, self.settings, name, self.name, generation, 1, 1)
        line = Lifeline(None, None, duty)
        line.tell = lambda sample: self.tell(duty.id, sample)
        hub = Hub()
        reader_of(hub, readers)
        for id, board in self.boards.items():
            line.samples[id] = msgspec.json.encode(board.workers_here()[-1] if not board.place else board._own)
        self.lines[duty.id], self.boards[duty.id] = line, Board(hub, store, duty.id, line)
        self.live()
        return self.boards[duty.id]

    def tell(self, id: str, sample: bytes) -> None:
        for other, line in self.lines.items():
            if other != id:
                line.samples[id] = sample

    def live(self) -> None:
        for line in self.lines.values():
            workers = {id: line.duty.name for id, line in self.lines.items()}
            line.node = {"workers": workers, "events": self.events}

    def kill(self, board: Board, readers: int = 0) -> None:
        del self.boards[board.worker], self.lines[board.worker]
        self.events.append({"at_ms": time.time_ns() // 1_000_000, "text": "One ended", "readers": readers})
        for line in self.lines.values():
            line.samples.pop(board.worker, None)
        self.live()


def reader_of(hub: Hub, count: int) -> None:
    feed = hub.add("a", Editor().load(8))
    for _ in range(count):
        reader = Reader()
        feed.join(reader, None)


def second(*boards: Board, silent: tuple = ()) -> None:
    """All tell, then all hear, as once a second; nodes hear each other."""
    for _ in range(2):
        for board in boards:
            board.refresh()
        for board in boards:
            if board in silent:
                continue
            board._node.tell(msgspec.json.encode(board._own))
            for other in boards:
                other.hear(msgspec.json.encode(board._own))
    for board in boards:
        board.refresh()


def seen(board: Board) -> tuple:
    sample = board.latest
    return (
        sample["readers"],
        {id: worker["status"] for id, worker in sample["workers"].items()},
        sample["health"]["text"],
    )


async def test_who_is_silent_is_named_unknown_and_not_counted_whoever_is_asked(store, settings):
    """Also by a worker that started later and never heard it."""
    node = Node("n", settings, 1)
    mine, far = node.worker(store, "w1", readers=3), Board(Hub(), store, "far")
    reader_of(far._hub, 40)
    second(mine, far)
    assert seen(mine)[0] == seen(far)[0] == 43
    for _ in range(SILENT):
        second(mine)
    assert seen(mine)[:2] == (3, {mine.worker: "ok", "far": "unknown"})
    new = node.worker(store, "w2")
    second(mine, new)
    assert seen(new) == seen(mine)
    assert new.latest["workers"]["far"]["last_heard"] == mine.latest["workers"]["far"]["last_heard"]
    for _ in range(FORGET):
        mine.refresh()
        new.refresh()
    second(mine, new)
    assert seen(new)[1] == seen(mine)[1] == {mine.worker: "ok", new.worker: "ok"}


async def test_a_worker_that_is_killed_counts_no_longer_on_any_node(store, settings):
    """Nor twice: its readers come back to the others before its last sample is old."""
    node, other = Node("n", settings, 2), Node("m", settings, 1)
    one, two = node.worker(store, "w1", readers=1000), node.worker(store, "w2", readers=1000)
    far = other.worker(store, "w1", readers=50)
    second(one, two, far)
    assert {seen(board)[0] for board in (one, two, far)} == {2050}
    assert one._hub.feeds["a"].elsewhere == 1050

    node.kill(two, readers=1000)
    reader_of(one._hub, 600)
    new = node.worker(store, "w2", 2, readers=400)
    second(one, new, far)

    for board in (one, new, far):
        assert seen(board)[:2] == (2050, {one.worker: "ok", new.worker: "ok", far.worker: "ok"}), board.worker
    assert one._hub.feeds["a"].elsewhere == 450


async def test_the_readers_of_one_worker_alone_that_is_killed_are_known_to_its_successor(store, settings):
    node = Node("n", settings, 1)
    old = node.worker(store, "w1", readers=4000)
    second(old)
    node.kill(old, readers=4000)
    new = node.worker(store, "w1", 2, readers=1000)
    second(new)
    assert seen(new)[2] == "3,000 of 4,000 readers lost in the last minute"
    assert [one["text"] for one in new.latest["incidents"]] == ["One ended"]


async def test_who_starts_is_told_at_once_what_the_other_nodes_have(store, until):
    """Not at their next turn, a second later: it is asked before."""
    far, new = Board(Hub(), store, "far"), Board(Hub(), store, "new")
    reader_of(far._hub, 40)
    far.refresh()
    tasks = [asyncio.create_task(work()) for work in (far._listen, far._gossip)]  # its own turns do not come

    async def listens_far() -> bool:
        ((_, count),) = await store.server.client.pubsub_numsub(store.keys.workers)
        return count == 1

    await until(listens_far)
    tasks.append(asyncio.create_task(new._listen()))
    await until(lambda: new._peers.samples)
    await new.announce("http://127.0.0.1:1")
    assert new.latest["readers"] == 40
    await end(tasks)


async def test_the_other_nodes_are_heard_anew_when_the_hearing_ends(store, until, caplog):
    """Whatever ended it: a deaf link, or what nobody thought of. Only the second is worth a word, and one."""
    ear = Ear(store.channels)
    far = Board(Hub(), store, "far")
    board = Board(Hub(), replace(store, channels=ear), "here")
    running = [asyncio.create_task(one.run()) for one in (far, board)]
    await until(lambda: "far" in board.latest["workers"])
    for error in (DeafError("nothing heard"), AttributeError("nobody thought of it")):

        def stumble(_channel, _message, error=error):
            ear.look = lambda _channel, _message: True
            raise error

        count, ear.look = len(ear.hearings), stumble
        await until(lambda count=count: len(ear.hearings) == count + 1)
        board._peers.forget("far")
        await until(lambda: board._peers.samples)
    await end(running)
    (said,) = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert said.getMessage() == "hearing the other nodes failed; it is tried again until it works"
    assert said.exc_info[0] is AttributeError


async def test_a_worker_that_was_stopped_itself_calls_nobody_silent(store, settings):
    node = Node("n", settings, 2)
    one, two = node.worker(store, "w1"), node.worker(store, "w2")
    second(one, two)
    one.refresh()  # the first turn after a minute of SIGSTOP: nothing was heard meanwhile
    assert one.latest["workers"][two.worker]["status"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_the_store_a_node_still_knows_its_workers(own_store, settings, number):
    async with own_store() as (site, kill, _):
        store = site.store
        node = Node("n", settings, 2)
        one, two = node.worker(store, "w1", readers=2), node.worker(store, "w2", readers=3)
        await kill(number)
        running = [asyncio.create_task(board.run()) for board in (one, two)]
        for _ in range(SILENT + 2):
            sample = await one.next()
        assert sample["readers"] == 5
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_of_two_workers_in_one_place_the_newer_one_counts(store, settings):
    """While a reload hands the place over, both tell; a series must not come twice."""
    node, other = Node("n", settings, 2), Node("another", settings, 2)
    old, mine, elsewhere = node.worker(store, "w2"), node.worker(store, "w1"), other.worker(store, "w3")
    new = node.worker(store, "w2", 2)
    second(old, new, mine, elsewhere)

    assert {sample.worker for sample in mine.workers_here()} == {mine.worker, new.worker}


async def test_nonsense_on_the_workers_channel_changes_nothing(site, store, until):
    board = site.parts.board
    never = Incident(kind="cuts", text="", at_ms=10**18, until_ms=10**18, worker="x")  # a year that no clock shows
    other = structs.replace(board.workers_here()[0], worker="x", node="x", members=["x"], incidents=[never])
    for message in (
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"worker":"x"}',
        b'{"worker":7,"sample":{}}',
        b'{"worker":"x","sample":[]}',
        msgspec.json.encode(other),
        b'{"worker":"x","well":' + b"[" * 100_000,
    ):
        board.hear(message)
        await store.server.client.publish(store.keys.workers, message)
    assert list(board.latest["workers"]) == [board.worker]
    before = board.latest["at"]
    await until(lambda: board.latest["at"] != before)
    assert list(board.latest["workers"]) == [board.worker]
    board.hear(msgspec.json.encode(structs.replace(other, incidents=[])))
    await until(lambda: "x" in board.latest["workers"])


async def test_workers_of_an_active_story_are_all_at_its_head(site, site_with, story):
    """Their samples are of different moments, and a post comes between any two."""

    async def post_on() -> None:
        for n in itertools.count():
            await site.desk.publish("flood", {"headline": f"Update {n}"})
            await asyncio.sleep(0.2)

    async with contextlib.AsyncExitStack() as stack:
        second = await stack.enter_async_context(site_with())
        for one in (site, site, second, second):
            socket = await stack.enter_async_context(connect(one.socket_url("/live/flood/ws"), proxy=None))
            stack.callback(asyncio.create_task(read_on(socket)).cancel)
        watched = [
            await stack.enter_async_context(connect(one.socket_url("/stats/ws"), proxy=None)) for one in (site, second)
        ]
        stack.callback(asyncio.create_task(post_on()).cancel)
        for socket in watched:
            await sample_when(socket, lambda sample: sample["readers"] == 4 and sample["stories"]["flood"]["seq"] > 8)
        # A sample may fall between an event and its writing; on a busy machine several do.
        shares: deque[float] = deque(maxlen=8)
        async with asyncio.timeout(60):
            while shares.count(1.0) < 6:
                shares += [orjson.loads(await socket.recv())["at_head"] for socket in watched]


async def test_a_worker_that_stands_still_is_behind_within_seconds(site, story, until):
    """The one at fault still tells of itself that all is well."""
    board, hub = site.parts.board, site.parts.hub
    async with connect(site.socket_url("/live/flood/ws"), proxy=None):
        await until(lambda: hub.readers == 1)
        own = board.workers_here()[0]
        stuck = structs.replace(own, worker="stuck", node="there", members=["stuck"], settled={})
        await site.desk.publish("flood", {"headline": "Water over the bridge"})

        async def is_behind() -> bool:
            board.hear(msgspec.json.encode(stuck))
            return board.latest["readers"] == 2 and board.latest["at_head"] == 0.5

        await until(is_behind)


async def test_metrics_are_what_prometheus_reads(site, story):
    async with connect(site.socket_url("/live/flood/ws"), proxy=None) as reader:
        await reader.recv()
        await reader.recv()
        answer = await site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    readers = found["stoppress_readers"].samples
    assert [(one.labels, one.value) for one in readers] == [({"story": "flood"}, 1.0)]
    assert found["stoppress_snapshots"].samples[0].value == 1.0
    assert {"stoppress_deliveries", "stoppress_stale"} <= found.keys()
    if HAS_PROC:
        assert "process_open_fds" in found


# What goes wrong


async def test_300_wrong_tokens_are_one_line_and_no_flood(site, caplog, until):
    token = {"Authorization": "Bearer stp_wrong"}
    for _ in range(100):
        assert (await site.client.get("/stats", headers=token)).status_code == 401
        assert (await site.client.get("/api/stories", headers=token)).status_code == 401
        assert (await site.client.post("/login", data={"token": "stp_wrong"})).status_code == 403
    board, said = site.parts.board, "300 wrong tokens in "
    await until(lambda: any(one["text"].startswith(said) for one in board.latest["incidents"]))
    assert not any("token" in record.message for record in caplog.records)  # it is not over yet
    await until(lambda: any(said in record.message for record in caplog.records))
    lines = [record.message for record in caplog.records if "token" in record.message]
    assert [line.partition(" s ")[2] for line in lines] == ["from 127.0.0.1"]
    sample = (await site.client.get("/stats")).json()
    assert [one["count"] for one in sample["incidents"]] == [300]
    assert sample["faults"]["wrong_tokens"] == 300
    assert sample["health"] == {"reached": True, "text": "No readers are connected", "troubles": []}
    assert "stoppress_wrong_tokens_total 300.0" in (await site.client.get("/metrics")).text


async def test_refusals_are_known_with_their_reason(site_with, until):
    async with site_with(max_readers=1, origins=("https://news.example",)) as site:
        await site.desk.create_story({"slug": "flood", "headline": "The river rises"})
        async with connect(site.socket_url("/live/flood/ws"), proxy=None):
            await until(lambda: site.parts.hub.readers == 1)
            for origin, status in ((None, 503), (None, 503), ("https://evil.example", 403)):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(site.socket_url("/live/flood/ws"), proxy=None, origin=origin)
                assert refused.value.response.status_code == status
            board = site.parts.board
            await until(lambda: board.latest["faults"]["refusals"] == {"full": 2, "origin": 1})
            await until(lambda: len(board.latest["incidents"]) == 2)
            assert board.latest["health"]["text"] == "2 readers refused in the last minute"
            metrics = (await site.client.get("/metrics")).text
        assert 'stoppress_refusals_total{reason="full"} 2.0' in metrics
        assert 'stoppress_refusals_total{reason="origin"} 1.0' in metrics


# Health


async def test_readiness_says_why_not(site, until):
    hub, relay = site.parts.hub, site.parts.relay
    await until(relay.heard.is_set)
    assert (await site.client.get("/readyz")).status_code == 200
    hub.stale(1_700_000_000_000)
    deaf = await site.client.get("/readyz")
    assert (deaf.status_code, deaf.text.startswith("deaf")) == (503, True)
    assert (await site.client.get("/readyz?stale=ok")).status_code == 200
    hub.live()
    relay.heard.clear()
    starting = await site.client.get("/readyz?stale=ok")
    assert (starting.status_code, starting.text.startswith("starting")) == (503, True)
    hub.is_draining = True
    draining = await site.client.get("/readyz?stale=ok")
    assert (draining.status_code, draining.text.startswith("draining")) == (503, True)
    assert (await site.client.get("/healthz")).text == "ok\n"


async def test_without_its_store_the_last_state_is_served_and_the_rest_says_so(own_store, until):
    """The store is killed under a running server, and comes back."""
    async with own_store() as (site, kill, revive):
        desk = site.desk
        await desk.create_story({"slug": "flood", "headline": "The river rises"})
        await desk.publish("flood", {"headline": "Water at the bridge"})
        editor = await site.as_("editor")
        assert (await site.client.get("/live/flood/snapshot?min_seq=2")).status_code == 200
        assert (await editor.get("/stats")).status_code == 200
        await kill()

        async def is_red() -> bool:
            return (await site.client.get("/readyz")).status_code == 503

        await until(is_red)
        assert (await site.client.get("/readyz?stale=ok")).status_code == 200
        assert "Water at the bridge" in (await site.client.get("/live/flood")).text
        for path in ("/live/flood/snapshot", "/live/flood/feed.atom", "/dashboard", "/metrics", "/assets/style.css"):
            assert (await site.client.get(path)).status_code == 200, path

        async def is_stale() -> bool:
            return (await editor.get("/stats")).json()["store"]["status"] == "stale"

        await until(is_stale)
        refused = await editor.post("/api/stories/flood/posts", json={"headline": "Now?"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await site.client.get("/live/other")).status_code == 503

        told = (await editor.get("/stats")).json()["health"]
        assert told["text"].startswith("The store has not been heard since ")
        assert not told["reached"]
        await revive()

        async def is_green() -> bool:
            return (await site.client.get("/readyz")).status_code == 200

        await until(is_green)

        async def is_past() -> bool:
            told = (await editor.get("/stats")).json()
            return told["health"]["reached"] and "The store was not heard for" in told["incidents"][0]["text"]

        await until(is_past)
        assert (await editor.post("/api/stories/flood/posts", json={"headline": "Now."})).status_code == 201
