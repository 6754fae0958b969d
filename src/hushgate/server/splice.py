"""A visitor whose bytes pass as they are, through a pipe in place of a socket: a tcp service on a port with TLS."""

from collections.abc import Callable

from hushgate.edge.rewrite import Peer
from hushgate.edge.sides import Failure
from hushgate.server.wayhome import Destination, WayHome
from hushgate.transports.base import Pipe


class Splice:
    """Joins `visitor` (as the user of its pipe) to a stream of its own. TLS has no half-close: either end ends both,
    after what it sent. `done` is called once."""

    def __init__(
        self, visitor: Pipe, destination: Destination, address: str, port: int, done: Callable[[], None]
    ) -> None:
        self._visitor = visitor
        self._way = WayHome(destination, port)
        self._way.user = self
        self._address = address
        self._done = done
        self._open = False
        self._over = False

    def start(self) -> None:
        self._way.begin(self._address)
        self._visitor.switch(self)

    def end(self, reason: str) -> None:
        """The service is no longer offered."""
        self._way.drop()
        self._visitor.break_off(reason)

    # The visitor's side.

    def received(self, view: memoryview) -> int:
        if self._open:
            self._way.write([[bytes(view)]])
        if self._way.full:
            self._visitor.pause()
        return len(view) if self._open else 0

    def writable(self) -> None:
        self._way.resume()

    def ended(self, error: str | None) -> None:
        if error is None and self._open:
            self._way.close()
        else:
            self._way.drop()
        if not self._over:
            self._over = True
            self._done()

    # Home's side.

    def home_open(self, host: bytes, *, reused: bool) -> None:
        self._open = True
        self._visitor.resume()

    def from_home(self, view: memoryview) -> int:
        self._visitor.write([[bytes(view)]])
        if self._visitor.full:
            self._way.pause()
        return len(view)

    def home_writable(self) -> None:
        self._visitor.resume()

    def home_ended(self, failure: Failure | None) -> None:
        if failure is None:
            self._visitor.close()
        else:
            self._visitor.break_off(failure.value)


class Splices:
    """Those of one service (server.pipeport.Arrivals)."""

    def __init__(self, destination: Destination) -> None:
        self.visitors: set[Splice] = set()
        self._destination = destination

    def arrive(self, pipe: Pipe, peer: Peer, port: int) -> None:
        splice = Splice(pipe, self._destination, peer.address, port, lambda: self.visitors.discard(splice))
        self.visitors.add(splice)
        splice.start()

    def stop(self) -> None:
        """Ends all connections."""
        for splice in list(self.visitors):
            splice.end("the server ends")
