"""How often the gateways copy a body: once in each direction, out of the buffer in which it was received.

A chunked one is copied by llhttp as well, which takes it out of its chunks. Every other copy that is alive at the same
time shows in the most memory that handing one large piece on needs.
"""

import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from hushgate.client.gate import LocalWay
from hushgate.config.model import Limits, Timing
from hushgate.edge.gateway import Gateway
from hushgate.edge.judge import Rules
from hushgate.edge.rewrite import Peer
from hushgate.edge.sides import HomeWire, Site, Wire
from hushgate.edge.stage import State
from hushgate.link.lobby import Lobby
from hushgate.link.streampipe import StreamPipe
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.limits import PAYLOAD_MAX
from hushgate.protocol.stream import Stream
from hushgate.server.wayhome import Destination, WayHome
from hushgate.tasks import Tasks
from hushgate.transports.base import Message, Pipe
from tests.aio import run
from tests.link.joined import Side

PIECE = 4 * 1024 * 1024
BODY = memoryview(bytearray(PIECE))
"""As a pipe shows it: not immutable, so it cannot be handed on as it is."""
HOST = b"127.0.0.1:80"
SITE = Site("s", Rules("s"))
ASK = b"%b / HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
SWITCH = b"Connection: Upgrade\r\nUpgrade: raw\r\n"
CHUNK = b"%x\r\n" % PIECE

REQUESTS = {
    "length": (ASK % (b"POST", b"Content-Length: %d\r\n" % (4 * PIECE)), 1),
    "chunked": (ASK % (b"POST", b"Transfer-Encoding: chunked\r\n") + CHUNK, 2),
}
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * PIECE), 1),
    "until its end": (b"HTTP/1.0 200 OK\r\n\r\n", 1),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK, 2),
}


class Socket(Pipe):
    """A pipe whose other end takes everything at once."""

    buffered = 0

    def __init__(self) -> None:
        super().__init__("memory", "test")
        self._passed = 0

    def took(self) -> int:
        """The bytes written since the last time."""
        passed, self._passed = self._passed, 0
        return passed

    def write(self, messages: Sequence[Message]) -> None:
        self._passed += sum(len(buffer) for message in messages for buffer in message)

    def close(self) -> None:
        return

    def abort(self, error: str) -> None:
        return

    def _hold(self) -> None:
        return

    def _release(self) -> None:
        return

    def _unread(self) -> memoryview:
        return memoryview(b"")

    def _used(self, size: int) -> None:
        return


class Owner:
    def now(self) -> float:
        return 0.0

    def over(self) -> None:
        return

    def give_back(self, head: bytes) -> None:
        return


@dataclass
class Rig:
    """A gateway between a socket and a stream. `say` is the visitor, `answer` home; `left_for_home` and
    `left_for_visitor` give the bytes that went on since the last time."""

    gateway: Gateway
    side: Side
    say: Callable[[memoryview], int]
    answer: Callable[[memoryview], int]
    left_for_home: Callable[[], int]
    left_for_visitor: Callable[[], int]


def taken(stream: Stream) -> int:
    """Takes all that waits in a stream, as the mux does."""
    size = 0
    while piece := stream.endpoint.take(PAYLOAD_MAX):
        size += len(piece)
    return size


class Route:
    up = True

    def __init__(self, side: Side) -> None:
        self.side = side
        self.stream: Stream

    def open(self, what: Open) -> Stream:
        self.stream = self.side.mux.open(what, time.monotonic())
        return self.stream


def gateway_of(visitor: Wire, home: HomeWire) -> Gateway:
    return Gateway(SITE, Peer("192.0.2.7"), visitor, home, Owner())


async def at_the_server(ask: bytes) -> Rig:
    side, socket = Side(dialler=False), Socket()
    route = Route(side)
    lobby = Lobby(lambda: route, lambda _now: 0.0, Timing(visitor_wait=9.0), Limits())
    way = WayHome(Destination("s", lambda: route, lambda: HOST, lobby), 5000)
    gateway = way.user = gateway_of(socket, way)
    assert gateway.received(memoryview(ask)) == len(ask)
    stream = route.stream
    return Rig(gateway, side, gateway.received, stream.endpoint.data, lambda: taken(stream), socket.took)


async def at_home(ask: bytes) -> Rig:
    side, socket, tasks = Side(dialler=False), Socket(), Tasks("test")
    stream = side.mux.open(Open("s"), time.monotonic())

    async def dial() -> Pipe:
        return socket

    way = LocalWay(HOST, dial, tasks)
    pipe = StreamPipe(stream, "visitor")
    gateway = way.user = gateway_of(pipe, way)
    pipe.switch(gateway)
    stream.endpoint.data(memoryview(ask))
    await tasks.settle(5.0)
    return Rig(gateway, side, stream.endpoint.data, gateway.from_home, socket.took, lambda: taken(stream))


def copies(pass_on: Callable[[memoryview], int], left: Callable[[], int]) -> float:
    """The copies of BODY that were alive together until all of it had left."""
    left()
    tracemalloc.start()
    try:
        assert pass_on(BODY) == PIECE
        assert left() >= PIECE
        return tracemalloc.get_traced_memory()[1] / PIECE
    finally:
        tracemalloc.stop()


both_gateways = pytest.mark.parametrize("rig", [at_the_server, at_home])
Make = Callable[[bytes], Awaitable[Rig]]


@both_gateways
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request(rig: Make, kind: str) -> None:
    async def main() -> None:
        ask, most = REQUESTS[kind]
        made = await rig(ask)
        assert made.gateway.state is State.BODY
        assert copies(made.say, made.left_for_home) < most + 0.1
        made.side.mux.end(Code.DONE, "")

    run(main())


@both_gateways
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_response(rig: Make, kind: str) -> None:
    async def main() -> None:
        head, most = ANSWERS[kind]
        made = await rig(ASK % (b"GET", b""))
        made.answer(memoryview(head))
        assert copies(made.answer, made.left_for_visitor) < most + 0.1
        made.side.mux.end(Code.DONE, "")

    run(main())


@both_gateways
def test_after_a_switch_of_protocols(rig: Make) -> None:
    async def main() -> None:
        made = await rig(ASK % (b"GET", SWITCH))
        made.answer(memoryview(b"HTTP/1.1 101 Switching\r\n" + SWITCH + b"\r\n"))
        assert made.gateway.state is State.TUNNEL
        assert copies(made.say, made.left_for_home) < 1.1
        assert copies(made.answer, made.left_for_visitor) < 1.1
        made.side.mux.end(Code.DONE, "")

    run(main())
