"""Where links arrive and are told from strangers: it accepts, counts, and leaves the rest to `stranger.py`.

The accept loop is our own because asyncio's spins its log when descriptors run out (cpython#151615). Here a reserve
descriptor is given up for a moment, so that the waiting connection can be taken and closed in order, and one line a
second is logged.

Connections that have proved nothing are limited in all and for each address; loopback, which is nginx, only in all.
When all places are taken the oldest one that waits for a request goes, as nginx drops idle connections; when none of
them waits the newcomer goes. Whoever proves a token stops counting.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from hushgate.config.model import Address
from hushgate.edge.decoy import Decoy
from hushgate.edge.http import Head
from hushgate.errors import SystemFault
from hushgate.guard.proofs import Admission
from hushgate.log import logger
from hushgate.protocol.limits import DOOR_CONNECTIONS, DOOR_CONNECTIONS_ADDRESS
from hushgate.server.stranger import DoorTiming, House, Stranger
from hushgate.tasks import Tasks
from hushgate.transports.base import Pipe
from hushgate.transports.tls import TlsServer

_log = logger("door")
_BACKLOG: Final = 511
"""nginx's listen backlog on Linux."""
_ACCEPTS: Final = 64
"""Connections taken in one turn of the loop, so that links have their turn too."""
_PAUSE: Final = 0.5
"""Seconds without accepting after descriptors ran out and not even the reserve helped."""
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Door:
    """Listens on `bind`, with our own TLS or, when `tls` is None, in plain behind nginx.

    `gate` judges the decoded proof of an upgrade (None: absent or not decodable) from a peer's address. Who passes has
    been sent the 101, and `admit` is given its pipe, with what came behind the request still unread in it.
    """

    def __init__(
        self,
        bind: Address,
        tls: TlsServer | None,
        gate: Callable[[bytes | None, str], Admission | None],
        admit: Callable[[Pipe, Admission], None],
        *,
        timing: DoorTiming | None = None,
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
            gate=gate,
            admit=admit,
            refused=self._refused,
            gone=self._gone,
        )
        self._sockets: list[socket.socket] = []
        self._reserve: int | None = None
        self._strangers: dict[Stranger, str] = {}
        self._addresses: Counter[str] = Counter()
        self._tasks = Tasks("door")
        self._lines: dict[str, tuple[float, int]] = {}
        self._resume: asyncio.TimerHandle | None = None

    @property
    def address(self) -> Address:
        """Where it listens, with the real port when 0 was asked for."""
        host, port = self._sockets[0].getsockname()[:2]
        return Address(host, port)

    @property
    def strangers(self) -> int:
        """Connections that have proved nothing."""
        return len(self._strangers)

    async def start(self) -> None:
        """Begins to listen. Raises SystemFault when the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self._bind.host or None, self._bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in found:
                self._sockets.append(_bound(family, address))
        except OSError as error:
            self._close_sockets()
            raise SystemFault(_bind_fault(self._bind, error)) from error
        self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._listen()

    async def stop(self) -> None:
        """Stops listening and drops whoever has proved nothing."""
        self._deaf()
        if self._resume is not None:
            self._resume.cancel()
        self._close_sockets()
        for stranger in list(self._strangers):
            stranger.drop()
        await self._tasks.stop()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.add_reader(sock, self._accept, sock)

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def _deaf(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._exhausted(listener, error)
                return
            self._welcome(sock, address)

    def _welcome(self, sock: socket.socket, address: tuple[str, int]) -> None:
        host = address[0]
        sock.setblocking(False)
        if not self._room(host):
            _refuse(sock)
            return
        stranger = Stranger(self._house, sock, host, address[1])
        self._strangers[stranger] = host
        self._addresses[host] += 1
        if self._house.tls is None:
            self._open(stranger)
        else:
            stranger.watch(self._open)

    def _open(self, stranger: Stranger) -> None:
        self._tasks.start(stranger.peer, stranger.open())

    def _room(self, host: str) -> bool:
        if self._addresses[host] >= self._connections_address and not _loopback(host):
            self._line("too many connections from one address", address=host)
            return False
        if len(self._strangers) < self._connections:
            return True
        self._line("too many connections that have proved nothing", connections=len(self._strangers))
        longest = next((stranger for stranger in self._strangers if stranger.idle), None)
        if longest is None:
            return False
        longest.drop()
        return len(self._strangers) < self._connections

    def _exhausted(self, listener: socket.socket, error: OSError) -> None:
        """No descriptor is left: takes the first in the queue with the reserve and closes it, then waits a little."""
        self._line("no descriptor for a new connection: raise LimitNOFILE", cause=error.strerror)
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
        with contextlib.suppress(OSError):
            _refuse(listener.accept()[0])
        with contextlib.suppress(OSError):
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._deaf()
        self._resume = asyncio.get_running_loop().call_later(_PAUSE, self._listen)

    def _refused(self, stranger: Stranger, head: Head) -> None:
        forwarded = head.first(b"x-real-ip") or head.first(b"x-forwarded-for")
        known = {"forwarded": repr(forwarded.decode("latin-1"))} if forwarded and _loopback(stranger.host) else {}
        self._line("upgrade without a valid proof", peer=stranger.peer, **known)

    def _gone(self, stranger: Stranger) -> None:
        host = self._strangers.pop(stranger)
        self._addresses[host] -= 1
        if not self._addresses[host]:
            del self._addresses[host]

    def _line(self, event: str, **context: object) -> None:
        """Logs `event` once a second at most, with the number of those left out."""
        now = time.monotonic()
        last, left_out = self._lines.get(event, (-1.0, 0))
        if 0 <= now - last < 1.0:
            self._lines[event] = (last, left_out + 1)
            return
        self._lines[event] = (now, 0)
        more = {"left_out": left_out} if left_out else {}
        _log.warning(event, **context, **more)


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _refuse(sock: socket.socket) -> None:
    """Closes a connection without a word, and without a reset when the peer's first bytes are already there."""
    with sock, contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.recv(65536, socket.MSG_DONTWAIT)


def _bind_fault(bind: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{bind}: another program listens there: stop it (`ss -tlnp` names it), or choose another bind_addr"
    if error.errno == errno.EACCES:
        return (
            f"{bind}: a port below 1024 needs a privilege: let systemd give CAP_NET_BIND_SERVICE "
            "(AmbientCapabilities=), or choose another bind_addr"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{bind}: this machine does not have that address: check bind_addr (0.0.0.0 listens on all)"
    if isinstance(error, socket.gaierror):
        return f"{bind}: the host of bind_addr cannot be resolved: write an address of this machine"
    return f"{bind}: cannot listen there ({error.strerror or error}): check bind_addr"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
