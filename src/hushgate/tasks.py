"""The only caller of asyncio.create_task: every task has an owner, a name, and somebody who hears of its failure."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hushgate.log import logger

_log = logger("tasks")


async def run_until(stopped: asyncio.Future[Any], work: Coroutine[Any, Any, Any]) -> bool:
    """Runs `work` to its end, or cancels it once `stopped` is done; whether it came to its end."""
    task = asyncio.current_task()
    assert task is not None
    running = not stopped.done()

    def interrupt(_: asyncio.Future[Any]) -> None:
        if running:
            task.cancel()

    if not running:
        work.close()
        return False
    stopped.add_done_callback(interrupt)
    try:
        await work
    except asyncio.CancelledError:
        if not stopped.done():
            raise
        task.uncancel()
        return False
    finally:
        running = False
        stopped.remove_done_callback(interrupt)
    return True


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
