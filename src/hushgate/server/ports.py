"""Public ports: each accepts the visitors of one service and joins them to streams that lead home.

A visitor who comes while home is away waits in the waiting room; when home has been away longer than the grace nobody
can say that it comes back, and the visitor is turned away at once.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from hushgate.config.model import Address, Limits, ServerService, Timing
from hushgate.errors import LocalProtocolError
from hushgate.link.accept import Acceptor, turn_away
from hushgate.link.endpoint import SocketEndpoint, reset_on_close
from hushgate.link.patrol import Patrol
from hushgate.link.readiness import Readiness
from hushgate.link.routes import Route
from hushgate.log import Seldom, logger
from hushgate.protocol.frames import Open
from hushgate.server.waiting import WaitingRoom

_log = Seldom(logger("ports"))


class Port:
    """The public port of `service`. `find` gives the route home, `away` how long home has been away."""

    def __init__(
        self,
        service: ServerService,
        address: Address,
        find: Callable[[str], Route | None],
        away: Callable[[str, float], float],
        timing: Timing,
        limits: Limits,
        readiness: Readiness,
    ) -> None:
        self.service = service
        self.visitors = 0
        """Visitors being served."""
        self.total = 0
        self._loop = asyncio.get_running_loop()
        self._find = find
        self._away = away
        self._timing = timing
        self._readiness = readiness
        self._waiting: WaitingRoom[tuple[socket.socket, str]] = WaitingRoom(
            limits.visitors_waiting, limits.visitors_waiting_address
        )
        self._timer: asyncio.TimerHandle | None = None
        self._patrol = Patrol()
        self._acceptor = Acceptor(address, self._arrived)
        self.address = self._acceptor.address

    @property
    def waiting(self) -> int:
        """Visitors who wait for home."""
        return len(self._waiting)

    def change(self, service: ServerService, timing: Timing) -> None:
        """Visitors who come from now on are treated so."""
        self.service = service
        self._timing = timing

    def close(self) -> None:
        """Accepts no more and lets nobody wait; those who are being served stay."""
        self._acceptor.close()
        while visitor := self._waiting.leave():
            turn_away(visitor[0])
        if self._timer:
            self._timer.cancel()

    def home_is_back(self) -> None:
        """Those who wait go on."""
        while visitor := self._waiting.leave():
            self._serve(*visitor)

    def _arrived(self, sock: socket.socket, peer: Address) -> None:
        with contextlib.suppress(OSError):
            if self.service.nodelay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor = f"{peer.host} {peer.port}"
        route = self._find(self.service.name)
        if route and route.up:
            self._serve(sock, visitor)
        elif self._away(self.service.name, time.monotonic()) > self._timing.grace or not self._wait(
            sock, visitor, peer.host
        ):
            _refuse(sock)

    def _wait(self, sock: socket.socket, visitor: str, host: str) -> bool:
        until = time.monotonic() + self._timing.visitor_wait
        if not self._waiting.enter((sock, visitor), host, until):
            for gone, _ in self._waiting.evict(lambda waiting: _left(waiting[0])):
                gone.close()
            if not self._waiting.enter((sock, visitor), host, until):
                return False
        if self._timer is None:
            self._timer = self._loop.call_later(self._timing.visitor_wait, self._on_overdue)
        return True

    def _on_overdue(self) -> None:
        self._timer = None
        for sock, _ in self._waiting.overdue(time.monotonic()):
            turn_away(sock)
        if (at := self._waiting.next_at) is not None:
            self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._on_overdue)

    def _serve(self, sock: socket.socket, visitor: str) -> None:
        route = self._find(self.service.name)
        try:
            if route is None:
                raise LocalProtocolError("home is away")
            stream = route.open(Open(self.service.name, visitor=visitor))
        except LocalProtocolError as error:
            _log.warning("visitor refused", service=self.service.name, visitor=visitor, reason=error)
            _refuse(sock)
            return
        self.visitors += 1
        self.total += 1
        SocketEndpoint(self._readiness, self._patrol, sock, stream, self._on_done).start()

    def _on_done(self) -> None:
        self.visitors -= 1


def _left(sock: socket.socket) -> bool:
    """Whether the visitor is gone: a reset came, or an end before any byte."""
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _refuse(sock: socket.socket) -> None:
    reset_on_close(sock)
    sock.close()
