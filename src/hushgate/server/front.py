"""Where the HTTP visitors of one service are: from a connected pipe to the end of its gateway."""

import asyncio
from typing import Protocol

from hushgate.edge.gateway import Gateway
from hushgate.edge.heads import RequestHead
from hushgate.edge.rewrite import Peer
from hushgate.edge.sides import Site
from hushgate.server.wayhome import Destination, WayHome
from hushgate.transports.base import Pipe

_SWEEP = 1.0
"""Seconds between two looks at the visitors' clocks, which are coarse anyhow."""


class Lender(Protocol):
    """Who lent us a connection of the door, which may be for one service now and for another or none later."""

    def serves(self, front: "Front", request: RequestHead) -> bool:
        """Whether the request is for this front."""

    def take_back(self, head: bytes) -> None:
        """The connection goes on with a request that is for somebody else, and begins with `head`."""


class Front:
    """The visitors of `site`, wherever they arrived."""

    def __init__(self, site: Site, destination: Destination) -> None:
        self.site = site
        self.destination = destination
        self.visitors: set[Visitor] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def arrive(self, pipe: Pipe, peer: Peer, port: int, head: bytes = b"", lender: Lender | None = None) -> None:
        """A visitor's connection (server.pipeport.Arrivals). `head` is what was read of it already; `lender`: who takes
        it back."""
        visitor = Visitor(self, pipe, peer, port, lender)
        self.visitors.add(visitor)
        if self._timer is None:
            self._timer = self._loop.call_later(_SWEEP, self._sweep)
        visitor.start(head)

    def change(self, site: Site) -> None:
        """Requests from now on are for `site`."""
        self.site = site
        for visitor in self.visitors:
            visitor.gateway.site = site

    def retire(self) -> None:
        """The requests that are under way are the last ones."""
        for visitor in list(self.visitors):
            visitor.gateway.retire()

    def stop(self) -> None:
        """Ends all connections."""
        for visitor in list(self.visitors):
            visitor.gateway.end("the server ends")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        now = self._loop.time()
        for visitor in [visitor for visitor in self.visitors if visitor.gateway.due <= now]:
            visitor.gateway.overdue()
        timing = self.site.timing
        every = min(_SWEEP, timing.head / 4, timing.body / 4, timing.keepalive / 4)
        self._timer = self._loop.call_later(every, self._sweep) if self.visitors else None


class Visitor:
    """One connection (edge.gateway.Owner)."""

    def __init__(self, front: Front, pipe: Pipe, peer: Peer, port: int, lender: Lender | None) -> None:
        self.now = front._loop.time
        way = WayHome(front.destination, port)
        belongs = (lambda request: lender.serves(front, request)) if lender else None
        self.gateway = way.user = Gateway(front.site, peer, pipe, way, self, belongs)
        self._front = front
        self._pipe = pipe
        self._lender = lender

    def start(self, head: bytes) -> None:
        if head:
            self.gateway.received(memoryview(head))
        self._pipe.switch(self.gateway)

    def give_back(self, head: bytes) -> None:
        self._front.visitors.discard(self)
        assert self._lender is not None, "only a connection that was lent goes back"
        self._lender.take_back(head)

    def over(self) -> None:
        self._front.visitors.discard(self)
