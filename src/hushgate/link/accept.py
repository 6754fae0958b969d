"""Listening sockets: bound with one sentence when that fails, and an accept loop that survives a shortage of
descriptors.

asyncio's own accept loop spins and floods the log when descriptors run out. Here a reserve descriptor is given up to
accept and close the newcomer at once, and one line a second says so at most.
"""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable

from hushgate.errors import SystemFault
from hushgate.log import logger

_log = logger("accept")
_BACKLOG = 512
_PER_TURN = 64
"""Connections accepted before others get their turn."""
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def bind(host: str, port: int) -> socket.socket:
    """A non-blocking listening TCP socket. Raises SystemFault with a sentence for the user."""
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SystemFault(
            f"cannot listen on {host}:{port}: {host} is not an address of this machine ({error})"
        ) from None
    family, kind, protocol, _, address = infos[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise SystemFault(f"cannot listen on {host}:{port}: {_reason(error)}") from None
    sock.setblocking(False)
    return sock


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there already (`ss -tlnp` shows which)"
    if error.errno == errno.EACCES:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error.strerror or str(error)


class Acceptor:
    """Calls `arrived(sock, address)` for each connection of a listening socket; `sock` is non-blocking."""

    def __init__(self, sock: socket.socket, arrived: Callable[[socket.socket, tuple[str, int]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._arrived = arrived
        self._reserve = os.open(os.devnull, os.O_RDONLY)
        self._warned_at = 0.0
        self._loop.add_reader(sock.fileno(), self._on_readable)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._sock.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Stops listening."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            os.close(self._reserve)

    def _on_readable(self) -> None:
        for _ in range(_PER_TURN):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _SHORTAGE:
                    self._turn_away(error)
                    return
                raise
            sock.setblocking(False)
            self._arrived(sock, (address[0], address[1]))

    def _turn_away(self, error: OSError) -> None:
        os.close(self._reserve)
        try:
            self._sock.accept()[0].close()
        except OSError:
            pass
        self._reserve = os.open(os.devnull, os.O_RDONLY)
        now = time.monotonic()
        if now - self._warned_at >= 1:
            self._warned_at = now
            _log.error("connection turned away: this process is out of descriptors", reason=error.strerror)
