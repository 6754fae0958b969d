"""The sessions of one program with its server: the newest, and those before it that drain.

One is the rule. But a session has 2^30 stream ids for each side, and on a busy server they are used up some day. Before
that a second session is begun beside the first, over a link of its own (make before break): whatever runs stays where
it is, new streams go to the newer one, and the older ends with its last stream (docs/protocol.md §6).
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from hushgate.config.model import UplinkConfig
from hushgate.errors import SystemFault
from hushgate.log import Log
from hushgate.protocol.keys import Keys, Role
from hushgate.protocol.stream import Stream
from hushgate.tasks import Tasks
from hushgate.uplink.uplink import Uplink, User


class Succession:
    """What a program has of its server (uplink.uplink.Holder): it starts, reloads, drains and
    stops as one of them would."""

    def __init__(self, role: Role, config: UplinkConfig[Any], keys: Sequence[Keys], user: User, log: Log) -> None:
        """Raises SystemFault when `trusted_root` cannot be read."""
        self.newest = Uplink(role, config, keys, self, log)
        """Takes the new streams."""
        self.quiet = asyncio.Event()
        self._user = user
        self._log = log
        self._next: Uplink | None = None
        self._older: list[Uplink] = []
        self._tasks = Tasks("succession")

    @property
    def _all(self) -> list[Uplink]:
        return [*self._older, self.newest, *([self._next] if self._next else [])]

    async def start(self) -> None:
        """Connects, and reconnects for ever."""
        await self.newest.start()

    async def start_now(self) -> None:
        """As `start`, but the first attempt is made here. Raises AuthError or UnreachableError when it fails."""
        await self.newest.start_now()

    def reload(
        self, config: UplinkConfig[Any], keys: Sequence[Keys], removed: Sequence[str], changed: Collection[str]
    ) -> None:
        """As Uplink.reload, for all of them."""
        for uplink in self._all:
            uplink.reload(config, keys, removed, changed)

    def drain(self) -> float:
        """Asks for no new streams; the seconds that those that run may take (ops.program.Program)."""
        seconds = self.newest.drain()
        if self._next:
            self._next.retire()
        if all(uplink.quiet.is_set() for uplink in self._all):
            self.quiet.set()
        else:
            self._tasks.start("quiet", self._until_quiet())
        return seconds

    async def stop(self) -> None:
        await self._tasks.stop()
        await asyncio.gather(*(uplink.stop() for uplink in self._all))

    # What an uplink tells its user.

    def incoming(self, stream: Stream) -> None:
        self._user.incoming(stream)

    def linked(self) -> None:
        if self._next and self._next.up:
            older, self.newest, self._next = self.newest, self._next, None
            older.replaced()
            self._older.append(older)
            self._tasks.start("drain", self._let_end(older))
        self._user.linked()

    def spent(self) -> None:
        if self._next is None:
            try:
                self._next = self.newest.successor()
            except SystemFault as error:
                self._log.error("stream ids run out, and no other session can be begun", reason=error)
                return
            self._log.info("stream ids run out; beginning another session beside this one")
            self._tasks.start("begin", self._next.start())

    async def _let_end(self, older: Uplink) -> None:
        await older.quiet.wait()
        await older.stop()
        self._older.remove(older)

    async def _until_quiet(self) -> None:
        for uplink in self._all:
            await uplink.quiet.wait()
        self.quiet.set()
