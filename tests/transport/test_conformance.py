"""RFC 6455 and RFC 7692 by the Autobahn cases: an echo through the handed-off reader's own parser and writer."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from kosoku import FailureError, _caseindex, run_fuzzingclient

# A process of its own: 64 MB of text decoded a fragment at a time must not starve the cases' own loop.
SERVER = """
    import asyncio, sys
    sys.path.insert(0, {tests!r})
    from streams import make_app, new_state
    from starlette.routing import WebSocketRoute
    from stoppress.hub.hub import Hub
    from stoppress.settings import Settings
    from stoppress.transport.handoff import HANDOFF
    from stoppress.transport.parts import StreamParts, parts_of
    from stoppress.transport.serve import serve
    from stoppress.transport.websocket import HandedSocket
    from stoppress.wire import rfc6455

    class Echo(HandedSocket):
        __slots__ = ()
        MAX_BYTES = 1 << 24

        def open(self, transport, head, encode):
            self.encode = encode
            self.take_over(transport)
            transport.write(head)

        def mind(self, ear, frames, messages):
            for message in messages:
                kind = rfc6455.TEXT if isinstance(message, str) else rfc6455.BINARY
                payload = message.encode() if isinstance(message, str) else message
                may_deflate = self.encode is rfc6455.deflated
                self.write(rfc6455.message(kind, payload, may_deflate=may_deflate))

    async def echo(websocket):
        pump = parts_of(websocket.app, StreamParts).pump
        websocket.scope["extensions"][HANDOFF](Echo(pump, pump.hub.feeds["a"]))

    async def main():
        app = make_app(Settings(port=0), Hub())
        app.router.routes.append(WebSocketRoute("/echo", echo))
        parts_of(app, StreamParts).hub.add("a", new_state())
        await serve(app, Settings(port=0, drain_s=0), lambda url: print(url, flush=True))

    with asyncio.Runner(loop_factory={loop}) as runner:
        runner.run(main())
"""
LOOPS = {"asyncio": "asyncio.new_event_loop", "uvloop": "__import__('uvloop').new_event_loop"}
# 9 measures speed and takes minutes. 12 and 13 repeat a thousand messages of each size and window: one of text and
# two of binary data say it all.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.3", "12.2.1", "12.2.12", "13.1.2", "13.2.2"]


@pytest.fixture(autouse=True, scope="module")
def compression_cases() -> None:
    """kosoku 0.1 gives the cases of 12 and 13 a str where they, once Python 2, want bytes."""
    _caseindex.initialize_shims()
    module = importlib.import_module("case12_x_x")
    for case in (*module.Case12_X_X, *module.Case13_X_X):
        case.onMessage = lambda self, message, binary, then=case.onMessage: then(
            self, message.encode("latin-1") if isinstance(message, str) else message, binary
        )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # the cases'
@pytest.mark.parametrize("loop", LOOPS)
async def test_every_autobahn_case_passes(loop: str, measured: Callable[[str], None]) -> None:
    code = textwrap.dedent(SERVER).format(tests=str(Path(__file__).parents[1]), loop=LOOPS[loop])
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout
        url = (await asyncio.wait_for(server.stdout.readline(), 15)).decode().strip().replace("http", "ws")
        try:
            results = await run_fuzzingclient(url + "/echo", cases=CASES, concurrency=4)
        except FailureError as error:
            bad = [r for r in error.results if r.behavior.value not in ("OK", "NON-STRICT", "INFORMATIONAL")]
            pytest.fail(json.dumps([[r.case_id, r.behavior.value, r.result] for r in bad], indent=1))
    finally:
        server.terminate()
        await server.wait()

    passed = [result.case_id for result in results]
    measured(f"{len(passed)} Autobahn cases passed on {loop}")
    assert len(passed) >= 248
    assert {case.split(".")[0] for case in passed} >= {"12", "13"}, "deflated ones too"
