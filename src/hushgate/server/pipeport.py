"""A public port whose visitors pass through this process, as pipes: those of HTTP services, and all that speak TLS."""

import contextlib
import socket
from collections.abc import Collection
from typing import Protocol

from hushgate.config.model import Address
from hushgate.config.values import is_loopback
from hushgate.edge.rewrite import Peer
from hushgate.errors import PipeError
from hushgate.link.accept import Acceptor
from hushgate.tasks import Tasks
from hushgate.transports import tcp, tls
from hushgate.transports.base import Pipe
from hushgate.transports.tls import TlsServer


class Arrivals(Protocol):
    """Where the visitors of one service go: a Front, or Splices."""

    @property
    def visitors(self) -> Collection[object]:
        """Those who are there."""

    def stop(self) -> None:
        """Ends all connections."""

    def arrive(self, pipe: Pipe, peer: Peer, port: int) -> None:
        """A visitor has come, from this port of its machine."""


class PipePort:
    """Listens on `bind`, and leads to `arrivals`; with TLS when there is a certificate. Raises SystemFault when the
    address cannot be had."""

    def __init__(
        self, service: str, bind: Address, arrivals: Arrivals, certificate: TlsServer | None, *, nodelay: bool = True
    ) -> None:
        self.bind = bind
        self.nodelay = nodelay
        self.arrivals = arrivals
        self._certificate = certificate
        self._tasks = Tasks(f"port of {service}")
        self._acceptor = Acceptor(bind, self._arrived)
        self.address = self._acceptor.address

    @property
    def visitors(self) -> int:
        """Visitors being served, or waiting."""
        return len(self.arrivals.visitors)

    @property
    def tls(self) -> bool:
        return self._certificate is not None

    def close(self) -> None:
        """Accepts no more; those who are being served, or wait, stay."""
        self._acceptor.close()

    async def stop(self) -> None:
        """Ends all connections."""
        self.close()
        await self._tasks.stop()
        self.arrivals.stop()

    def _arrived(self, sock: socket.socket, peer: Address) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.nodelay)
        self._tasks.start(str(peer), self._receive(sock, peer))

    async def _receive(self, sock: socket.socket, peer: Address) -> None:
        try:
            if self._certificate is None:
                pipe = await tcp.accept(sock, str(peer))
            else:
                pipe = await tls.accept(sock, self._certificate, str(peer))
        except PipeError:
            return
        self.arrivals.arrive(pipe, Peer(peer.host, trusted=is_loopback(peer.host), tls=self.tls), peer.port)
