"""A session driven at random against the simplest model of it: what was written arrives, once and in order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hushgate.protocol.credit import Buffered
from hushgate.protocol.export import export_mux, restore_mux
from hushgate.protocol.frames import Code
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern

side_of = st.integers(0, 1)


class Session(RuleBasedStateMachine):
    """Two muxes and a wire. Of each direction of each stream the model knows the bytes written and the end."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(buffered=Buffered())
        for owner in self.pair.owners:
            owner.ends = False
        self.opened: list[Memory] = []
        self.written: dict[Memory, bytes] = {}
        self.attached = True

    def memories(self) -> list[Memory]:
        ends = list(self.opened)
        for owner in self.pair.owners:
            ends += owner.memories.values()
        return ends

    def pick(self, n: int) -> Memory | None:
        alive = [memory for memory in self.memories() if not memory.dead]
        return alive[n % len(alive)] if alive else None

    @rule(side=side_of, size=st.integers(0, 3000), service=st.sampled_from(["ssh", "web"]))
    def open(self, side: int, size: int, service: str) -> None:
        memory = self.pair.open(pattern(size, len(self.opened)), ends=False, side=side, service=service)
        self.opened.append(memory)
        self.written[memory] = bytes(memory.out)

    @rule(n=st.integers(0, 99), size=st.sampled_from([1, 10, 3000, 20_000, 70_000]))
    def write(self, n: int, size: int) -> None:
        memory = self.pick(n)
        if memory and not memory.ends:
            data = pattern(size, n)
            memory.out += data
            self.written[memory] = self.written.get(memory, b"") + data
            memory.stream.ready()

    @rule(n=st.integers(0, 99))
    def finish(self, n: int) -> None:
        if memory := self.pick(n):
            memory.ends = True
            memory.stream.ready()

    @rule(n=st.integers(0, 99), code=st.sampled_from([Code.ABORTED, Code.DONE]))
    def reset(self, n: int, code: Code) -> None:
        if memory := self.pick(n):
            memory.close(code)

    @rule(side=side_of, service=st.sampled_from(["ssh", "web"]))
    def withdraw(self, side: int, service: str) -> None:
        self.pair.muxes[side].withdraw({service}, Code.WITHDRAWN)

    @rule(n=st.integers(0, 99), room=st.sampled_from([None, 0, 1, 5000, 40_000]))
    def take(self, n: int, room: int | None) -> None:
        if memory := self.pick(n):
            memory.room = room
            memory.stream.drain()

    @rule(n=st.integers(0, 99), size=st.integers(1, 5000))
    def read(self, n: int, size: int) -> None:
        if (memory := self.pick(n)) and memory.room is not None:
            memory.got += memory.stream.read(size)

    @precondition(lambda self: self.attached)
    @rule(side=side_of, budget=st.sampled_from([None, 0, 1, 9, 100, 5000, 70_000]))
    def carry(self, side: int, budget: int | None) -> None:
        self.pair.step(side, budget)

    @precondition(lambda self: self.attached)
    @rule()
    def cut(self) -> None:
        self.pair.detach()
        self.attached = False

    @rule()
    def attach(self) -> None:
        self.pair.attach()
        self.attached = True

    @rule(seconds=st.sampled_from([0.001, 0.01, 1.0, 11.0]))
    def tick(self, seconds: float) -> None:
        self.pair.tick(seconds)

    @precondition(lambda self: not self.attached)
    @rule(side=side_of)
    def restart(self, side: int) -> None:
        """One program replaces itself: its session goes on from plain data."""
        old = self.pair.muxes[side]
        ends = {memory.stream.id: memory for memory in self.memories() if memory.stream.mux is old}

        def bind(stream: Stream) -> Memory:
            memory = ends[stream.id]
            memory.stream = stream
            return memory

        old.buffered.used -= sum(len(chunk) for stream in old.streams.values() for chunk in stream.backlog)
        for stream in old.streams.values():
            old.buffered._stalled.pop(stream, None)
        new = restore_mux(
            export_mux(old), old.owner, now=self.pair.now, random=lambda: 0.5, bind=bind, buffered=old.buffered
        )
        self.pair.replace(side, new)

    @invariant()
    def orderly(self) -> None:
        check(*self.pair.muxes)
        assert not self.pair.dialler.failed and not self.pair.acceptor.failed
        for memory in self.opened:
            far = self.pair.owners[memory.stream.id % 2].memories.get(memory.stream.id)
            for one, other in ((memory, far), (far, memory)):
                if one and other:
                    assert self.written.get(one, b"").startswith(other.got)
                    assert not other.finished or (one.ends and other.got == self.written.get(one, b""))

    def teardown(self) -> None:
        self.pair.attach()
        for memory in self.memories():
            if not memory.dead:
                memory.room = None
                memory.ends = True
        self.pair.pump()
        for memory in self.memories():
            if not memory.dead:
                memory.room = None
                memory.ends = True
                memory.stream.drain()
        self.pair.pump()
        self.orderly()
        for memory in self.opened:
            far = self.pair.owners[memory.stream.id % 2].memories.get(memory.stream.id)
            if far is None:
                assert memory.dead
            elif not memory.dead and not far.dead:
                assert far.got == self.written.get(memory, b"") and memory.got == self.written.get(far, b"")
                assert memory.finished == far.finished == 1
        assert not self.pair.dialler.streams and not self.pair.acceptor.streams
        for mux, peer in (self.pair.muxes, self.pair.muxes[::-1]):
            assert peer.outbox.received == mux.outbox.replay.next and not mux.outbox.replay.kept


Session.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)

TestSession = Session.TestCase
