"""Two muxes joined by a wire that can be cut at any byte, driven by hand: no loop, no clock but `now`."""

import hashlib
import random
from typing import Any

from hushgate.protocol.frames import Code, GoAway, Open, Type
from hushgate.protocol.limits import MESSAGE_MAX
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream

Event = tuple[int, str, object]
"""A stream, or 0 for the session; what happened; and with what."""


class Memory:
    """An endpoint in memory: sends `out`, then FIN when `ends`; keeps what came in `got`. `room` bounds what it
    takes."""

    def __init__(
        self,
        stream: Stream,
        out: bytes = b"",
        *,
        ends: bool = True,
        room: int | None = None,
        events: list[Event] | None = None,
    ) -> None:
        self.events: list[Event] = [] if events is None else events
        self.stream = stream
        self.out = bytearray(out)
        self.ends = ends
        self.room = room
        self.got = bytearray()
        self.datagrams: list[bytes] = []
        self.finished = 0
        self.was_reset: Code | None = None
        self.was_opened = 0
        self.dead = False
        stream.endpoint = self

    def close(self, code: Code = Code.ABORTED) -> None:
        """Resets the stream; nothing may be called afterwards."""
        self.dead = True
        self.stream.reset(code)

    def take(self, n: int) -> bytes | None:
        assert n >= 1 and not self.dead
        data = bytes(self.out[:n])
        del self.out[:n]
        return data if data or not self.ends else None

    def data(self, view: memoryview) -> int:
        assert not self.dead and not self.finished and len(view)
        n = len(view) if self.room is None else min(self.room, len(view))
        if self.room is not None:
            self.room -= n
        self.got += view[:n]
        self.events.append((self.stream.id, "data", n))
        return n

    def finish(self) -> None:
        assert not self.dead and not self.finished
        self.finished += 1
        self.events.append((self.stream.id, "finish", None))

    def reset(self, code: Code, text: str) -> None:
        assert not self.dead
        self.dead = True
        self.was_reset = code
        self.events.append((self.stream.id, "reset", code))

    def opened(self) -> None:
        assert not self.dead
        self.was_opened += 1
        self.events.append((self.stream.id, "opened", None))

    def datagram(self, view: memoryview) -> None:
        self.datagrams.append(bytes(view))
        self.events.append((self.stream.id, "datagram", bytes(view)))


