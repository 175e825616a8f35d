"""The servers that are measured, each as a context manager: ours with its defaults, Nchan, Centrifugo, idiomatic
Starlette, ws and Socket.IO on Node. What fanload needs to know of one is a `Target`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .machine import HERE, cpu_s, end, ends, family, free_port, listens, running, until
from .newsroom import WORDS, Newsroom, stamp
from .socket_client import SocketClient

EVENT_BYTES = 1083  # the same as a chunk of an event stream: its id, its type and its size
FRAME_BYTES = 1024  # on the wire, of our native frame; every peer gets the same payload
SLUG = "storm"
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@dataclass(kw_only=True)
class Target:
    """A server under load: `reading` and `publishing` are fanload's arguments, `pids` whose CPU and memory count."""

    name: str
    port: int
    pids: list[int]
    reading: list[str]
    publishing: list[str]
    greeting: list[str] = field(default_factory=list)


def streaming(target: Target) -> Target:
    """The same server, read by Server-Sent Events: ours or Nchan."""
    addresses = {"/ws": "/sse", f"/live/{SLUG}/ws": f"/live/{SLUG}/events"}
    marks = {'"type":"snapshot"': "event: snapshot", '"type":"resumed"': "event: resumed"}
    where, path = target.reading[1].split("/", 1)
    reading = [marks.get(part, part) for part in target.reading[2:]]
    return replace(target, reading=["-S", "-u", where + addresses["/" + path], *reading])


