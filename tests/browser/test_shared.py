"""What two languages know. Numbers travel in the page's own data; the lists that cannot are compared here."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import get_args

import pytest

from stoppress.hub import notices
from stoppress.newsroom.events import EVENTS
from stoppress.newsroom.model import CorrectionKind
from stoppress.settings import Settings
from stoppress.web import format as phrases
from stoppress.web.pages import limits
from stoppress.wire import inbound
from stoppress.wire.native import CloseCode, comes_back

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

SCRIPTS = """async () => {
  const { SSE_TYPES, FINAL, REVOKED, comesBack } = await import("/assets/socket.js");
  const { CORRECTIONS } = await import("/assets/render.js");
  return { types: SSE_TYPES, final: [...FINAL], corrections: CORRECTIONS, revoked: REVOKED,
    stay: Array.from({ length: 5000 }, (_, code) => code).filter((code) => !comesBack(code)) };
}"""
WORDS = """async ({ lengths, languages }) => {
  const { direction, isLong } = await import("/assets/times.js");
  return [lengths.map((n) => isLong({ content_html: "x".repeat(n) })), languages.map(direction)];
}"""


async def test_both_sides_know_the_same_lists(site):
    page = await site.open("/")
    scripts = await page.evaluate(SCRIPTS)
    made = inspect.getmembers(notices, inspect.isfunction)
    notes = {name for name, maker in made if maker.__module__ == notices.__name__}
    assert len(EVENTS) == 8
    assert set(scripts["types"]) == EVENTS | notes | {"snapshot", "resumed"}
    assert scripts["final"] == [[CloseCode.NO_STORY, "missing"], [CloseCode.STORY_DELETED, "gone"]]
    assert scripts["corrections"] == phrases.CORRECTION_NAMES
    assert set(scripts["corrections"]) == set(get_args(CorrectionKind))
    assert scripts["stay"] == [code for code in range(5000) if not comes_back(code)]
    assert scripts["revoked"] == CloseCode.NO_TOKEN


async def test_both_sides_judge_by_the_same_measures(site):
    page = await site.open("/")
    lengths = [0, phrases.LONG_PINNED_CHARS, phrases.LONG_PINNED_CHARS + 1]
    scripts = [f"en-{script}" for script in sorted(phrases.RTL_SCRIPTS)]
    languages = ["en", "", "ar-latn", *sorted(phrases.RTL_LANGUAGES), *scripts]
    long, ways = await page.evaluate(WORDS, {"lengths": lengths, "languages": languages})
    assert long == [phrases.is_long({"content_html": "x" * n}) for n in lengths] == [False, False, True]
    assert ways == [phrases.direction(tag) for tag in languages]


async def test_a_page_carries_the_limits_of_its_server(site):
    slug = await site.story()
    page = await site.open(f"/live/{slug}")
    held = json.loads(await page.text_content("#state"))["limits"]
    assert held == limits(site.settings)
    assert held == {"page_posts": 100, "seen": 8, "seen_ms": 10_000, "silence_ms": 60_000}
    assert held["seen"] < inbound.MESSAGES
    status = "async (address) => (await fetch(address)).status"
    assert await page.evaluate(status, f"/live/{slug}/snapshot?limit={held['page_posts']}") == 200
    assert await page.evaluate(status, f"/live/{slug}/snapshot?limit={held['page_posts'] + 1}") == 400


def test_no_beat_that_is_in_time_is_taken_for_silence(store_server):
    for beat_s in (1, 20, 25):
        silence_ms = limits(dataclasses.replace(Settings(), beat_s=beat_s))["silence_ms"]
        assert silence_ms > 2 * (beat_s + 5) * 1000, "one beat may be lost, and both may be late"
