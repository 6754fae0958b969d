"""When the next attempt to get a link is made: at once, after the backoff, when the server said, or sooner for somebody
who waits. A clock for one task, which asks with `due` each time."""

import asyncio
import contextlib
import random
import time

from hushgate.protocol.limits import RETRY_BASE, RETRY_MAX
from hushgate.uplink.backoff import Backoff


class Retry:
    """An attempt is wanted from the start."""

    def __init__(self) -> None:
        self._backoff = Backoff(random.random)
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._not_before = 0.0
        self._earliest = 0.0
        """The next attempt may be made from then on, if somebody is in a hurry."""
        self._postponed = 0.0
        self._sooner = asyncio.Event()

    async def due(self) -> None:
        """Returns when an attempt is wanted and its time has come; then none is wanted any more."""
        await self._wanted.wait()
        while (wait := self._not_before - time.monotonic()) > 0:
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._sooner.wait()
        self._wanted.clear()

    def want(self) -> None:
        """An attempt as soon as what `postpone` said allows."""
        self._wanted.set()

    def settle(self) -> None:
        """Somebody else made the attempt."""
        self._wanted.clear()

    def now(self) -> None:
        """An attempt at once, whatever was said before."""
        self._not_before = self._postponed = 0.0
        self._sooner.set()
        self.want()

    def hurry(self) -> None:
        """Somebody waits for the link: what is wanted happens as soon as it may."""
        self._not_before = min(self._not_before, self._earliest)
        self._sooner.set()

    def postpone(self, seconds: float) -> None:
        """No attempt before that, unless `now` is called."""
        self._not_before = self._earliest = self._postponed = time.monotonic() + seconds

    def failed(self, at_least: float = 0.0, most: float = RETRY_MAX) -> float:
        """An attempt failed, or a link was lost: another one is wanted, after the backoff, what `postpone` said and
        `at_least`. Returns the seconds until then."""
        now = time.monotonic()
        at_least = max(at_least, self._postponed - now)
        wait = max(at_least, self._backoff.next(most))
        self._not_before = now + wait
        self._earliest = now + max(at_least, RETRY_BASE)
        self.want()
        return wait

    def stood(self, seconds: float) -> None:
        """A link ended that had stood so long."""
        self._backoff.stood(seconds)
