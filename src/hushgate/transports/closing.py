"""The end of a program's pipes: they are closed, and it stays until what they hold has arrived."""

import asyncio
import contextlib
from collections.abc import Iterable

from hushgate.protocol.limits import END_WAIT
from hushgate.transports.base import Pipe


class _LastUser:
    """Hears nothing but the end (transports.base.PipeUser)."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def received(self, view: memoryview) -> int:
        return len(view)

    def writable(self) -> None:
        pass

    def ended(self, error: str | None) -> None:
        self.over.set()


async def close_all(pipes: Iterable[Pipe]) -> None:
    """Closes `pipes` and waits until each has ended, which the peer brings about when it has read everything; a program
    that left sooner would take its write buffers with it. What has not ended after END_WAIT is aborted."""
    closing = [(pipe, _LastUser()) for pipe in pipes]
    for pipe, user in closing:
        pipe.switch(user)
        pipe.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_WAIT):
            for _, user in closing:
                await user.over.wait()
    for pipe, user in closing:
        if not user.over.is_set():
            pipe.abort("the peer did not close its end in time")
