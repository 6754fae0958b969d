"""A stream that crosses two sessions keeps its promises while each loses its links on its own."""

import random

import pytest

from hushgate.protocol.frames import Code, Kind, Open
from hushgate.protocol.limits import WINDOW_INITIAL
from hushgate.protocol.relay import join
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Owner, Pair, pattern
from tests.protocol.scripted import interesting


class Middle(Owner):
    """The relay: each stream that arrives goes on as one that `onward` opens."""

    onward: Pair

    def incoming(self, stream: Stream) -> None:
        self.incoming_streams.append(stream)
        further = self.onward.dialler.open(stream.what._replace(hop=stream.what.hop + 1), self.onward.now)
        join(stream, further)


class Chain:
    """laptop ─ first ─ relay ─ second ─ home"""

    def __init__(self) -> None:
        self.first, self.second = Pair(), Pair(1)
        middle = Middle()
        middle.onward = self.second
        self.first.acceptor.owner = middle
        self.home = self.second.owners[1]

    def pump(self, first: list[tuple[int, int]] | None = None, second: list[tuple[int, int]] | None = None) -> None:
        """Carries everything over both, with cuts as `Pair.pump_cut` has them."""
        while True:
            before = self.carried()
            self.first.pump_cut(first if first is not None else [])
            self.second.pump_cut(second if second is not None else [])
            self.first.pump_cut(first if first is not None else [])
            check(*self.first.muxes, *self.second.muxes)
            if self.carried() == before:
                return

    def carried(self) -> int:
        return sum(len(wire) for pair in (self.first, self.second) for link in pair.history for wire in link)

    def far(self, near: Memory) -> Memory:
        ids = sorted(self.home.memories)
        return self.home.memories[ids[(near.stream.id - 1) // 2]]


def play(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> Chain:
    chain = Chain()
    first, second = list(first), list(second)
    chain.home.reply = pattern(20_000, 1)
    one = chain.first.open(pattern(30_000, 2))
    two = chain.first.open(pattern(10, 3), ends=False)
    chain.pump(first, second)
    aborted = chain.first.open(pattern(10, 4), ends=False)
    chain.pump(first, second)
    aborted.close(Code.ABORTED)
    two.ends = True
    chain.pump(first, second)
    for near, sent in ((one, pattern(30_000, 2)), (two, pattern(10, 3))):
        far = chain.far(near)
        assert far.got == sent and near.got == pattern(20_000, 1)
        assert (near.finished, far.finished, near.was_opened) == (1, 1, 1)
    assert chain.far(aborted).was_reset is Code.ABORTED
    for mux in (*chain.first.muxes, *chain.second.muxes):
        assert not mux.failed and not mux.streams
    return chain


def test_each_link_cut_on_its_own() -> None:
    whole = play([], [])
    offsets = [
        [(side, n) for side in (0, 1) for n in interesting(pair.history[0][side])]
        for pair in (whole.first, whole.second)
    ]
    rng = random.Random(7)
    for cut in offsets[0][:: max(1, len(offsets[0]) // 60)]:
        play([cut], [])
    for cut in offsets[1][:: max(1, len(offsets[1]) // 60)]:
        play([], [cut])
    for _ in range(150):
        play([rng.choice(offsets[0])], [rng.choice(offsets[1]), (0, rng.randrange(200))])


def test_a_slow_reader_at_the_end_holds_back_the_source_at_the_beginning() -> None:
    chain = Chain()
    chain.home.room = 0
    near = chain.first.open(pattern(1_000_000))
    chain.pump()
    assert near.stream.sent <= 3 * WINDOW_INITIAL
    far = chain.far(near)
    far.room = None
    far.stream.drain()
    chain.pump()
    assert far.got == pattern(1_000_000) and far.finished == 1


def test_half_close_passes_both_ways_on_its_own() -> None:
    chain = Chain()
    chain.home.ends = False
    near = chain.first.open(b"question")
    chain.pump()
    far = chain.far(near)
    assert [near.finished, far.finished] == [0, 1]
    far.out += b"answer"
    chain.pump()
    assert near.got == b"answer" and [near.finished, far.finished] == [0, 1]
    far.ends = True
    chain.pump()
    assert (
        [near.finished, far.finished] == [1, 1]
        and not chain.first.acceptor.streams
        and not chain.second.dialler.streams
    )


@pytest.mark.parametrize("by", ["near", "far", "first", "second"])
def test_resets_pass_on_with_their_code(by: str) -> None:
    chain = Chain()
    near = chain.first.open(b"x", ends=False)
    chain.home.ends = False
    chain.pump()
    far = chain.far(near)
    if by == "near":
        near.close(Code.REFUSED)
    elif by == "far":
        far.close(Code.REFUSED)
    elif by == "first":
        chain.first.acceptor.close(Code.REFUSED)
    else:
        chain.second.dialler.withdraw({"ssh"}, Code.REFUSED)
    chain.pump()
    assert {near.was_reset, far.was_reset} <= {Code.REFUSED, None}
    assert near.dead and far.dead


def test_datagrams_pass() -> None:
    chain = Chain()
    stream = chain.first.dialler.open(Open("dns", kind=Kind.DATAGRAMS), chain.first.now)
    near = Memory(stream, ends=False)
    chain.pump()
    stream.send_datagram(b"question")
    chain.pump()
    chain.far(near).stream.send_datagram(b"answer")
    chain.pump()
    assert chain.far(near).datagrams == [b"question"] and near.datagrams == [b"answer"]


def test_what_came_before_the_join_is_caught_up() -> None:
    first, second = Pair(), Pair()
    first.owners[1].room, first.owners[1].ends = 0, False
    near, empty = first.open(b"early"), first.open(b"")
    first.pump()
    for memory in (near, empty):
        waiting = first.far(memory).stream
        join(waiting, second.dialler.open(Open("ssh"), second.now))
    second.pump()
    assert [bytes(memory.got) for memory in second.owners[1].memories.values()] == [b"early", b""]
    assert [memory.finished for memory in second.owners[1].memories.values()] == [1, 1]
    check(*first.muxes, *second.muxes)