class Owner:
    """Keeps what a mux tells its owner; binds incoming streams to a Memory which sends `reply`. `events` has everything
    in order, also what the endpoints of this side were told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.incoming_streams: list[Stream] = []
        self.gone_streams: list[Stream] = []
        self.starts = 0
        self.aways: list[GoAway] = []
        self.handshakes: list[tuple[Type, bytes]] = []
        self.memories: dict[int, Memory] = {}
        """Of incoming streams, by id."""
        self.reply = b""
        self.ends = True
        self.room: int | None = None

    def incoming(self, stream: Stream) -> None:
        self.incoming_streams.append(stream)
        self.events.append((stream.id, "incoming", stream.what))
        self.memories[stream.id] = Memory(stream, self.reply, ends=self.ends, room=self.room, events=self.events)
        stream.accept()
        stream.ready()

    def gone(self, stream: Stream) -> None:
        self.gone_streams.append(stream)
        self.events.append((stream.id, "gone", None))

    def started(self) -> None:
        self.starts += 1
        self.events.append((0, "started", None))

    def handshake(self, type: Type, payload: bytes) -> None:
        self.handshakes.append((type, payload))
        self.events.append((0, type.name, payload))

    def goaway(self, away: GoAway) -> None:
        self.aways.append(away)
        self.events.append((0, "goaway", away))


class Pair:
    """A dialler and an acceptor. Bytes travel only in `pump`, which may stop after some, as a broken link does."""

    def __init__(self, seed: int = 0, **options: Any) -> None:
        """`options` are those of Mux, for both sides."""
        rng = random.Random(seed)
        self.now = 100.0
        self.owners = (Owner(), Owner())
        self.dialler = Mux(self.owners[0], dialler=True, now=self.now, random=rng.random, **options)
        self.acceptor = Mux(self.owners[1], dialler=False, now=self.now, random=rng.random, **options)
        self.muxes = (self.dialler, self.acceptor)
        self.wires = (bytearray(), bytearray())
        self.carried = [0, 0]
        """Bytes of whole frames that this link has delivered."""
        self.history: list[tuple[bytearray, bytearray]] = []
        """What each side sent, link by link."""
        self.attach()

    def replace(self, side: int, mux: Mux) -> None:
        """One side goes on with a restored mux."""
        if side == 0:
            self.dialler = mux
        else:
            self.acceptor = mux
        self.muxes = (self.dialler, self.acceptor)

    def attach(self) -> None:
        """A new link: each side learns the other's count, as LOGIN and WELCOME would tell it."""
        counts = (self.dialler.outbox.received, self.acceptor.outbox.received)
        for wire in self.wires:
            wire.clear()
        self.carried = [0, 0]
        self.history.append((bytearray(), bytearray()))
        self.dialler.attach(self.now, counts[1])
        self.acceptor.attach(self.now, counts[0])

    def detach(self) -> None:
        for mux in self.muxes:
            mux.detach()

    def load(self, side: int) -> None:
        """Lets `side` put on its wire what it has."""
        for stream in list(self.muxes[side].streams.values()):
            if isinstance(stream.endpoint, Memory) and (stream.endpoint.out or stream.endpoint.ends):
                stream.ready()
        while message := self.muxes[side].pull(self.now):
            assert sum(map(len, message)) <= MESSAGE_MAX
            self.wires[side].extend(b"".join(message))
            self.history[-1][side].extend(b"".join(message))

    def step(self, side: int, budget: int | None = None) -> int:
        """Lets `side` send what it has, and delivers at most `budget` bytes of it. Returns the bytes delivered."""
        self.load(side)
        wire = self.wires[side]
        used = self.deliver(side, bytes(wire if budget is None else wire[:budget]))
        del wire[:used]
        self.carried[side] += used
        return used

    def deliver(self, side: int, part: bytes) -> int:
        """Shows the other side what `side` sent; returns how much of it was taken."""
        return self.muxes[1 - side].receive(memoryview(part), self.now)

    def tick(self, seconds: float = 0.001) -> None:
        self.now += seconds
        for mux in self.muxes:
            mux.tick(self.now)

    @property
    def waiting(self) -> bool:
        """Whether an ACK is yet to come."""
        return any(mux.outbox.ack_at is not None for mux in self.muxes)

    def pump(self, seconds: float = 0.001) -> None:
        """Carries everything until nothing moves."""
        while self.step(0) + self.step(1) or self.waiting:
            self.tick(seconds)

    def pump_cut(self, cuts: list[tuple[int, int]]) -> None:
        """Like `pump`, but the link breaks when `side` has carried `n` bytes over it, for each (side, n) of `cuts` in
        turn, which are used up; a new link follows at once."""
        while self.turn(cuts):
            pass

    def turn(self, cuts: list[tuple[int, int]]) -> bool:
        """One step of each side, with `cuts` as `pump_cut` has them. Whether there may be more to carry."""
        moved = 0
        for side in (0, 1):
            self.load(side)
            if cuts and cuts[0][0] == side and self.carried[side] + len(self.wires[side]) >= cuts[0][1]:
                self.step(side, max(0, cuts.pop(0)[1] - self.carried[side]))
                self.detach()
                self.attach()
                moved = 1
            else:
                moved += self.step(side)
        # An ACK that falls due by the tick leaves in the next turn.
        waiting = self.waiting
        self.tick()
        return bool(moved) or waiting

    def open(self, out: bytes = b"", *, service: str = "ssh", ends: bool = True, side: int = 0) -> Memory:
        """Opens a stream that sends `out`."""
        stream = self.muxes[side].open(Open(service), self.now)
        memory = Memory(stream, out, ends=ends, events=self.owners[side].events)
        stream.ready()
        return memory

    def far(self, memory: Memory) -> Memory:
        """The endpoint at the other end of a stream that `open` gave."""
        id = memory.stream.id
        return self.owners[id % 2].memories[id]


def pattern(n: int, seed: int = 0) -> bytes:
    """`n` bytes that do not repeat soon."""
    block = b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(min(n, 65536) // 32 + 1))
    return (block * (n // len(block) + 1))[:n]
