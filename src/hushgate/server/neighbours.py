"""Notices that the nginx in front of us was reloaded (Linux).

After `nginx -s reload` the old workers keep the connections they have for as long as those live, and a link lives for
days: each reload would leave an old worker behind. nginx tells nobody. But an old worker names itself in its process
title, which everybody may read; when a new one appears, the clients whose links come through this machine are asked
to move, which costs them nothing.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from hushgate.tasks import Tasks

_EVERY = 5.0
_TITLE = b"nginx: worker process is shutting down"


class OldWorkers:
    """The nginx workers that only wait for their last connections."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: set[str] = set()
        self._other: set[str] = set()

    def appeared(self) -> bool:
        """Whether there are old workers that were not there at the last call."""
        try:
            pids = {name for name in os.listdir(self._proc) if name.isdigit()}
        except OSError:
            return False
        self._other &= pids
        old = set()
        for pid in pids - self._other:
            title = self._read(pid, "cmdline")
            if title.startswith(_TITLE):
                old.add(pid)
            elif not title.startswith(b"nginx"):
                self._other.add(pid)
        new = old - self._known
        self._known = old
        return bool(new)

    def _read(self, pid: str, name: str) -> bytes:
        try:
            return (self._proc / pid / name).read_bytes()
        except OSError:
            return b""


class Neighbours:
    """Calls `reloaded` when nginx on this machine was reloaded."""

    def __init__(self, reloaded: Callable[[], None]) -> None:
        self._reloaded = reloaded
        self._workers = OldWorkers()
        self._tasks = Tasks("neighbours")

    def start(self) -> None:
        self._workers.appeared()
        self._tasks.start("watch", self._watch())

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            if self._workers.appeared():
                self._reloaded()
