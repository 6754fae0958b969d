"""Connects a stream to a local service without blocking: the endpoint of a stream until the connection stands."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from hushgate.link.endpoint import SocketEndpoint, reset_on_close
from hushgate.link.patrol import Patrol
from hushgate.link.readiness import Readiness
from hushgate.protocol.frames import Code
from hushgate.protocol.stream import ByteStream

_WAIT = 10.0
"""For the local service to accept."""
_WORDS: Final[dict[int, str]] = getattr(socket, "errorTab", {})
"""Windows has words for a socket's errors that `strerror` does not know."""
_PENDING = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)}


class LocalDial:
    """Tries `addresses` in turn; then a SocketEndpoint takes the stream over. `done(error)` is called once: None when
    the connection ended after it stood, otherwise why it never did."""

    def __init__(
        self,
        readiness: Readiness,
        patrol: Patrol,
        stream: ByteStream,
        addresses: Sequence[tuple[str, int]],
        source: str | None,
        stood: Callable[[], None],
        done: Callable[[str | None], None],
        *,
        nodelay: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._readiness = readiness
        self._patrol = patrol
        self._stream = stream
        self._addresses = list(addresses)
        self._source = source
        self._stood = stood
        self._done = done
        self._nodelay = nodelay
        self._sock: socket.socket | None = None
        self._finished = False
        self._error = "no address"
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._stream.endpoint = self
        self._next()

    def take(self, n: int) -> bytes | None:
        return b""

    def data(self, view: memoryview) -> int:
        return 0

    def finish(self) -> None:
        self._finished = True

    def reset(self, code: Code, text: str) -> None:
        self._drop()
        self._cancel()
        self._done(None)

    def opened(self) -> None:
        pass

    def datagram(self, view: memoryview) -> None:
        pass

    def _next(self) -> None:
        while self._addresses:
            address = self._addresses.pop(0)
            try:
                sock = self._socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            except OSError as error:
                self._note(error.errno or 0)
                continue
            result = sock.connect_ex(address)
            if result in _PENDING and (peer := _peer(sock)):
                result = _met_itself(sock, peer)
                if not result:
                    self._connected(sock)
                    return
            elif result in _PENDING:
                self._sock = sock
                self._timer = self._timer or self._loop.call_later(_WAIT, self._on_timeout)
                self._loop.add_writer(sock.fileno(), self._on_writable)
                return
            sock.close()
            self._note(result)
        self._fail()

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self._nodelay)
            if self._source and family == socket.AF_INET:
                sock.bind((self._source, 0))
        except OSError:
            pass
        return sock

    def _on_writable(self) -> None:
        sock = self._sock
        assert sock is not None
        self._loop.remove_writer(sock.fileno())
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _met_itself(sock, _peer(sock))
        if result:
            self._note(result)
            self._drop()
            self._next()
            return
        self._sock = None
        self._connected(sock)

    def _connected(self, sock: socket.socket) -> None:
        self._cancel()
        self._stood()
        self._stream.accept()
        endpoint = SocketEndpoint(self._readiness, self._patrol, sock, self._stream, lambda: self._done(None))
        endpoint.start()
        if self._finished:
            endpoint.finish()

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _note(self, number: int) -> None:
        self._refused = number == errno.ECONNREFUSED
        self._error = (_WORDS.get(number) or os.strerror(number)).rstrip(".").lower()

    def _on_timeout(self) -> None:
        self._error = f"no answer in {_WAIT:.0f} s"
        self._refused = False
        self._drop()
        self._fail()

    def _fail(self) -> None:
        self._cancel()
        self._stream.reset(Code.REFUSED if self._refused else Code.UNREACHABLE, self._error)
        self._done(self._error)

    def _drop(self) -> None:
        if self._sock:
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
            self._sock = None


def _peer(sock: socket.socket) -> object:
    """The address of the other end when the connection stands, which on loopback it does as soon as it is asked for."""
    try:
        return sock.getpeername()
    except OSError:
        return None


def _met_itself(sock: socket.socket, peer: object) -> int:
    """ECONNREFUSED when `sock` is connected to itself, else 0: nobody listens at an ephemeral port, and the system gave
    it to us (RFC 9293 §3.5, simultaneous open). It would echo, and keep the service from coming back."""
    if sock.getsockname() != peer:
        return 0
    reset_on_close(sock)
    return errno.ECONNREFUSED
