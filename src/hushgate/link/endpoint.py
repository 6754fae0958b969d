"""The local end of a stream: a connected, non-blocking socket (see protocol.stream.Endpoint).

The data path. `take` receives from the socket when the stream has its turn, so the bytes object that the kernel
filled is the payload that leaves, and stays for replay: no copy. A stream that may send frames of the largest size
gets several of them from one call, and gives them away one by one. `data` sends a slice of the link's read buffer;
only what the kernel refuses stays behind, in the mux.

Readiness is level-triggered: a socket with unread bytes would call back in every turn while its stream waits for the
pipe, or for credit. So the first call back that finds the stream already waiting stops watching, and the `take` that
empties the socket watches again. While there is no pressure neither happens. Sockets that stand still are looked at by
a patrol, for their reset may call nobody.
"""

import contextlib
import socket
from collections.abc import Callable

from hushgate.link.patrol import Patrol
from hushgate.link.readiness import Readiness
from hushgate.protocol.frames import Buffer, Code
from hushgate.protocol.limits import PAYLOAD_MAX
from hushgate.protocol.stream import ByteStream, Half
from hushgate.transports.stream import LINGER_ZERO

_BULK = PAYLOAD_MAX - 1024
"""Who is asked for so much at once is asked for more soon after."""
_AHEAD = 4
"""Frames received in one call then, which costs a third less, and what follows runs on a warm cache. Not when more
streams than this want to send: each would hold a quarter of a megabyte until its turn."""


def reset_on_close(sock: socket.socket) -> None:
    """Makes `sock` say RST instead of FIN when it is closed."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)


class SocketEndpoint:
    """Joins `sock` to `stream`. `done` is called once, when the socket is closed."""

    __slots__ = (
        "_ahead",
        "_done",
        "_fd",
        "_patrol",
        "_readiness",
        "_reading",
        "_recv",
        "_seen",
        "_send",
        "_sock",
        "_stream",
        "_watching",
        "_writing",
    )

    def __init__(
        self, readiness: Readiness, patrol: Patrol, sock: socket.socket, stream: ByteStream, done: Callable[[], None]
    ) -> None:
        self._readiness = readiness
        self._patrol = patrol
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._stream = stream
        self._done = done
        self._ahead: Buffer = b""
        """Received and not yet taken. The latest `take` returned all that it was asked for then, so another follows."""
        self._watching = False
        self._writing = False
        self._reading = True
        self._seen = 0

    def start(self) -> None:
        """Binds to the stream and begins to read. What has arrived already is written."""
        stream = self._stream
        stream.endpoint = self
        self._patrol.join(self)
        self._watch()
        if stream.backlog or stream.receive is not Half.OPEN:
            stream.drain()

    def take(self, n: int) -> Buffer | None:
        data = self._ahead
        if data:
            self._ahead = b""
        else:
            try:
                data = self._recv(_AHEAD * n if n >= _BULK and self._stream.rivals < _AHEAD else n)
            except BlockingIOError:
                self._watch()
                return b""
            except OSError:
                self._broken()
                return b""
            if not data:
                self._reading = False
                self._unwatch()
                if self._stream.receive is Half.FINISHED and not self._stream.backlog:
                    self._close()
                return None
        if len(data) > n:
            view = memoryview(data)
            self._ahead = view[n:]
            return view[:n]
        if len(data) < n:
            self._watch()
        return data

    def data(self, view: memoryview) -> int:
        try:
            sent = self._send(view)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broken()
            return len(view)
        if sent < len(view) and not self._writing:
            self._writing = True
            self._readiness.add_writer(self._fd, self._on_writable)
        return sent

    def finish(self) -> None:
        self._stop_writing()
        if self._reading:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
        else:
            self._close()

    def reset(self, code: Code, text: str) -> None:
        if code is not Code.DONE:
            reset_on_close(self._sock)
        self._close()

    def opened(self) -> None:
        pass

    def datagram(self, view: memoryview) -> None:
        pass

    def look(self) -> None:
        """Ends the stream when the socket broke and bytes that it still holds did not move since the last look
        (link.patrol.Post)."""
        seen, self._seen = self._seen, self._stream.sent
        if self._seen == seen and _broke(self._sock, peek=not self._watching):
            self._broken()

    def _on_readable(self) -> None:
        stream = self._stream
        if stream.listed or stream.starved:
            self._unwatch()
        else:
            stream.ready()
            if stream.starved:
                self._unwatch()

    def _on_writable(self) -> None:
        self._stream.drain()
        if not self._stream.backlog:
            self._stop_writing()

    def _broken(self) -> None:
        self._stream.reset(Code.ABORTED)
        self._close()

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._readiness.add_reader(self._fd, self._on_readable)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._readiness.remove_reader(self._fd)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._readiness.remove_writer(self._fd)

    def _close(self) -> None:
        self._unwatch()
        self._stop_writing()
        if self._fd >= 0:
            self._fd = -1
            self._patrol.leave(self)
            self._sock.close()
            self._done()


def _broke(sock: socket.socket, *, peek: bool) -> bool:
    """Whether a reset came, or the system gave the connection up; bytes that wait, or an end in order, are no sign of
    it. The answer is given once. `peek`: also by looking what could be read, for Windows, whose SO_ERROR tells of
    connecting only."""
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        if peek:
            sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
