"""A port that accepts the visitors of one service and joins them to streams that lead to it: a public port of the
server, or a local one of a laptop."""

import socket

from hushgate.config.model import Address
from hushgate.errors import LocalProtocolError
from hushgate.link.accept import Acceptor, turn_away
from hushgate.link.endpoint import SocketEndpoint, reset_on_close
from hushgate.link.lobby import Lobby
from hushgate.link.patrol import Patrol
from hushgate.link.readiness import Readiness
from hushgate.link.routes import Route
from hushgate.link.sealing import open_stream
from hushgate.log import Seldom, logger
from hushgate.protocol.frames import Open

_log = Seldom(logger("port"))


class Port:
    """Listens on `bind`; whoever comes goes through `lobby`, and `join` makes the visitor's end of the stream. Raises
    SystemFault when the address cannot be had."""

    def __init__(
        self,
        service: str,
        bind: Address,
        lobby: Lobby,
        readiness: Readiness,
        *,
        nodelay: bool = True,
        e2e_key: bytes | None = None,
        join: type[SocketEndpoint] = SocketEndpoint,
    ) -> None:
        self.service = service
        self.bind = bind
        self.e2e_key = e2e_key
        """The visitors' streams are encrypted with it up to home."""
        self.visitors = 0
        """Visitors being served."""
        self.total = 0
        self._lobby = lobby
        self._readiness = readiness
        self._join = join
        self._patrol = Patrol()
        self._acceptor = Acceptor(bind, self._arrived)
        self.nodelay = nodelay
        self.address = self._acceptor.address

    @property
    def nodelay(self) -> bool:
        """TCP_NODELAY of the visitors who come from now on."""
        return self._acceptor.nodelay

    @nodelay.setter
    def nodelay(self, on: bool) -> None:
        self._acceptor.nodelay = on

    def close(self) -> None:
        """Accepts no more; those who are being served, or wait, stay."""
        self._acceptor.close()

    def _arrived(self, sock: socket.socket, peer: Address) -> None:
        self._lobby.enter(_Visitor(self, sock, f"{peer.host} {peer.port}"), peer.host)

    def serve(self, sock: socket.socket, visitor: str, route: Route) -> None:
        """Joins the visitor to a new stream."""
        try:
            stream = open_stream(route, Open(self.service, visitor=visitor), self.e2e_key)
        except LocalProtocolError as error:
            # As text: an error that is kept keeps its frames, and with them views of the pipe's buffer.
            _log.warning("visitor refused", service=self.service, visitor=visitor, reason=str(error))
            _refuse(sock)
            return
        self.visitors += 1
        self.total += 1
        self._join(self._readiness, self._patrol, sock, stream, self._on_done).start()

    def _on_done(self) -> None:
        self.visitors -= 1


class _Visitor:
    """A connection of `port` (link.lobby.Visitor)."""

    def __init__(self, port: Port, sock: socket.socket, name: str) -> None:
        self._port = port
        self._sock = sock
        self._name = name

    @property
    def left(self) -> bool:
        """A reset came, or an end before any byte."""
        try:
            return self._sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def serve(self, route: Route) -> None:
        self._port.serve(self._sock, self._name, route)

    def refuse(self) -> None:
        _refuse(self._sock)

    def dismiss(self) -> None:
        turn_away(self._sock)


def _refuse(sock: socket.socket) -> None:
    reset_on_close(sock)
    sock.close()
