"""Notices that files changed, by looking once a second: an editor's rename and a bind-mounted file defeat inotify."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from hushgate.tasks import Tasks

_EVERY = 1.0


class Watch:
    """Calls `changed` after one of `files()` got another inode, size or modification time."""

    def __init__(self, files: Callable[[], Iterable[Path]], changed: Callable[[], None]) -> None:
        self._files = files
        self._changed = changed
        self._tasks = Tasks("watch")
        self._seen = self._look()

    def start(self) -> None:
        self._tasks.start("files", self._run())

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._changed()

    def _look(self) -> dict[Path, tuple[int, int, int] | None]:
        return {path: _stamp(path) for path in self._files()}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
