"""Every kind of pipe as a connected pair, client first, and a user that records what it hears."""

import asyncio
import os
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hushgate.link.link import Link
from hushgate.link.streampipe import StreamPipe
from hushgate.protocol.frames import GoAway, Open, Type
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream
from hushgate.transports import tcp, tls
from hushgate.transports.base import Message, Pipe
from hushgate.transports.memory import memory_pair
from hushgate.transports.ws import WebSocketPipe
from tests.transports.certificates import write_pair


class Probe:
    """Reads a pipe, checks its promises. `use` decides how many of the bytes shown it takes (default: all)."""

    def __init__(self, use: Callable[[memoryview], int] = len) -> None:
        self.use = use
        self.got = bytearray()
        self.views = 0
        self.error: str | None = None
        self.over = asyncio.Event()
        self.changed = asyncio.Event()
        self.on_writable: Callable[[], None] | None = None
        self._inside = False

    def received(self, view: memoryview) -> int:
        assert not self._inside, "received again inside received"
        assert not self.over.is_set(), "received after the end"
        assert view, "an empty view"
        self.views += 1
        self._inside = True
        used = self.use(view)
        self._inside = False
        self.got += view[:used]
        self.changed.set()
        return used

    def writable(self) -> None:
        assert not self.over.is_set(), "writable after the end"
        if self.on_writable is not None:
            self.on_writable()

    def ended(self, error: str | None) -> None:
        assert not self._inside, "ended inside received"
        assert not self.over.is_set(), "ended twice"
        self.error = error
        self.over.set()
        self.changed.set()

    async def wait_for(self, size: int) -> bytes:
        """Everything received, once that is `size` bytes."""
        while len(self.got) < size and not self.over.is_set():
            self.changed.clear()
            await self.changed.wait()
        return bytes(self.got)


class Feeder:
    """Writes `data` as messages of `size` bytes whenever the pipe is not full."""

    def __init__(self, pipe: Pipe, probe: Probe, data: bytes, size: int) -> None:
        self._pipe = pipe
        self._messages = [[data[at : at + size]] for at in range(0, len(data), size)][::-1]
        self.most_buffered = 0
        probe.on_writable = self.go

    def go(self) -> None:
        while self._messages and not self._pipe.full:
            batch: list[Message] = [self._messages.pop() for _ in range(min(3, len(self._messages)))]
            self._pipe.write(batch)
            self.most_buffered = max(self.most_buffered, self._pipe.buffered)


KINDS = ("memory", "memory-bytes", "tcp", "tls", "stream", "ws-memory", "ws-tcp", "ws-tcp-masked", "ws-tls")


@asynccontextmanager
async def connected(kind: str, buffers: int | None = None) -> AsyncIterator[tuple[Pipe, Pipe]]:
    """A pair of `kind`; `buffers` is the size of the server's socket buffers. Ends both pipes afterwards."""
    if kind == "stream":
        async with streams() as pair:
            yield pair
        return
    carrier = kind.split("-")[1] if kind.startswith("ws-") else kind
    if carrier.startswith("memory"):
        loop = asyncio.get_running_loop()
        left: Pipe
        right: Pipe
        left, right = memory_pair(loop=loop, capacity=buffers or 65536, chunk=1 if kind == "memory-bytes" else 1000)
    else:
        left, right = await _sockets(carrier, buffers)
    if kind.startswith("ws-"):
        left = WebSocketPipe(left, (lambda: os.urandom(4)) if kind.endswith("masked") else "zero")
        right = WebSocketPipe(right, None)
    try:
        yield left, right
    finally:
        ends = []
        for pipe in (left, right):
            pipe.abort("the test is over")
            pipe.switch(probe := Probe())
            ends.append(probe.over.wait())
        await asyncio.gather(*ends)


class _Owner:
    """Of a mux whose streams become pipes."""

    def __init__(self, *, dialler: bool) -> None:
        self.mux = Mux(self, dialler=dialler, now=time.monotonic(), random=random.random)
        self.arrived = asyncio.Event()
        self.pipe: StreamPipe

    def incoming(self, stream: Stream) -> None:
        self.pipe = StreamPipe(stream, "visitor")
        self.arrived.set()

    def gone(self, stream: Stream) -> None:
        return

    def handshake(self, type: Type, payload: bytes) -> None:
        return

    def goaway(self, away: GoAway) -> None:
        return

    def started(self) -> None:
        return


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[StreamPipe, StreamPipe]]:
    """Both ends of one stream, over a link in memory."""
    owners = _Owner(dialler=True), _Owner(dialler=False)
    ends = memory_pair(loop=asyncio.get_running_loop(), chunk=None)
    links = [Link(end, owner.mux, lambda *_: None) for end, owner in zip(ends, owners, strict=True)]
    for link in links:
        link.start(0)
    near = StreamPipe(owners[0].mux.open(Open("echo"), time.monotonic()), "home")
    await owners[1].arrived.wait()
    try:
        yield near, owners[1].pipe
    finally:
        over = []
        for pipe in (near, owners[1].pipe):
            pipe.abort("the test is over")
            pipe.switch(probe := Probe())
            over.append(probe.over.wait())
        await asyncio.gather(*over)
        for link in links:
            link.fence("the test is over")
        await asyncio.sleep(0)


async def _sockets(carrier: str, buffers: int | None) -> Sequence[Pipe]:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        if buffers is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        host, port = listener.getsockname()

        async def plain() -> Pipe:
            return await tcp.accept((await loop.sock_accept(listener))[0])

        if carrier == "tcp":
            return await asyncio.gather(tcp.connect(host, port), plain())
        with tempfile.TemporaryDirectory() as folder:
            pair = write_pair(Path(folder))
            server, context = tls.TlsServer(*pair), tls.client_context(pair[0])

        async def secure() -> Pipe:
            return await tls.accept((await loop.sock_accept(listener))[0], server)

        return await asyncio.gather(tls.connect(host, port, context), secure())
