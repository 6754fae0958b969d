"""Two muxes joined by a wire that can be cut at any byte, driven by hand: no loop, no clock but `now`."""

import hashlib
import random

from hushgate.protocol.frames import Code, GoAway, Open, Type
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream


class Memory:
    """An endpoint in memory: sends `out`, then FIN when `ends`; keeps what came in `got`. `room` bounds what it takes."""

    def __init__(self, stream: Stream, out: bytes = b"", *, ends: bool = True, room: int | None = None) -> None:
        self.stream = stream
        self.out = bytearray(out)
        self.ends = ends
        self.room = room
        self.got = bytearray()
        self.datagrams: list[bytes] = []
        self.finished = 0
        self.was_reset: Code | None = None
        self.was_opened = 0
        stream.endpoint = self

    def take(self, n: int) -> bytes | None:
        assert n >= 1
        data = bytes(self.out[:n])
        del self.out[:n]
        return data if data or not self.ends else None

    def data(self, view: memoryview) -> int:
        n = len(view) if self.room is None else min(self.room, len(view))
        if self.room is not None:
            self.room -= n
        self.got += view[:n]
        return n

    def finish(self) -> None:
        self.finished += 1

    def reset(self, code: Code, text: str) -> None:
        assert self.was_reset is None
        self.was_reset = code

    def opened(self) -> None:
        self.was_opened += 1

    def datagram(self, view: memoryview) -> None:
        self.datagrams.append(bytes(view))


class Owner:
    """Keeps what a mux tells its owner; binds incoming streams to a Memory that `make` builds (an echo of nothing by default)."""

    def __init__(self) -> None:
        self.incoming_streams: list[Stream] = []
        self.gone_streams: list[Stream] = []
        self.aways: list[GoAway] = []
        self.handshakes: list[tuple[Type, bytes]] = []
        self.reply = b""
        self.ends = True

    def incoming(self, stream: Stream) -> None:
        self.incoming_streams.append(stream)
        Memory(stream, self.reply, ends=self.ends)
        stream.accept()
        stream.ready()

    def gone(self, stream: Stream) -> None:
        self.gone_streams.append(stream)

    def handshake(self, type: Type, payload: bytes) -> None:
        self.handshakes.append((type, payload))

    def goaway(self, away: GoAway) -> None:
        self.aways.append(away)


class Pair:
    """A dialler and an acceptor. Bytes travel only in `pump`, which may stop after some, as a broken link does."""

    def __init__(self, seed: int = 0) -> None:
        rng = random.Random(seed)
        self.now = 100.0
        self.owners = (Owner(), Owner())
        self.dialler = Mux(self.owners[0], dialler=True, now=self.now, random=rng.random)
        self.acceptor = Mux(self.owners[1], dialler=False, now=self.now, random=rng.random)
        self.muxes = (self.dialler, self.acceptor)
        self.wires = (bytearray(), bytearray())
        self.carried = [0, 0]
        self.attach()

    def attach(self) -> None:
        """A new link: each side learns the other's count, as LOGIN and WELCOME would tell it."""
        counts = (self.dialler.outbox.received, self.acceptor.outbox.received)
        for wire in self.wires:
            wire.clear()
        self.dialler.attach(self.now, counts[1])
        self.acceptor.attach(self.now, counts[0])

    def detach(self) -> None:
        for mux in self.muxes:
            mux.detach()

    def step(self, side: int, budget: int | None = None) -> int:
        """Lets `side` send what it has, and delivers at most `budget` bytes of it. Returns the bytes delivered."""
        wire, peer = self.wires[side], self.muxes[1 - side]
        for stream in list(self.muxes[side].streams.values()):
            if isinstance(stream.endpoint, Memory) and (stream.endpoint.out or stream.endpoint.ends):
                stream.ready()
        while message := self.muxes[side].pull(self.now):
            wire += b"".join(message)
        part = bytes(wire if budget is None else wire[:budget])
        used = peer.receive(memoryview(part), self.now)
        del wire[:used]
        self.carried[side] += used
        return used

    def pump(self, seconds: float = 0.001) -> None:
        """Carries everything until nothing moves."""
        while self.step(0) + self.step(1):
            self.now += seconds
            for mux in self.muxes:
                mux.tick(self.now)

    def open(self, out: bytes = b"", *, service: str = "ssh", ends: bool = True, side: int = 0) -> Memory:
        """Opens a stream that sends `out`."""
        stream = self.muxes[side].open(Open(service), self.now)
        memory = Memory(stream, out, ends=ends)
        stream.ready()
        return memory


def pattern(n: int, seed: int = 0) -> bytes:
    """`n` bytes that do not repeat soon."""
    block = b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(min(n, 65536) // 32 + 1))
    return (block * (n // len(block) + 1))[:n]
