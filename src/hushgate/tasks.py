"""The only caller of asyncio.create_task: every task has an owner, a name, and somebody who hears of its failure."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hushgate.log import logger

_log = logger("tasks")


class Tasks:
    """The tasks of one owner. A task that fails is logged with its traceback: it is a bug, since expected failures are
    handled inside. `stop` cancels what still runs and waits for it."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=f"{self._owner}: {name}")
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def settle(self, seconds: float) -> None:
        """Waits until all of them have ended, for so long at most."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)

    async def stop(self) -> None:
        current = asyncio.current_task()
        running = [task for task in self._running if task is not current]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task failed", task=task.get_name(), exc_info=error)
