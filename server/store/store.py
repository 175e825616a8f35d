"""Store: the one face of this room. Stories and posts in one real Redis or Valkey, every change one atomic script.

A store is its parts, and a part is named as its file: `store.changes.commit(…)` is in `changes.py`. So whoever reads a
call knows where it is answered, no part hides behind another, and a test gives a double of one part
(`dataclasses.replace(store, log=…)`) instead of reaching into it. Owns how they are put together; does nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..settings import Settings
from . import compatibility, scripts
from .calls import Calls
from .changes import Changes
from .channels import Channels
from .explanations import Explanations
from .index import Index
from .keys import Keys
from .log import Log
from .reads import Reads
from .records import Committed, Revision, StaleStoryError, StoredStory, StoryGoneError, UnreadableError
from .server import Server, open_server
from .site_address import SiteAddress
from .tokens import TokenRecords

__all__ = ["Committed", "Revision", "StaleStoryError", "Store", "StoredStory", "StoryGoneError", "UnreadableError"]


@dataclass(frozen=True, slots=True)
class Store:
    """One process's access to the store. Calls may run at the same time; each raises StoreError when it cannot.

    What others want is in the first lines; the last ones are this room's own, and its tests'.
    """

    settings: Settings
    reads: Reads  # stories, posts, revisions, pages
    changes: Changes  # commit, import, what a key was answered
    log: Log  # events after a position, tops, epochs
    channels: Channels  # hear, and say
    index: Index  # all slugs
    tokens: TokenRecords
    site_address: SiteAddress  # where readers are served

    server: Server
    keys: Keys
    calls: Calls

    @classmethod
    async def open(
        cls, settings: Settings, *, start: bool = True, source: Callable[[str], str] = scripts.source
    ) -> Store:
        """Start or join the embedded server, or connect to `settings.redis`; StoreError names the way out.

        `start`: else the embedded one is only used where it runs already. `source`: the text of each script.
        """
        server = await open_server(settings, start=start)
        try:
            keys = Keys(settings.prefix)
            explanations = Explanations(server, keys)
            await compatibility.check(server, keys, explanations)
        except BaseException:
            await server.aclose()
            raise
        calls = Calls(
            server, keys, explanations, scripts.Scripts(server, source), patience_s=2 * settings.store_timeout_s
        )
        index = Index(calls, keys, server, explanations)
        log = Log(calls, keys, server, explanations, settings.ring_events)
        reads = Reads(calls, keys, index, log)
        changes = Changes(calls, keys, server, explanations, index, log, reads, log_events=settings.log_events)
        return cls(
            settings=settings,
            reads=reads,
            changes=changes,
            log=log,
            channels=Channels(server, calls, keys, explanations, settings.store_timeout_s),
            index=index,
            tokens=TokenRecords(calls, keys),
            site_address=SiteAddress(calls, keys),
            server=server,
            keys=keys,
            calls=calls,
        )

    async def aclose(self) -> None:
        await self.server.aclose()
