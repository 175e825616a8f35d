"""A whole server on a real socket over a real store, in the test's own loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from serving import Site, running
from stoppress.settings import Settings
from stoppress.store.store import Store


@pytest.fixture(name="running")
def _running() -> Callable[..., AbstractAsyncContextManager[Site]]:
    return running


@pytest.fixture
async def site(settings: Settings, store: Store) -> AsyncIterator[Site]:
    async with running(settings, store) as made:
        yield made


@pytest.fixture
def site_with(settings: Settings, store: Store) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """A site with other settings: `async with site_with(host="0.0.0.0") as site`."""
    return lambda **changed: running(replace(settings, **changed), store)