@dataclass(kw_only=True)
class Ours(Target):
    newsroom: Newsroom
    token: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes]
    start_cpu_s: float = 0  # what the process used until it was ready
    pad: int = 0  # characters of body that make a frame of FRAME_BYTES
    template: str = ""  # such an event, for the peers

    def start(self) -> None:
        """The process; on the port where the last one was. Ready on return."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out)
        wait_ready(self.port, self.process)
        self.pids = [self.process.pid, *self.worker_pids, self.newsroom.store_pid]
        self.start_cpu_s = cpu_s([self.process.pid])

    @property
    def worker_pids(self) -> list[int]:
        return sorted(family([self.process.pid]) - {self.process.pid})

    def kill(self) -> None:
        """All at once, the supervisor first: nobody sees readers off, or starts another worker."""
        workers = self.worker_pids
        self.process.kill()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pid in workers:
            ends(pid, 10)

    @property
    def path(self) -> str:
        return f"/live/{SLUG}/ws"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.read()

    def metric(self, name: str) -> float:
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                return float(line.split()[-1])
        raise KeyError(name)

    def calibrate(self) -> None:
        """Post once, look at the frame, and choose the padding so that a frame has FRAME_BYTES."""
        reader = SocketClient(self.port, self.path)
        reader.next_of("snapshot")
        tried = 500
        marked = stamp(0)
        editor = Editor(self)
        editor.post(marked, tried)
        event, _, size = reader.next_of("post.published")
        reader.close()
        editor.close()
        self.pad = tried + FRAME_BYTES - size
        text = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        self.template = text.replace(marked, "%T").replace(WORDS[:tried].strip(), "%B")
        assert "%T" in self.template, text
        assert "%B" in self.template, text
        self.publishing += ["-b", str(self.pad)]


class Editor:
    """Posts through the API, one request after the other."""

    def __init__(self, ours: Ours) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {ours.token}", "Content-Type": "application/json"}

    def post(self, headline: str, body: int, slug: str = SLUG) -> str:
        """Returns the id."""
        asked = json.dumps({"headline": headline, "body": WORDS[:body]})
        self._link.request("POST", f"/api/stories/{slug}/posts", asked, self._headers)
        answer = self._link.getresponse()
        told = json.loads(answer.read())
        if answer.status != 201:
            raise RuntimeError(f"the API answered {answer.status}: {told}")
        return told["id"]

    def close(self) -> None:
        self._link.close()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A short one: a socket's path must fit into 108 bytes. Others may look in, because nginx's worker is nobody."""
    made = Path(tempfile.mkdtemp(prefix="spload-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def serve_command(port: int, data_dir: Path, options: list[str], entry: str = "") -> list[str]:
    program = [sys.executable, str(HERE / entry)] if entry else [sys.executable, "-m", "stoppress"]
    return [*program, "serve", "--port", str(port), "--data-dir", str(data_dir), *options]


def wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as told:
            return told.status == 200
        return False

    until(ready, 60, "the server to be ready")


@contextlib.contextmanager
def ours(*options: str, posts: int = 10, body: int = 600, entry: str = "") -> Iterator[Ours]:
    """`stoppress serve` with its defaults and `options`, and a story of so many posts and one more; calibrated.

    `entry`: a script of this folder to run in place of the module.
    """
    with folder() as place, Newsroom(place / "data") as newsroom:
        newsroom.story(SLUG, posts, body)
        token = newsroom.token()
        port = free_port()
        target = Ours(
            name="ours",
            port=port,
            pids=[],
            reading=["-u", f"127.0.0.1:{port}/live/{SLUG}/ws", "-e", '"type":"snapshot"', "-e", '"type":"resumed"'],
            publishing=["-P", f"127.0.0.1:{port}/api/stories/{SLUG}/posts", "-H", f"Authorization: Bearer {token}"],
            newsroom=newsroom,
            token=token,
            command=serve_command(port, newsroom.data_dir, list(options), entry),
            log=place / "serve.log",
            process=None,  # type: ignore[arg-type]
        )
        target.publishing += ["-d", '{"headline":"%T","body":"%B"}']
        try:
            target.start()
            target.calibrate()
            yield target
        finally:
            if target.process:
                end(target.process)
            log = target.log.read_text(errors="replace") if target.log.exists() else ""
            if "Traceback" in log or sys.exc_info()[0]:
                print(log[-4000:], file=sys.stderr)


def payload(model: Ours) -> list[str]:
    """What a peer is sent: the event as our readers get it."""
    return ["-d", model.template, "-b", str(model.pad)]


@contextlib.contextmanager
def nchan(model: Ours, *, first: str = "newest", keep: int = 100) -> Iterator[Target]:
    with folder() as place:
        port = free_port()
        text = (HERE / "peers" / "nchan.conf").read_text()
        text = text.replace("PORT", str(port)).replace("FIRST", first).replace("KEEP", str(keep))
        (place / "nchan.conf").write_text(text)
        with running(["nginx", "-p", place, "-c", place / "nchan.conf"], place / "log") as process:
            until(lambda: listens(port), 20, "nginx")
            base = f"127.0.0.1:{port}"
            publishing = ["-P", f"{base}/pub", *payload(model)]
            yield Target(
                name="nchan", port=port, pids=[process.pid], reading=["-u", f"{base}/ws"], publishing=publishing
            )


@dataclass(kw_only=True)
class Centrifugo(Target):
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out)
        until(lambda: listens(self.port), 20, "Centrifugo")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def post(self, text: str) -> None:
        asked = json.dumps({"channel": "live", "data": {"headline": text, "body": WORDS[:FRAME_BYTES]}})
        address = f"http://127.0.0.1:{self.port}/api/publish"
        request = urllib.request.Request(address, asked.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            told = json.loads(answer.read())
        if "error" in told:
            raise RuntimeError(f"Centrifugo answered {told['error']}")


def has_centrifugo() -> bool:
    return bool(shutil.which("centrifugo") and shutil.which("redis-server"))


@contextlib.contextmanager
def centrifugo() -> Iterator[Centrifugo]:
    """With the history in a Redis that writes its log every second, so that its readers recover after a kill."""
    with folder() as place:
        port, store = free_port(), place / "store.sock"
        redis = ["redis-server", "--port", "0", "--unixsocket", store, "--dir", place, "--appendonly", "yes"]
        with running(redis, place / "redis.log"):
            until(store.exists, 20, "its Redis")
            channel = {"history_size": 100, "history_ttl": "600s", "force_recovery": True, "force_positioning": True}
            config = {
                "http_server": {"address": "127.0.0.1", "port": str(port)},
                "http_api": {"insecure": True},
                "client": {"insecure": True, "allowed_origins": ["*"]},
                "channel": {"without_namespace": channel},
                "engine": {"type": "redis", "redis": {"address": f"unix://{store}"}},
            }
            (place / "config.json").write_text(json.dumps(config))
            reading = ["-G", "-u", f"127.0.0.1:{port}/connection/websocket", "-e", '"id":2']
            reading += ["-i", '{"id":1,"connect":{}}', "-i", '{"id":2,"subscribe":{"channel":"live"}}']
            target = Centrifugo(
                name="centrifugo",
                port=port,
                pids=[],
                reading=reading,
                publishing=[],
                command=["centrifugo", "-c", str(place / "config.json")],
                log=place / "log",
                process=None,  # type: ignore[arg-type]
            )
            try:
                target.start()
                yield target
            finally:
                if target.process:
                    end(target.process)


@contextlib.contextmanager
def starlette(model: Ours) -> Iterator[Target]:
    with folder() as place:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--app-dir", HERE / "peers", "idiomatic_starlette:app"]
        command += ["--loop", "uvloop", "--http", "httptools", "--port", str(port), "--log-level", "warning"]
        with running(command, place / "log") as process:
            until(lambda: listens(port), 20, "uvicorn")
            base = f"127.0.0.1:{port}"
            publishing = ["-P", f"{base}/pub", *payload(model)]
            yield Target(
                name="starlette", port=port, pids=[process.pid], reading=["-u", f"{base}/ws"], publishing=publishing
            )


@contextlib.contextmanager
def node(model: Ours, name: str) -> Iterator[Target]:
    """`name`: ws or socketio. Found by NODE_PATH."""
    with folder() as place:
        port = free_port()
        environ = {**os.environ, "PORT": str(port)}
        with running(["node", HERE / "peers" / f"{name}.js"], place / "log", env=environ) as process:
            until(lambda: listens(port), 20, name)
            base = f"127.0.0.1:{port}"
            reading = ["-u", f"{base}/ws"]
            if name == "socketio":
                reading = ["-u", f"{base}/socket.io/?EIO=4&transport=websocket", "-i", "40", "-e", "40{"]
            publishing = ["-P", f"{base}/pub", *payload(model)]
            if name == "socketio":  # it puts the text into a JSON string: quotes would grow
                publishing[3] = publishing[3].replace('"', "'")
            yield Target(name=name, port=port, pids=[process.pid], reading=reading, publishing=publishing)


def installed() -> list[str]:
    """The peers that this machine can run."""
    found = ["starlette"]
    if shutil.which("nginx") and NCHAN_MODULE.exists():
        found.insert(0, "nchan")
    for name, package in (("ws", "ws"), ("socketio", "socket.io")):
        if shutil.which("node"):
            asked = subprocess.run(["node", "-e", f"require.resolve('{package}')"], capture_output=True, check=False)
            if asked.returncode == 0:
                found.append(name)
    return found


def peer(name: str, model: Ours) -> contextlib.AbstractContextManager[Target]:
    if name == "nchan":
        return nchan(model)
    return starlette(model) if name == "starlette" else node(model, name)
