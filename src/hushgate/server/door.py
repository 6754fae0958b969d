"""Where links arrive and are told from strangers: it counts who comes, and leaves the rest to `stranger.py`.

Connections that have proved nothing are limited in all and for each address; loopback, which is nginx, only in all.
When all places are taken the oldest one that waits for a request goes, as nginx drops idle connections; when none of
them waits the newcomer goes. Whoever proves a token stops counting.
"""

import socket
from collections import Counter
from collections.abc import Callable

from hushgate.config.model import Address, Tcp
from hushgate.config.values import is_loopback
from hushgate.edge.decoy import Decoy
from hushgate.edge.http import Head
from hushgate.guard.proofs import Admission
from hushgate.link.accept import Acceptor, turn_away
from hushgate.log import Seldom, logger
from hushgate.ops.memory import Tide
from hushgate.protocol.limits import DOOR_CONNECTIONS, DOOR_CONNECTIONS_ADDRESS
from hushgate.server.front import Front
from hushgate.server.stranger import DoorTiming, House, Stranger
from hushgate.tasks import Tasks
from hushgate.transports.base import Pipe
from hushgate.transports.tls import TlsServer


class Door:
    """Listens on `bind`, with our own TLS or, when `tls` is None, in plain behind nginx.

    `gate` judges the decoded proof of an upgrade (None: absent or not decodable) and gives an admission, or the reason
    for the log. Who passes has been sent the 101, and `admit` is given its pipe, with what came behind the request
    still unread in it and `options` on its socket, and the `address port` it comes from. `front` gives the HTTP
    service that a request with this Host and target is for: the connection is then that service's, until a request on
    it is for somebody else. `oauth` says of a request that is for none, by Host header, method and path, whether it
    looks for the OAuth of one.
    """

    def __init__(
        self,
        bind: Address,
        tls: TlsServer | None,
        gate: Callable[[bytes | None], Admission | str],
        admit: Callable[[Pipe, Admission, str], None],
        *,
        front: Callable[[bytes, bytes], Front | None] | None = None,
        oauth: Callable[[bytes, bytes, bytes], bool] | None = None,
        timing: DoorTiming | None = None,
        options: Tcp | None = None,
        connections: int = DOOR_CONNECTIONS,
        connections_address: int = DOOR_CONNECTIONS_ADDRESS,
    ) -> None:
        self._bind = bind
        self._connections = connections
        self._connections_address = connections_address
        self._house = House(
            decoy=Decoy(tls=tls is not None),
            tls=tls,
            timing=timing or DoorTiming(),
            tcp=options or Tcp(),
            gate=gate,
            admit=admit,
            refused=self._refused,
            gone=self._gone,
            front=front or (lambda host, target: None),
            oauth=oauth or (lambda host, method, path: False),
            returned=self._returned,
        )
        self._acceptor: Acceptor | None = None
        self._strangers: dict[Stranger, str] = {}
        self._addresses: Counter[str] = Counter()
        self._tasks = Tasks("door")
        self._tide = Tide()
        self._log = Seldom(logger("door"))

    @property
    def address(self) -> Address:
        """Where it listens, with the real port when 0 was asked for."""
        assert self._acceptor is not None, "the door has not been opened"
        return self._acceptor.address

    @property
    def strangers(self) -> int:
        """Connections that have proved nothing."""
        return len(self._strangers)

    async def start(self) -> None:
        """Begins to listen. Raises SystemFault when the address cannot be had."""
        self._acceptor = Acceptor(self._bind, self._arrived)

    async def stop(self) -> None:
        """Stops listening and drops whoever has proved nothing."""
        if self._acceptor is not None:
            self._acceptor.close()
        for stranger in list(self._strangers):
            stranger.drop()
        await self._tasks.stop()
        self._tide.stop()

    def _returned(self, stranger: Stranger) -> bool:
        if not self._room(stranger.host):
            return False
        self._count(stranger)
        return True

    def _count(self, stranger: Stranger) -> None:
        self._strangers[stranger] = stranger.host
        self._addresses[stranger.host] += 1
        self._tide.changed(len(self._strangers))

    def _arrived(self, sock: socket.socket, peer: Address) -> None:
        host = peer.host
        if not self._room(host):
            turn_away(sock)
            return
        stranger = Stranger(self._house, sock, host, peer.port)
        self._count(stranger)
        if self._house.tls is None:
            self._open(stranger)
        else:
            stranger.watch(self._open)

    def _open(self, stranger: Stranger) -> None:
        self._tasks.start(stranger.peer, stranger.open())

    def _room(self, host: str) -> bool:
        if self._addresses[host] >= self._connections_address and not is_loopback(host):
            self._log.warning("too many connections from one address", address=host)
            return False
        if len(self._strangers) < self._connections:
            return True
        self._log.warning("too many connections that have proved nothing", connections=len(self._strangers))
        longest = next((stranger for stranger in self._strangers if stranger.idle), None)
        if longest is None:
            return False
        longest.drop()
        return len(self._strangers) < self._connections

    def _refused(self, stranger: Stranger, head: Head, reason: str) -> None:
        visitor = stranger.visitor(head).split(" ")[0]
        known = {"forwarded": visitor} if visitor != stranger.host else {}
        self._log.warning("login refused", peer=stranger.peer, reason=reason, **known)

    def _gone(self, stranger: Stranger) -> None:
        host = self._strangers.pop(stranger)
        self._addresses[host] -= 1
        if not self._addresses[host]:
            del self._addresses[host]
        self._tide.changed(len(self._strangers))
