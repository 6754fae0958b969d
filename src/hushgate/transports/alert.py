"""The alert that tells a client why its ClientHello is refused, as nginx sends it.

OpenSSL writes the alert, but asyncio and aiofastnet drop what it has written when a handshake fails, and just close:
four of JARM's ten ClientHellos would tell them from nginx. What OpenSSL answers to a ClientHello that it refuses
depends on those bytes and its settings alone. So the bytes are looked at before the transport takes them; when the
handshake fails OpenSSL is asked again, apart from any connection, and the answer goes out over a second descriptor,
since the transport has closed its own.

An alert after the ServerHello depends on the keys of that one handshake; such a connection just ends.
"""

import contextlib
import socket
import ssl
from types import TracebackType
from typing import Final, Self

_PEEK: Final = 16 * 1024 + 5
"""Bytes: the largest record and its header (RFC 8446 §5.1)."""


class FirstFlight:
    """Leaving the block by an `ssl.SSLError` sends the alert for what the peer of `sock` had sent before the block."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._context = context
        self._twin: socket.socket | None = None
        self._sent = b""

    def __enter__(self) -> Self:
        # Out of descriptors, or the peer has gone: no alert then, and the handshake takes its course.
        with contextlib.suppress(OSError):
            self._sock.setblocking(False)
            self._sent = self._sock.recv(_PEEK, socket.MSG_PEEK)
            self._twin = self._sock.dup()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._twin is None:
            return
        with self._twin, contextlib.suppress(OSError):
            if isinstance(error, ssl.SSLError):
                self._twin.send(alert(self._sent, self._context))


def alert(flight: bytes, context: ssl.SSLContext) -> bytes:
    """The record with which `context`, a server's, refuses a connection that begins with `flight`; empty if it does
    not."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(flight)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return b""
    except ssl.SSLError:
        return outgoing.read()
    return b""
