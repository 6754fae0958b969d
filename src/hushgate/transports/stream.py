"""TCP and TLS connections as pipes, over an asyncio transport: aiofastnet's when it is installed, else the loop's own.

Reading. The transport reads straight into our buffer (BufferedProtocol); `_start` and `_stop` bound what is unread in
it. A user normally uses everything, or all but a cut-off message at the end; those few bytes stay where they are and
the next read goes behind them. Only when the room behind them runs short do they move to the front. Before the first
user comes, and while the user pauses, further bytes wait in the kernel.

Writing. One small buffer goes as it is; several small ones are joined, since one copy is cheaper than a gathered
write of many; large ones are gathered without a copy. Two transports always get one buffer: TLS, which would seal
each buffer, a frame's header of eight bytes for instance, into a record of its own, and asyncio's, whose `writelines`
forgot the flow control in several releases of CPython (gh-127655) and copies in others.

Ending. A TCP pipe that closes sends its FIN and goes on reading into the void until the peer's, because a socket that
is closed over unread bytes sends a reset, and that can destroy what the peer has not read yet. TLS has no half-close;
its transport sends close_notify and waits likewise. CLOSE_WAIT bounds both.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Sequence
from typing import cast

from hushgate.config.model import Tcp
from hushgate.protocol.limits import (
    CLOSE_WAIT,
    JOIN_MAX,
    RECEIVE_FIRST,
    RECEIVE_HEAD,
    RECEIVE_ROOMY,
    WRITE_HIGH,
    WRITE_LOW,
)
from hushgate.transports.base import Message, Pipe, PipeUser

_PAUSED_MAX = 1 << 20
"""What a TLS transport may still deliver when reading is paused: a buffer that it has read, and another one."""
_ROOM_MIN = 4096
"""A read with less room than this is not worth its system call."""
_AT_FIRST = Tcp(keepalive_secs=0)
"""Until a pipe is a link's: nginx, whom strangers expect, sends no probes."""
LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER with which a socket that is closed sends RST."""
_KEEPALIVE_IDLE: int | None = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
"""macOS has the second name for it."""


class SocketPipe(Pipe, asyncio.BufferedProtocol):
    """A pipe over a connected stream socket."""

    def __init__(self, kind: str, peer: str) -> None:
        super().__init__(kind, peer)
        self._buffer = memoryview(bytearray(RECEIVE_FIRST))
        self._limit = RECEIVE_HEAD
        self._start = self._stop = 0
        self._reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._gathers = False
        self._lost = False
        self._stopped = False
        """The transport does not read."""
        self._pausing: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        self._gathers = self.kind != "tls" and not type(transport).__module__.startswith("asyncio.")
        self.tune(_AT_FIRST)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._start == self._stop or self._closing:
            self._start = self._stop = 0
        elif len(self._buffer) - self._stop < max(_ROOM_MIN, len(self._buffer) // 4):
            crowded = 2 * (self._stop - self._start) > len(self._buffer)
            most = _PAUSED_MAX if self._paused else max(self._limit, len(self._buffer))
            self._relocate(min(len(self._buffer) * (2 if crowded else 1), most), 0)
        return self._buffer[self._stop :]

    def buffer_updated(self, nbytes: int) -> None:
        self._stop += nbytes
        if self._paused:
            # Read before the pause took effect.
            return
        if self._user is None:
            # Not in connection_made: uvloop starts reading after it, paused or not.
            self._stop_reading()
        elif not self._closing:
            self._show()
            if self._stop - self._start >= self._limit and not self._paused:
                self.abort(f"{self.peer}: {self._limit} bytes were received and not read")

    def eof_received(self) -> None:
        self._end(self._reason)
        self._expect_end()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        # Not from here: uvloop's TLS transport does not stand a write inside this callback.
        self._loop.call_soon(self._tell_writable)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._full = False
        if self._closing and isinstance(exc, ssl.SSLError):
            # asyncio's TLS complains of what the peer sent before it read our close_notify.
            exc = None
        self._end(self._reason or (describe(exc) if exc else None))

    @property
    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def switch(self, user: PipeUser) -> None:
        if self._user is None and not self._closing and not self._paused:
            self._release()
        super().switch(user)

    def write(self, messages: Sequence[Message]) -> None:
        if self._closing:
            return
        if len(messages) == 1:
            buffers = messages[0]
            if len(buffers) == 1:
                self._transport.write(buffers[0])
                return
        else:
            buffers = [buffer for message in messages for buffer in message]
        if self._gathers and sum(map(len, buffers)) > JOIN_MAX:
            self._transport.writelines(buffers)
        else:
            self._transport.write(b"".join(buffers))

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        self._expect_end()

    def abort(self, error: str) -> None:
        if not self._over:
            self._closing = True
            self._reason = self._reason or error
        if not self._lost:
            self._transport.abort()

    def break_off(self, error: str) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._lost:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.abort(error)

    def tune(self, options: Tcp) -> None:
        """Sets the options of the socket, which may have ended already."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                _tune(sock, options)

    def roomy(self) -> None:
        if self._limit < RECEIVE_ROOMY:
            self._limit = RECEIVE_ROOMY
            self._relocate(RECEIVE_ROOMY, self._start)

    def _hold(self) -> None:
        if self.kind == "tls":
            # aiofastnet breaks off a connection that is paused over bytes it has not decrypted yet, and then resumed.
            self._pausing = self._pausing or self._loop.call_soon(self._stop_reading)
        else:
            self._stop_reading()

    def _release(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None
        if self._stopped and not self._lost:
            self._stopped = False
            self._transport.resume_reading()

    def _stop_reading(self) -> None:
        self._pausing = None
        if not self._stopped and not self._lost:
            self._stopped = True
            self._transport.pause_reading()

    def _unread(self) -> memoryview:
        return self._buffer[self._start : self._stop]

    def _used(self, size: int) -> None:
        self._start += size

    def _relocate(self, size: int, start: int) -> None:
        """Moves the unread bytes to `start` of a buffer of `size`, which is a new one if this one is smaller. Views of
        the old buffer stay intact."""
        unread = self._unread()
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        self._start, self._stop = start, start + len(unread)
        self._buffer[self._start : self._stop] = unread

    def _tell_writable(self) -> None:
        if not self._full and not self._closing and self._user is not None:
            self._user.writable()

    def _expect_end(self) -> None:
        if self._paused and not self._lost:
            # The peer's end is behind what nobody will read.
            self._paused = False
            self._release()
        if self._timer is None:
            self._timer = self._loop.call_later(CLOSE_WAIT, self.abort, "the peer did not end the closed connection")


def describe(error: BaseException) -> str:
    """What went wrong with a connection, in words without its address."""
    match error:
        case ConnectionRefusedError():
            return "the connection was refused"
        case ConnectionResetError():
            return "the peer reset the connection"
        case BrokenPipeError() | ConnectionAbortedError():
            return "the connection broke while sending"
        case TimeoutError():
            return "the connection timed out"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return "the name cannot be resolved"
        case OSError():
            return (error.strerror or str(error) or type(error).__name__).lower()
    return str(error) or type(error).__name__


def _tune(sock: socket.socket, options: Tcp) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, options.nodelay)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, options.keepalive_secs > 0)
    if options.keepalive_secs and _KEEPALIVE_IDLE is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _KEEPALIVE_IDLE, options.keepalive_secs)
    if options.keepalive_secs and options.keepalive_interval:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, options.keepalive_interval)
