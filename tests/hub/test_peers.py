"""Who of the other workers speaks, who is silent, and who is dead."""

from __future__ import annotations

from typing import Any

from samples import sample
from stoppress.hub import peers as limits
from stoppress.hub.peers import FORGET, SILENT, Peers
from stoppress.hub.sample import Sample


def peers_of(*samples: Sample, worker: str = "me", node: str = "here") -> Peers:
    peers = Peers(worker, node)
    for one in samples:
        peers.hear(one, is_of_node=one.node == node)
    return peers


def far(name: str, *members: str, **more: Any) -> Sample:
    return sample(name, node="there", members=members or (name,), **more)


def speaking(peers: Peers) -> list[str]:
    return [one.worker for one in peers.samples]


def test_who_is_silent_is_named_for_a_while_and_then_forgotten() -> None:
    peers = peers_of(far("w1"), sample("w2"))
    for _ in range(SILENT):
        peers.turn()
    assert speaking(peers) == ["w1", "w2"]
    peers.hear(far("w1"))
    peers.turn()
    assert (speaking(peers), peers.silent) == (["w1"], {"w2": sample("w2").last_seen})
    for _ in range(FORGET - SILENT - 1):
        peers.turn()
    assert (speaking(peers), list(peers.silent)) == ([], ["w1"])


def test_of_this_node_the_supervisor_alone_is_believed_and_of_others_it_knows_nothing() -> None:
    peers = Peers("me", "here")
    peers.hear(sample("w2"))
    peers.hear(far("w1"), is_of_node=True)
    peers.hear(sample("me"), is_of_node=True)
    assert speaking(peers) == []


def test_whom_the_supervisor_does_not_name_any_more_is_dead() -> None:
    peers = peers_of(far("w1"), sample("w2"), sample("w3"))
    peers.keep({"me", "w3"})
    assert speaking(peers) == ["w1", "w3"]


def test_whom_its_node_does_not_name_any_more_is_dead() -> None:
    peers = peers_of(far("a", "a", "b"), far("b", "a", "b"), sample("w2"))
    peers.hear(far("a", "a", "c"))
    assert speaking(peers) == ["a", "w2"]


def test_who_says_goodbye_is_forgotten() -> None:
    peers = peers_of(far("w1"))
    peers.forget("w1")
    peers.forget("nobody")
    assert speaking(peers) == []


def test_no_more_are_listened_to_than_there_can_be(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MOST", 2)
    peers = peers_of(far("a", "a", "b"), far("b", "a", "b"), sample("w2"))
    newer = far("b", "a", "b", began=7)
    peers.hear(newer)
    assert peers.samples == [far("a", "a", "b"), newer]


def test_who_came_later_knows_of_the_silent_by_those_who_were_there() -> None:
    gone = far("gone").last_seen
    peers = peers_of(sample("w2", unknown={"gone": gone}))
    assert peers.unknown(["me", "w2"]) == {"gone": gone}


def test_what_others_do_not_hear_is_no_news_to_who_hears_it_or_knows_that_it_is_dead() -> None:
    heard, dead, mate = far("heard", "heard"), far("dead"), sample("mate")
    unknown = {"heard": heard.last_seen, "dead": dead.last_seen, "me": sample("me").last_seen, "mate": mate.last_seen}
    peers = peers_of(heard, sample("w2", unknown=unknown))
    assert peers.unknown(["me", "w2"]) == {}  # its node names "dead" no more, nor ours "mate"


def test_what_was_heard_here_last_counts_more_than_what_others_say() -> None:
    own, other = far("w9", figures={"at": "2027-01-15T08:00:09.000Z"}), far("w9")
    peers = peers_of(own)
    for _ in range(SILENT + 1):
        peers.turn()
    peers.hear(sample("w2", unknown={"w9": other.last_seen}), is_of_node=True)
    assert peers.unknown(["me", "w2"]) == {"w9": own.last_seen}
