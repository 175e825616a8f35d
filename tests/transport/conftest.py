"""The streams over every way a server may run them; see `streams.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stoppress.hub.feed import Limits
from stoppress.hub.hub import Hub
from stoppress.settings import Settings
from stoppress.transport.pump import Pump
from streams import WAYS, UvicornWorld, World, make_app, uvicorn_world


@pytest.fixture
def stream_settings() -> Settings:
    return Settings(port=0, send_timeout_s=1, drain_s=1, stop_timeout_s=1)


@pytest.fixture
def sweep_s() -> float:
    return 1.0


@pytest.fixture(params=WAYS)
async def world(request: pytest.FixtureRequest, stream_settings: Settings, sweep_s: float) -> AsyncIterator[World]:
    hub = Hub(Limits(backlog=5, ring_events=20), beat_s=0.1, send_timeout_s=1)
    app = make_app(stream_settings, hub, is_stock=request.param == "stock", pump=Pump(hub, sweep_s=sweep_s))
    async with WAYS[request.param](app, stream_settings) as running:
        yield running


@pytest.fixture(params=["handed", "stock"])
async def uvicorn(
    request: pytest.FixtureRequest, stream_settings: Settings, sweep_s: float
) -> AsyncIterator[UvicornWorld]:
    """For what only real sockets show."""
    hub = Hub(Limits(backlog=5, ring_events=20), beat_s=0.1, send_timeout_s=1)
    app = make_app(stream_settings, hub, is_stock=request.param == "stock", pump=Pump(hub, sweep_s=sweep_s))
    async with uvicorn_world(app, stream_settings) as running:
        yield running
