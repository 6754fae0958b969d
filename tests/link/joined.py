"""Two muxes joined by links over a pair of memory pipes, and socket endpoints at both ends of one stream."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from hushgate.link.endpoint import SocketEndpoint
from hushgate.link.link import Link
from hushgate.link.patrol import Patrol
from hushgate.link.readiness import readiness
from hushgate.protocol.frames import Code, GoAway, Open, Type
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream
from hushgate.transports.memory import MemoryPipe, memory_pair
from tests.protocol.pair import Memory


class Side:
    """Owner of one mux; binds every incoming stream to `sock`."""

    def __init__(self, *, dialler: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.readiness = readiness(self.loop)
        self.mux = Mux(self, dialler=dialler, now=time.monotonic(), random=random.random)
        self.link: Link
        self.reasons: list[str] = []
        self.gone_streams = 0
        self.closed = 0
        self.away: list[GoAway] = []
        self.sock: socket.socket | None = None
        self.patrol = Patrol()

    def attach(self, pipe: MemoryPipe, received: int = 0) -> None:
        self.link = Link(pipe, self.mux, lambda _link, reason: self.reasons.append(reason))
        self.link.start(received)

    def bind(self, stream: Stream, sock: socket.socket) -> None:
        SocketEndpoint(self.readiness, self.patrol, sock, stream, self._done).start()

    def _done(self) -> None:
        self.closed += 1

    def incoming(self, stream: Stream) -> None:
        assert self.sock is not None
        self.bind(stream, self.sock)

    def gone(self, stream: Stream) -> None:
        self.gone_streams += 1

    def started(self) -> None:
        return

    def handshake(self, type: Type, payload: bytes) -> None:
        return

    def goaway(self, away: GoAway) -> None:
        self.away.append(away)


class Voice(Memory):
    """An endpoint in memory on a running link: what it is to say leaves without further ado."""

    def take(self, n: int) -> bytes | None:
        data = super().take(n)
        if data and len(data) < n and self.ends:
            asyncio.get_running_loop().call_soon(self.stream.ready)
        return data

    def say(self, data: bytes, *, ends: bool = False) -> None:
        self.out += data
        self.ends = ends
        self.stream.ready()


@dataclass
class Joined:
    """`visitor` and `service` are the outer ends, which a test plays."""

    near: Side
    far: Side
    pipes: tuple[MemoryPipe, MemoryPipe]
    visitor: socket.socket
    service: socket.socket
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def freed(self) -> bool:
        """Whether the stream is forgotten and both inner sockets are closed."""
        return not self.near.mux.streams and not self.far.mux.streams and self.near.closed == self.far.closed == 1

    def relink(self, claimed: int | None = None) -> None:
        """Another link, after the first was cut. `claimed`: how many frames the far side says it has."""
        received = self.near.mux.received, self.far.mux.received
        self.pipes = memory_pair(loop=self.near.loop)
        self.near.attach(self.pipes[0], received[1] if claimed is None else claimed)
        self.far.attach(self.pipes[1], received[0])


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking TCP sockets: unlike a socketpair they know RST."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    for end in (one, other):
        end.setblocking(False)
    return one, other


@contextlib.asynccontextmanager
async def joined() -> AsyncIterator[Joined]:
    """visitor ── near ══ memory pipes ══ far ── service, with a stream that stands."""
    near, far = Side(dialler=True), Side(dialler=False)
    pipes = memory_pair(loop=near.loop)
    (visitor, inner), (service, far.sock) = tcp_pair(), tcp_pair()
    near.attach(pipes[0])
    far.attach(pipes[1])
    near.bind(near.mux.open(Open("echo"), time.monotonic()), inner)
    made = Joined(near, far, pipes, visitor, service)
    for _ in range(1000):
        if far.mux.streams:
            break
        await asyncio.sleep(0)
    try:
        yield made
    finally:
        for side in (near, far):
            for stream in list(side.mux.streams.values()):
                side.mux.abort(stream, Code.DONE)
            side.link.fence("the test is over")
        visitor.close()
        service.close()
        await asyncio.sleep(0)
