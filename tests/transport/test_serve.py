"""The server's life: a clear word when it cannot start, a clean stop whoever is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from test_slow import LARGE, stalled
from websockets.asyncio.client import connect

from stoppress.newsroom.errors import StoreError
from stoppress.settings import Settings
from stoppress.transport.listening import ListenError, address, listen
from stoppress.transport.serve import serve
from support import require_ipv6

SERVER = """
    import asyncio, contextlib, sys
    sys.path.insert(0, {tests!r})
    from streams import make_app, new_state, tell
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from stoppress.hub.hub import Hub
    from stoppress.settings import Settings
    from stoppress.transport.parts import StreamParts, parts_of
    from stoppress.transport.serve import serve

    async def busy(request):
        feed = parts_of(request.app, StreamParts).hub.feeds["a"]
        for _ in range(200):
            tell(feed, "post.published", {large!r})
            await asyncio.sleep(0)
        return PlainTextResponse(str(len(feed.readers)))

    async def slow(request):
        print("slow", flush=True)
        await asyncio.sleep(60)

    async def main():
        settings = Settings(port=0, drain_s=0.5, stop_timeout_s={stop_s}, send_timeout_s=60)
        app = make_app(settings, Hub())
        app.router.routes += [Route("/busy", busy), Route("/slow", slow)]
        parts_of(app, StreamParts).hub.add("a", new_state())
        await serve(app, settings, lambda url: print(url, flush=True))
        print("clean", flush=True)

    import uvloop  # as the command line runs it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
"""


@contextlib.asynccontextmanager
async def server(stop_s: float = 2) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process of its own, because signals are."""
    tests = str(Path(__file__).parents[1])
    code = textwrap.dedent(SERVER).format(tests=tests, large=LARGE, stop_s=stop_s)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        yield process, await line_of(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    async with asyncio.timeout(15):
        return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_cleanly(number: signal.Signals) -> None:
    async with server() as (process, url), connect(url.replace("http", "ws") + "/live/a/ws", proxy=None) as line:
        await line.recv()
        await line.recv()

        process.send_signal(number)

        assert '"bye"' in str(await line.recv())
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await line.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1012
        assert await line_of(process) == "clean"
        assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.mark.parametrize("path", ["/live/a/ws", "/live/a/events"])
async def test_a_stalled_reader_does_not_hold_the_stop_up(path: str) -> None:
    """Its bytes would keep `transport.close()` waiting for as long as its socket lives; requests have 60 s here."""
    async with server(stop_s=60) as (process, url), stalled(url, path), httpx.AsyncClient(trust_env=False) as client:
        while (await client.get(url + "/busy")).text != "1":
            pass
        await client.aclose()
        began = asyncio.get_running_loop().time()

        process.send_signal(signal.SIGTERM)

        assert await line_of(process) == "clean"
        assert asyncio.get_running_loop().time() - began < 8
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_second_signal_stops_at_once() -> None:
    """A request under way would have been given a minute."""
    async with server(stop_s=60) as (process, url), httpx.AsyncClient(trust_env=False) as client:
        asking = asyncio.create_task(client.get(url + "/slow"))
        assert await line_of(process) == "slow"
        process.send_signal(signal.SIGINT)
        host, _, port = url.removeprefix("http://").partition(":")
        while True:  # the first one was taken when nobody listens any more
            try:
                (await asyncio.open_connection(host, int(port)))[1].close()
            except OSError:
                break

        process.send_signal(signal.SIGINT)

        await asyncio.wait_for(process.wait(), 10)
        with pytest.raises(httpx.HTTPError):
            await asking


async def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: Address already in use.*--port") as error:
            await serve(Starlette(), Settings(port=port))
    assert error.value.exit_code == 69


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_an_address_that_is_not_here_is_named(host: str) -> None:
    with pytest.raises(ListenError, match=host):
        listen(Settings(host=host, port=0))


async def test_what_the_start_raises_arrives_whole(capfd: Any) -> None:
    """A store that cannot be used is a sentence for people, not a traceback."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise StoreError("the store is older than this; see README")
        yield

    with pytest.raises(StoreError, match="see README"):
        await serve(Starlette(lifespan=lifespan), Settings(port=0))
    assert "Traceback" not in capfd.readouterr().err


async def test_cancelling_drains_as_well(uvicorn: Any) -> None:
    """Whoever runs it in a task of their own ends it so; `uvicorn` of these tests is ended that way."""
    assert uvicorn.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("host", "expected"), [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:"), ("::1", "http://[::1]:")]
)
def test_the_address_shown_can_be_opened(host: str, expected: str) -> None:
    if ":" in host:
        require_ipv6()
    with listen(Settings(host=host, port=0)) as listening:
        assert address(listening).startswith(expected)
