"""A stream that crosses two sessions keeps its promises while each loses its links on its own."""

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from hushgate.protocol.frames import Code, Kind, Open
from hushgate.protocol.limits import WINDOW_INITIAL
from hushgate.protocol.relay import join, rejoin
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Owner, Pair, pattern
from tests.protocol.scripted import interesting
from tests.protocol.successor import restored

Cut = tuple[int, int]
"""A side and a number of bytes, as `Pair.pump_cut` has them."""


class Middle(Owner):
    """The relay: each stream that arrives goes on as one that `onward` opens. `joined` are their ids, one to one."""

    def __init__(self, onward: Pair) -> None:
        super().__init__()
        self.joined: dict[int, int] = {}
        self._onward = onward

    def incoming(self, stream: Stream) -> None:
        self.incoming_streams.append(stream)
        further = self._onward.dialler.open(stream.what._replace(hop=stream.what.hop + 1), self._onward.now)
        self.joined[stream.id] = further.id
        join(stream, further)


class Steps(Pair):
    """Says after each step that one was done."""

    stepped: Callable[[], None]

    def step(self, side: int, budget: int | None = None) -> int:
        used = super().step(side, budget)
        self.stepped()
        return used


class Eager(Steps):
    """Sends as soon as a mux says that it has something, unless that is busy, as a link does (link.link)."""

    def __init__(self, seed: int = 0) -> None:
        self.busy: set[int] = set()
        super().__init__(seed)
        for side, mux in enumerate(self.muxes):
            mux.outbox.wake = partial(self._wake, side)

    def _wake(self, side: int) -> None:
        if side not in self.busy:
            self.load(side)

    def attach(self) -> None:
        self.busy = {0, 1}
        super().attach()
        self.busy = set()

    def load(self, side: int) -> None:
        self.busy.add(side)
        super().load(side)
        self.busy.discard(side)

    def step(self, side: int, budget: int | None = None) -> int:
        self.load(side)
        self.busy.add(1 - side)
        used = super().step(side, budget)
        self.busy.discard(1 - side)
        return used


both_kinds = pytest.mark.parametrize("kind", [Steps, Eager])


class Chain:
    """laptop ─ first ─ relay ─ second ─ home. After step `restart` of either session the relay is replaced by a
    successor of it, after which both sessions go on over new links; with `whole`, the two ends are replaced, too."""

    def __init__(self, restart: int = 0, *, whole: bool = False, kind: type[Steps] = Steps) -> None:
        self.steps = 0
        self._restart, self._whole = restart, whole
        self.first, self.second = kind(), kind(1)
        for pair in (self.first, self.second):
            pair.stepped = self._stepped
        self.middle = Middle(self.second)
        self.first.acceptor.owner = self.middle
        self.home = self.second.owners[1]

    def pump(self, first: list[Cut] | None = None, second: list[Cut] | None = None) -> None:
        """Carries everything over both in turn, with cuts as `Pair.turn` has them."""
        going = True
        while going:
            going = self.first.turn(first or []) | self.second.turn(second or [])
            check(*self.first.muxes, *self.second.muxes)

    def far(self, near: Memory) -> Memory:
        ids = sorted(self.home.memories)
        return self.home.memories[ids[(near.stream.id - 1) // 2]]

    def _stepped(self) -> None:
        self.steps += 1
        if self.steps == self._restart:
            for pair in (self.first, self.second):
                pair.detach()
            self._replace_relay()
            if self._whole:
                self.first.replace(0, restored(self.first, self.first.dialler))
                self.second.replace(1, restored(self.second, self.second.acceptor))
            for pair in (self.first, self.second):
                pair.attach()

    def _replace_relay(self) -> None:
        arrived = restored(self.first, self.first.acceptor, bind=lambda stream: stream.endpoint)
        onward = restored(self.second, self.second.dialler, bind=lambda stream: stream.endpoint)
        self.first.replace(1, arrived)
        self.second.replace(0, onward)
        for one, other in self.middle.joined.items():
            rejoin(arrived.streams.get(one), onward.streams.get(other))


def play(first: Sequence[Cut] = (), second: Sequence[Cut] = (), chain: Chain | None = None) -> Chain:
    chain = chain or Chain()
    cuts = list(first), list(second)
    chain.home.reply = pattern(20_000, 1)
    one = chain.first.open(pattern(30_000, 2))
    two = chain.first.open(pattern(10, 3), ends=False)
    chain.pump(*cuts)
    aborted = chain.first.open(pattern(10, 4), ends=False)
    chain.pump(*cuts)
    aborted.close(Code.ABORTED)
    two.ends = True
    chain.pump(*cuts)
    for near, sent in ((one, pattern(30_000, 2)), (two, pattern(10, 3))):
        far = chain.far(near)
        assert far.got == sent and near.got == pattern(20_000, 1)
        assert (near.finished, far.finished, near.was_opened) == (1, 1, 1)
    assert chain.far(aborted).was_reset is Code.ABORTED
    for mux in (*chain.first.muxes, *chain.second.muxes):
        assert not mux.failed and not mux.streams
    return chain


def offsets_of(whole: Chain) -> list[list[Cut]]:
    """Where each of the two links can be cut."""
    return [
        [(side, n) for side in (0, 1) for n in interesting(pair.history[0][side])]
        for pair in (whole.first, whole.second)
    ]


@both_kinds
def test_each_link_cut_on_its_own(kind: type[Steps]) -> None:
    offsets = offsets_of(play(chain=Chain(kind=kind)))
    rng = random.Random(7)
    for cut in offsets[0][:: max(1, len(offsets[0]) // 60)]:
        play([cut], chain=Chain(kind=kind))
    for cut in offsets[1][:: max(1, len(offsets[1]) // 60)]:
        play([], [cut], Chain(kind=kind))
    for _ in range(150):
        play([rng.choice(offsets[0])], [rng.choice(offsets[1]), (0, rng.randrange(200))], Chain(kind=kind))


def test_the_relay_replaced_between_any_two_steps_while_both_links_are_cut() -> None:
    """At each step once with the relay alone and once with both ends, each time with another cut of each link."""
    whole = play()
    assert whole.steps > 60
    offsets = offsets_of(whole)
    rng = random.Random(8)
    for step in range(1, whole.steps + 1):
        play(chain=Chain(step))
        for all_of_it in (False, True):
            play([rng.choice(offsets[0])], [rng.choice(offsets[1])], Chain(step, whole=all_of_it))


@both_kinds
def test_a_slow_reader_at_the_end_holds_back_the_source_at_the_beginning(kind: type[Steps]) -> None:
    chain = Chain(kind=kind)
    chain.home.room = 0
    near = chain.first.open(pattern(1_000_000))
    chain.pump()
    relayed = chain.first.acceptor.streams[near.stream.id]
    assert relayed.taken == WINDOW_INITIAL and near.stream.sent <= 5 * WINDOW_INITIAL
    far = chain.far(near)
    far.room = None
    far.stream.drain()
    chain.pump()
    assert far.got == pattern(1_000_000) and far.finished == 1


@both_kinds
def test_half_close_passes_both_ways_on_its_own(kind: type[Steps]) -> None:
    chain = Chain(kind=kind)
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
