"""Standard input and output as the end of a stream, for ssh's ProxyCommand.

They may be pipes, sockets, files, a terminal or /dev/null, shared with other programs, on any system: what all of these
have in common is that a thread can block in `read` and `write` on them. So each has a thread, and a few pieces are on
their way between thread and loop: enough to keep both busy, few enough to hold back whoever is faster.
"""

import asyncio
import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from hushgate.protocol.frames import Code
from hushgate.protocol.stream import ByteStream, Half

_PIECE: Final = 64 * 1024
_PIECES: Final = 4
_Say = Callable[[Code, str], None]


class Stdio:
    """Joins `stream` to two descriptors (protocol.stream.Endpoint). `over` is called once: with DONE when both
    directions have ended and everything was written, or when nobody reads the output any more; else with the reset."""

    def __init__(self, stream: ByteStream, over: _Say, source: int = 0, sink: int = 1) -> None:
        self._stream = stream
        self._over: _Say | None = over
        self._source = source
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._room = threading.Semaphore(_PIECES)
        self._ended = False
        """The input is at its end."""
        self._unwritten = 0
        self._output: SimpleQueue[bytes] = SimpleQueue()

    def start(self) -> None:
        """Binds to the stream and begins to read."""
        self._stream.endpoint = self
        for work in (self._read, self._write):
            # A daemon: one that blocks in `read` must not keep the process.
            threading.Thread(target=work, name=f"stdio{work.__name__}", daemon=True).start()
        if self._stream.backlog or self._stream.receive is not Half.OPEN:
            self._stream.drain()

    # The stream's side.

    def take(self, n: int) -> bytes | None:
        pieces, parts = self._pieces, []
        while pieces and n:
            piece = pieces.popleft()
            if len(piece) > n:
                pieces.appendleft(piece[n:])
                piece = piece[:n]
            else:
                self._room.release()
            n -= len(piece)
            parts.append(piece)
        if not self._ended or pieces:
            return b"".join(parts)
        if parts:
            self._loop.call_soon(self._stream.ready)
            return b"".join(parts)
        self._perhaps_over()
        return None

    def data(self, view: memoryview) -> int:
        if self._unwritten >= _PIECES * _PIECE:
            return 0
        self._unwritten += len(view)
        self._output.put(bytes(view))
        return len(view)

    def finish(self) -> None:
        self._output.put(b"")

    def reset(self, code: Code, text: str) -> None:
        self._end(code, text)

    def opened(self) -> None:
        pass

    def datagram(self, view: memoryview) -> None:
        pass

    # The loop's side of the threads.

    def _arrived(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
        else:
            self._ended = True
        self._stream.ready()

    def _left(self, size: int) -> None:
        """So many bytes were written; 0: the output is closed."""
        self._unwritten -= size
        if size:
            self._stream.drain()
        else:
            self._perhaps_over()

    def _broken(self) -> None:
        if self._over:
            self._stream.reset(Code.ABORTED)
            self._end(Code.DONE, "")

    def _perhaps_over(self) -> None:
        # Called from `take` as well, whose None finishes the half only after it has returned.
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        if self._stream.gone and not self._unwritten:
            self._end(Code.DONE, "")

    def _end(self, code: Code, text: str) -> None:
        over, self._over = self._over, None
        if over:
            over(code, text)

    # The threads.

    def _read(self) -> None:
        piece = b"."
        while piece:
            self._room.acquire()
            try:
                piece = os.read(self._source, _PIECE)
            except BlockingIOError:  # Whoever shares it made it so.
                select.select([self._source], [], [])
                self._room.release()
                continue
            except OSError:
                piece = b""
            self._tell(self._arrived, piece)

    def _write(self) -> None:
        try:
            while piece := self._output.get():
                view = memoryview(piece)
                while view:
                    try:
                        view = view[os.write(self._sink, view) :]
                    except BlockingIOError:
                        select.select([], [self._sink], [])
                self._tell(self._left, len(piece))
            _close(self._sink)
            self._tell(self._left, 0)
        except OSError:
            self._tell(self._broken)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *arguments)


def _close(descriptor: int) -> None:
    """Lets the reader at the other end see the end, and keeps the number taken."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
