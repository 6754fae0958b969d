"""A stream of a session as a pipe, for whoever reads and writes bytes in this process: the HTTP gateway, TLS visitors.

What is written waits here, not in the mux, until the stream has its turn. Then one large buffer leaves without a copy,
in as many frames as it takes, and small ones are joined. `full` follows the same marks as a socket's write buffer. What
arrives is shown from the link's own buffer; a pause leaves it in the stream's backlog, so that credit holds the peer
back.

Unlike a socket a stream knows what has left: `unsent` gives back what has not, when nothing of it has.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from hushgate.protocol.frames import Buffer, Code
from hushgate.protocol.limits import CLOSE_WAIT, RECEIVE_ROOMY, WRITE_HIGH, WRITE_LOW
from hushgate.protocol.stream import ByteStream
from hushgate.transports.base import Message, Pipe, PipeUser


class StreamPipe(Pipe):
    """The user's end of `stream` (protocol.stream.Endpoint). `code`: what the peer reset it with, if it did."""

    def __init__(self, stream: ByteStream, peer: str) -> None:
        super().__init__("stream", peer)
        self.code: Code | None = None
        self._stream = stream
        self._queue: deque[Buffer] = deque()
        self._queued = 0
        self._untouched = False
        self._finished = False
        self._left = bytearray()
        """What the user did not use of what it was shown."""
        self._linger: asyncio.TimerHandle | None = None
        stream.endpoint = self

    @property
    def buffered(self) -> int:
        return self._queued

    def mark(self) -> None:
        """What is written from here on belongs together: `unsent` gives back all of it or nothing."""
        self._untouched = not self._queue

    def unsent(self) -> list[Buffer] | None:
        """What was written since the mark, when no byte of it has left."""
        return list(self._queue) if self._untouched else None

    def switch(self, user: PipeUser) -> None:
        super().switch(user)
        if not self._closing and not self._paused:
            self._release()

    def write(self, messages: Sequence[Message]) -> None:
        if self._closing:
            return
        for message in messages:
            for buffer in message:
                if buffer:
                    self._queue.append(buffer)
                    self._queued += len(buffer)
        if self._queued > WRITE_HIGH:
            self._full = True
        if self._queue:
            self._stream.ready()

    def close(self) -> None:
        if not self._closing:
            self._closing = self._finished = True
            self._stream.ready()
            self._linger = asyncio.get_running_loop().call_later(CLOSE_WAIT, self._on_overdue)
            self._release()

    def abort(self, error: str) -> None:
        if not self._over:
            self._leave(Code.ABORTED, error)

    def drop(self) -> None:
        """Nobody needs the stream any more: as `abort`, but in order."""
        if not self._over:
            self._leave(Code.DONE, None)

    # The stream's side.

    def take(self, n: int) -> Buffer | None:
        queue = self._queue
        if not queue:
            return None if self._finished else b""
        self._untouched = False
        first = self._cut(n)
        if len(first) < n and queue:
            parts, size = [first], len(first)
            while queue and size < n:
                parts.append(part := self._cut(n - size))
                size += len(part)
            first = b"".join(parts)
        self._queued -= len(first)
        if self._finished and not queue:
            # The end is a turn of its own.
            self._stream.ready()
        if self._full and self._queued <= WRITE_LOW:
            self._full = False
            # Not from here: a source may not be asked to write while its stream has its turn.
            asyncio.get_running_loop().call_soon(self._tell_writable)
        return first

    def data(self, view: memoryview) -> int:
        if self._closing:
            return len(view)
        user = self._user
        if self._paused or user is None or self._showing:
            return 0
        if self._left:
            self._left += view
            self._show()
            self._require_room()
            return len(view)
        self._showing, self._resumed = True, False
        try:
            used = user.received(view)
        finally:
            self._showing = False
        if used < len(view) and not self._closing:
            self._left += view[used:]
            if self._user is not user or self._resumed:
                self._show()
        self._require_room()
        return len(view)

    def finish(self) -> None:
        self._finished = True
        self._gone(None)
        self._stream.ready()

    def reset(self, code: Code, text: str) -> None:
        self.code = code
        self._gone(text or code.name.lower())

    def opened(self) -> None:
        pass

    def datagram(self, view: memoryview) -> None:
        pass

    def _cut(self, n: int) -> Buffer:
        """The first `n` bytes of the first buffer, which are not copied for that."""
        first = self._queue.popleft()
        if len(first) <= n:
            return first
        view = memoryview(first)
        self._queue.appendleft(view[n:])
        return view[:n]

    def _hold(self) -> None:
        return

    def _release(self) -> None:
        if not self._showing:
            self._stream.drain()

    def _unread(self) -> memoryview:
        return memoryview(self._left)

    def _used(self, size: int) -> None:
        del self._left[:size]

    def _require_room(self) -> None:
        if len(self._left) > RECEIVE_ROOMY:
            self.abort(f"{self.peer}: {len(self._left)} bytes were received and not read")

    def _tell_writable(self) -> None:
        if not self._full and not self._closing and self._user is not None:
            self._user.writable()

    def _on_overdue(self) -> None:
        """The peer does not end the stream that we have closed, or takes nothing more."""
        if self._queue:
            self._linger = asyncio.get_running_loop().call_later(CLOSE_WAIT, self._on_overdue)
        else:
            self._stream.reset(Code.DONE, "")
            self._gone(None)

    def _stop_clock(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _leave(self, code: Code, error: str | None) -> None:
        self._closing = True
        self._stream.reset(code, "")
        # The user may be inside `received`.
        asyncio.get_running_loop().call_soon(self._gone, error)

    def _gone(self, error: str | None) -> None:
        self._stop_clock()
        self._end(error)
        self._queue.clear()
        self._queued = 0
