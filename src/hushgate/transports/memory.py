"""Two pipes joined in memory, over a path whose faults can be scripted.

Each direction is a Path: bytes written wait in it, at most `capacity` of them count as taken by the kernel, and they
arrive in pieces of `chunk` bytes, `delay` seconds after they were sent at `rate` bytes a second. A path can stall, and
it can be cut after its Nth byte: that byte still arrives, nothing after it does, and both ends break.

Without a loop nothing moves until `pump` is called, so that a test decides every step. With a loop the pair moves by
itself, through call_soon and call_later.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from hushgate.protocol.limits import KIB, RECEIVE_ROOMY, WRITE_HIGH, WRITE_LOW
from hushgate.transports.base import Message, Pipe

CUT = "the memory pipe was cut"


class Path:
    """One direction. All attributes may be changed at any time; what is under way keeps its arrival time."""

    def __init__(self, capacity: int, chunk: int | None, delay: float, rate: float | None) -> None:
        self.capacity = capacity
        self.chunk = chunk
        self.delay = delay
        self.rate = rate
        self.cut: int | None = None
        """The path breaks when it has delivered this many bytes."""
        self.stalled = False
        self.delivered = 0
        self.waiting = 0
        """Bytes written and not delivered."""
        self._pieces: deque[tuple[float, memoryview]] = deque()
        self._finish: float | None = None
        self._free = 0.0

    def put(self, data: bytes, now: float) -> None:
        self._free = max(self._free, now) + (len(data) / self.rate if self.rate else 0.0)
        self._pieces.append((self._free + self.delay, memoryview(data)))
        self.waiting += len(data)

    def finish(self, now: float) -> None:
        """Everything has been put."""
        self._finish = max(self._free, now) + self.delay

    def due(self) -> float | None:
        """When something arrives next: a piece, the end or the cut. None: never, as things stand."""
        if self.stalled:
            return None
        if self.delivered == self.cut:
            return 0.0
        return self._pieces[0][0] if self._pieces else self._finish

    def take(self) -> bytes:
        """The next piece that arrives; empty at the end of everything."""
        if not self._pieces:
            return b""
        due, piece = self._pieces.popleft()
        size = min(len(piece), self.chunk or len(piece))
        if self.cut is not None:
            size = min(size, max(self.cut - self.delivered, 0))
        if size < len(piece):
            self._pieces.appendleft((due, piece[size:]))
        self.delivered += size
        self.waiting -= size
        return bytes(piece[:size])


class MemoryPipe(Pipe):
    """One end of a pair. `path` is the direction that it writes to."""

    def __init__(self, peer: str, pair: "_Pair", path: Path) -> None:
        super().__init__("memory", peer)
        self.path = path
        self.other: MemoryPipe
        self._pair = pair
        self._received = bytearray()
        self._reason: str | None = None

    @property
    def buffered(self) -> int:
        return max(0, self.path.waiting - self.path.capacity)

    def write(self, messages: Sequence[Message]) -> None:
        if self._closing:
            return
        data = b"".join(buffer for message in messages for buffer in message)
        if data:
            self.path.put(data, self._pair.clock())
        self._full = self._full or self.buffered > WRITE_HIGH
        self._pair.wake()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.path.finish(self._pair.clock())
            self._pair.wake()

    def abort(self, error: str) -> None:
        if not self._over:
            self._closing = True
            self._reason = self._reason or error
            self._pair.wake()

    def _hold(self) -> None:
        return

    def _release(self) -> None:
        self._pair.wake()

    def wake(self) -> None:
        """After a change of `path` that lets something move which stood still, when a loop drives the pair."""
        self._pair.wake()

    def pump(self) -> bool:
        """Lets what is due arrive, at most one piece in each direction. False when nothing was."""
        return self._pair.pump()

    def settle(self) -> None:
        """Pumps until nothing is due."""
        while self._pair.pump():
            pass

    def arrive(self) -> bool:
        """One step of the pair: whether anything happened at this end."""
        if self._over:
            return False
        if self._reason is not None:
            self._end(self._reason)
            self.other._end("the peer aborted")
            return True
        return self._arrived(self.other.path)

    def _arrived(self, path: Path) -> bool:
        due = path.due()
        if due is None or due > self._pair.clock() or (self._paused and not self._closing):
            return False
        if path.delivered == path.cut:
            self._end(CUT)
            self.other._end(CUT)
            return True
        data = path.take()
        if not data:
            self._end(None)
            self.other._end(None)
            return True
        if not self._closing:
            self._received += data
            self._show()
            if len(self._received) >= RECEIVE_ROOMY:
                self.abort(f"{self.peer}: {RECEIVE_ROOMY} bytes were received and not read")
        self.other.drained()
        return True

    def next_arrival(self) -> float | None:
        """When something arrives here, on the pair's clock."""
        return None if self._over or (self._paused and not self._closing) else self.other.path.due()

    def drained(self) -> None:
        """Bytes of ours arrived."""
        if self._full and self.buffered <= WRITE_LOW:
            self._full = False
            if self._user is not None and not self._closing:
                self._user.writable()

    def _unread(self) -> memoryview:
        return memoryview(self._received)

    def _used(self, size: int) -> None:
        del self._received[:size]


class _Pair:
    """What drives both ends."""

    def __init__(self, clock: Callable[[], float], loop: asyncio.AbstractEventLoop | None) -> None:
        self.clock = clock
        self.ends: tuple[MemoryPipe, ...] = ()
        self._loop = loop
        self._timer: asyncio.Handle | None = None

    def pump(self) -> bool:
        return any([end.arrive() for end in self.ends])

    def wake(self) -> None:
        """Has the loop pump at once, which finds out when the next time is."""
        if self._loop is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._timer = None
        if self.pump():
            self.wake()
        elif self._loop is not None and self._timer is None:
            moments = [due for end in self.ends if (due := end.next_arrival()) is not None]
            if moments:
                self._timer = self._loop.call_later(max(0.0, min(moments) - self.clock()), self._turn)


def memory_pair(
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    clock: Callable[[], float] | None = None,
    capacity: int = 64 * KIB,
    chunk: int | None = None,
    delay: float = 0.0,
    rate: float | None = None,
) -> tuple[MemoryPipe, MemoryPipe]:
    """Two ends of one connection. `clock` (default: the loop's, or one that stands still) times `delay` (seconds) and
    `rate` (bytes a second). Each direction can be changed later through its writer's `path`."""
    pair = _Pair(clock or (loop.time if loop else lambda: 0.0), loop)
    left = MemoryPipe("right", pair, Path(capacity, chunk, delay, rate))
    right = MemoryPipe("left", pair, Path(capacity, chunk, delay, rate))
    left.other, right.other = right, left
    pair.ends = (left, right)
    return left, right
