"""Runs a coroutine to its end on the event loop that HUSHGATE_LOOP names, and fails when it leaves a task behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hushgate.transports.loop import new_event_loop

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
    """The result of `work`, which may take `timeout` seconds."""

    async def main() -> T:
        result = await asyncio.wait_for(work, timeout)
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())
