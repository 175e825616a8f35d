"""HandedConnection: a socket that left the gate: what it takes, what it owes, and its end. And all of them in a worker.

It never knows a story or a dialect. What is left of a connection is one object with slots and the transport: no task,
no queue. Flow control is the transport's: who has not taken the last write is behind, and gets nothing until it has.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING

from ..hub.hub import Hub
from .deadlines import Deadlines
from .kernel import acknowledged, owed

LOOK_TURNS = 8  # sweeps in which each connection is looked at once, for who takes nothing
FAREWELL_S = 1.0  # for a peer to take our goodbye, and answer it where that is the custom
TALK_S = 10.0  # after which a peer that said something is asked whether it may be forgotten
GONE = (RuntimeError, OSError)  # uvloop raises for a transport that is closed, asyncio says nothing


class State(IntEnum):
    """In the order of a life; only OPEN and BEHIND alternate."""

    NEW = 0  # not begun: it has no transport
    OPEN = 1  # takes what is written
    BEHIND = 2  # has not taken the last write, so nothing more is written
    LEAVING = 3  # goodbye is said, or the peer does not deserve any; the socket is not closed yet
    LOST = 4  # the socket is closed


class HandedConnection(asyncio.Protocol):
    """`connections`: where it is registered from `take_over` on.

    It has no slots of its own, because Python joins no two bases that have: who inherits declares `SLOTS`.
    """

    if not TYPE_CHECKING:  # mypy takes an empty one for all that those who inherit may have
        __slots__ = ()
    SLOTS = ("_acknowledged", "_stuck_since", "state", "transport")

    _acknowledged: int  # what the peer had acknowledged when it was last looked at
    _stuck_since: int  # ms; since then it acknowledged nothing of what it owes; 0 = it owes nothing
    state: State
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._acknowledged = self._stuck_since = 0
        self.state = State.NEW

    @property
    def connections(self) -> Connections:
        raise NotImplementedError

    def enter(self, state: State) -> None:
        """The one place where the state changes."""
        self.state = state

    def take_over(self, transport: asyncio.Transport) -> None:
        """Be the protocol of this transport from now on."""
        self.transport = transport
        self.enter(State.OPEN)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(0)  # whatever the kernel does not take at once makes it behind
        self.connections.add(self)

    def write(self, data: bytes) -> None:
        try:
            self.transport.write(data)
        except GONE:
            self.leave()

    def leave(self) -> None:
        """Nothing but a goodbye is written any more."""
        if self.state < State.LEAVING:
            self.enter(State.LEAVING)

    def hang_up(self) -> None:
        """Close, when the peer has taken what is on its way; a second time changes nothing."""
        self.leave()
        self.connections.farewells.start(self)  # one that is stuck would keep `close` waiting
        self.transport.close()

    def cut(self) -> None:
        """Drop it at once."""
        self.transport.abort()

    def look(self, now_ms: int) -> None:
        """Now and then, and once a second while it owes us: who takes something, however slowly, is not stuck."""
        slow = self.connections.slow
        if not owed(self.transport):
            self._stuck_since = self._acknowledged = 0
            if self.state is not State.BEHIND:
                slow.discard(self)
            return
        slow.add(self)
        taken = acknowledged(self.transport)
        if not self._stuck_since or taken != self._acknowledged:
            self._stuck_since, self._acknowledged = now_ms, taken
        elif now_ms - self._stuck_since > self.connections.cut_ms:
            self.connections.count_cut()
            slow.discard(self)
            self.cut()

    def forget(self) -> None:
        """It was started as a talker a while ago."""

    # What the transport does

    def pause_writing(self) -> None:
        if self.state is State.OPEN:
            self.enter(State.BEHIND)
        self.connections.slow.add(self)

    def resume_writing(self) -> None:
        if self.state is State.BEHIND:
            self.enter(State.OPEN)

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        self.enter(State.LOST)
        self.connections.remove(self)


class Connections:
    """All that were handed over and are not closed yet; `len` of it is their number.

    `slow`: who owes us something. `farewells`: who was told goodbye. `talkers`: who said something lately.
    """

    def __init__(self, hub: Hub, look_turns: int = LOOK_TURNS) -> None:
        self._hub = hub
        self._look_turns = look_turns
        self._all: dict[HandedConnection, None] = {}
        self._turn = 0
        self.slow: set[HandedConnection] = set()
        self.farewells: Deadlines[HandedConnection] = Deadlines(FAREWELL_S, lambda connection: connection.cut())
        self.talkers: Deadlines[HandedConnection] = Deadlines(TALK_S, lambda connection: connection.forget())

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: HandedConnection) -> None:
        self._all[connection] = None

    def remove(self, connection: HandedConnection) -> None:
        self._all.pop(connection, None)
        self.slow.discard(connection)
        self.farewells.stop(connection)
        self.talkers.stop(connection)

    def look(self, now_ms: int) -> None:
        """Once a second: at who is slow, and at one part in `look_turns` of all."""
        self._turn = (self._turn + 1) % self._look_turns
        for connection in {*self.slow, *tuple(self._all)[self._turn :: self._look_turns]}:
            connection.look(now_ms)

    @property
    def cut_ms(self) -> int:
        """Who takes nothing for longer is cut off."""
        return self._hub.cut_ms

    def count_cut(self) -> None:
        self._hub.counts.cuts += 1
