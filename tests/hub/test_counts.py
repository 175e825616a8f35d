"""What a worker counts."""

from __future__ import annotations

from stoppress.hub.counts import Counts


def test_faults_are_told_with_their_reasons() -> None:
    counts = Counts(cuts=2, wrong_tokens=3)
    counts.refuse("full")
    counts.refuse("full")
    counts.refuse("origin")
    assert counts.faults() == {
        ("cuts", ""): 2,
        ("unread", ""): 0,
        ("rude", ""): 0,
        ("wrong_tokens", ""): 3,
        ("refusals", "full"): 2,
        ("refusals", "origin"): 1,
    }
