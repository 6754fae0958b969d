"""Listening sockets: bound, or one sentence about why not, and an accept loop that survives a shortage of descriptors.

The loop is our own because asyncio's spins and floods its log when descriptors run out (cpython#151615). Here a
reserve descriptor is given up for a moment, so that the connection that waits can be taken and closed in order; then
nobody is accepted for half a second, and one line a second is logged.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from hushgate.config.model import Address
from hushgate.errors import SystemFault
from hushgate.log import Seldom, logger

_log = Seldom(logger("accept"), every=1.0)
_BACKLOG: Final = 511
"""nginx's listen backlog on Linux."""
_PER_TURN: Final = 64
"""Connections taken in one turn of the loop, so that links have their turn too."""
_PAUSE: Final = 0.5
_SHORTAGE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Listens on `bind` and calls `arrived(sock, peer)` for each connection; `sock` is non-blocking and the callee's.

    Raises SystemFault when the address cannot be had.
    """

    def __init__(self, bind: Address, arrived: Callable[[socket.socket, Address], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = arrived
        self._sockets = _listening(bind)
        self._reserve: int | None = _reserve()
        self._resume: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def address(self) -> Address:
        """Where it listens, with the real port when 0 was asked for."""
        host, port = self._sockets[0].getsockname()[:2]
        return Address(host, port)

    @property
    def nodelay(self) -> bool:
        """TCP_NODELAY of the listener, which connections inherit."""
        return all(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for sock in self._sockets)

    @nodelay.setter
    def nodelay(self, on: bool) -> None:
        for sock in self._sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)

    def close(self) -> None:
        """Stops listening. May be called again."""
        self._deaf()
        if self._resume is not None:
            self._resume.cancel()
        for sock in self._sockets:
            sock.close()
        self._sockets = []
        self._give_up_reserve()

    def _listen(self) -> None:
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _deaf(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_PER_TURN):
            if listener not in self._sockets:
                return
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _SHORTAGE:
                    raise
                self._exhausted(listener, error)
                return
            sock.setblocking(False)
            self._arrived(sock, Address(address[0], address[1]))

    def _exhausted(self, listener: socket.socket, error: OSError) -> None:
        _log.warning("no descriptor for a new connection: raise LimitNOFILE", cause=error.strerror)
        self._give_up_reserve()
        with contextlib.suppress(OSError):
            turn_away(listener.accept()[0])
        with contextlib.suppress(OSError):
            self._reserve = _reserve()
        self._deaf()
        self._resume = self._loop.call_later(_PAUSE, self._listen)

    def _give_up_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None


def turn_away(sock: socket.socket) -> None:
    """Closes a connection without a word, and without a reset when the peer's first bytes are already there."""
    with sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(65536)


def _reserve() -> int:
    return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))


def _listening(bind: Address) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(bind.host or None, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found:
            sockets.append(_bound(family, address, alone=len(found) == 1))
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise SystemFault(_bind_fault(bind, error)) from error
    return sockets


def _bound(family: int, address: tuple[object, ...], *, alone: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


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
