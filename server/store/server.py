"""Server: which Redis or Valkey there is, and how it is reached. The one seam behind which that is decided.

The rest of the room knows a `Server` and no more. It is one of somebody else's, or the embedded one (`single.py`);
whatever else it may become one day (watched by Sentinels, many that share the slots) is another implementation of the
same promises. Decides nothing about what is stored there.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from ..newsroom.errors import StoreError
from ..settings import Settings
from .single import EmbeddedServer, SingleServer


class Server(Protocol):
    """What every implementation guarantees. It is open when it is made; `aclose` ends it.

    *Commands.* Each call on `client` has a deadline (`store_timeout_s`) and is sent once at most: the driver repeats
    nothing. It raises what `faults.py` lists, and nothing else; whether something may have been done is seen by that.
    It goes to a server that takes writes. All keys of one story share a hash tag, so one script may touch them; no
    command touches two stories, but a pipeline may, and then its order between stories is not promised.

    *Scripts* are called by their digest. `client.register_script` loads one wherever it is not known: on a server that
    was restarted, or one that took another's place.

    *Hearing.* `hearer()` is a connection of its own, without a deadline for what comes. Once a channel is confirmed on
    it, everything that is published there on `client` is heard in order until an error ends it: it never connects or
    subscribes again by itself, for what was said meanwhile would be missing without a trace. Silence is no error; who
    hears must probe.

    *Loss.* After a call that found the link broken, `revive()` does what can be done (start the embedded one, look who
    is the master now, give it a moment), may be called by many at once, and returns when another try makes sense;
    StoreError if it cannot help. What was acknowledged survives exactly if `durable`; else scripts compare the server's
    run id, and a story's epoch is renewed.
    """

    durable: bool
    """A restart, however hard, loses nothing that was acknowledged."""

    @property
    def client(self) -> Redis: ...

    @property
    def place(self) -> str:
        """Where it is, for people: never with a password."""

    @property
    def user(self) -> str:
        """As whom we speak to it, for the words of its ACL."""

    def hearer(self) -> AbstractAsyncContextManager[PubSub]: ...

    async def revive(self) -> None: ...

    async def rewrite(self) -> None:
        """After a purge: have the files written anew that still tell what was erased, where they are ours."""

    def trouble(self) -> str:
        """What is known to be wrong with it, and the way out; "" where nothing is known."""

    def advice(self) -> str:
        """What people should do when it cannot be reached."""

    def anonymous(self, words: str) -> str:
        """Of an error's words what anybody may read: no address, no path."""

    async def aclose(self) -> None: ...


async def open_server(settings: Settings, *, start: bool = True) -> Server:
    """The one that the settings name; without `STOPPRESS_REDIS` the embedded one of the data directory.

    `start`: else that one is only used where it runs already. StoreError names the way out.
    """
    if settings.redis:
        return SingleServer(settings)
    if start:
        return await EmbeddedServer.open(settings)
    running = EmbeddedServer.running(settings)
    if running is None:
        raise StoreError("no store runs here")
    return running
