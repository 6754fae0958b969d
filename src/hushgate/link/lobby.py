"""Where the visitors of one service pass on their way to it: served at once when there is a route, else they wait.

A visitor who comes while the route is away waits in the waiting room; when it has been away longer than the grace
nobody can say that it comes back, and the visitor is refused at once.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from hushgate.config.model import Limits, Timing
from hushgate.link.routes import Route
from hushgate.link.waiting import WaitingRoom


class Visitor(Protocol):
    """Somebody who wants a stream to the service. One of `serve`, `refuse` and `dismiss` is called, once."""

    @property
    def left(self) -> bool:
        """Whether the visitor has gone meanwhile."""

    def serve(self, route: Route) -> None:
        """The route is up."""

    def refuse(self) -> None:
        """There is no way to the service, or no place to wait."""

    def dismiss(self) -> None:
        """Has waited long enough, or the service is closed."""


class Lobby:
    """The lobby of one service. `find` gives the best route to it now, `away` how many seconds there has been none."""

    def __init__(
        self, find: Callable[[], Route | None], away: Callable[[float], float], timing: Timing, limits: Limits
    ) -> None:
        self._find = find
        self._away = away
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._room: WaitingRoom[Visitor] = WaitingRoom(limits.visitors_waiting, limits.visitors_waiting_address)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Visitors who wait for the route."""
        return len(self._room)

    def change(self, timing: Timing) -> None:
        """Holds for visitors who come from now on."""
        self._timing = timing

    def leave(self, visitor: Visitor) -> None:
        """`visitor` does not wait any longer, and is not called."""
        self._room.evict(lambda waiting: waiting is visitor)

    def close(self) -> None:
        """Nobody waits any longer."""
        while visitor := self._room.leave():
            visitor.dismiss()
        if self._timer:
            self._timer.cancel()

    def enter(self, visitor: Visitor, address: str) -> None:
        """`visitor` has come from `address`, whose visitors share a limit."""
        route = self._find()
        if route and route.up:
            visitor.serve(route)
        elif self._away(time.monotonic()) > self._timing.grace or not self._wait(visitor, address):
            visitor.refuse()

    def open(self) -> None:
        """There is a route again: those who wait go on."""
        while visitor := self._room.leave():
            if route := self._find():
                visitor.serve(route)
            else:
                visitor.refuse()

    def _wait(self, visitor: Visitor, address: str) -> bool:
        until = time.monotonic() + self._timing.visitor_wait
        if not self._room.enter(visitor, address, until):
            for gone in self._room.evict(lambda waiting: waiting.left):
                gone.dismiss()
            if not self._room.enter(visitor, address, until):
                return False
        if self._timer is None:
            self._timer = self._loop.call_later(self._timing.visitor_wait, self._on_overdue)
        return True

    def _on_overdue(self) -> None:
        self._timer = None
        for visitor in self._room.overdue(time.monotonic()):
            visitor.dismiss()
        if (at := self._room.next_at) is not None:
            self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._on_overdue)
