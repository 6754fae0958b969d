"""A session that is exported and restored between any two steps goes on as if nothing had been."""

import random

import pytest

from hushgate.errors import LocalProtocolError
from hushgate.protocol.credit import Buffered
from hushgate.protocol.export import export_mux, restore_mux
from hushgate.protocol.frames import Code, Kind, Open
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern
from tests.protocol.scripted import Scripted, interesting
from tests.protocol.successor import plain, restored


class Restarting(Pair):
    """Replaces one side at its n-th delivery, and then resumes over a new link."""

    def __init__(self, side: int, at: int) -> None:
        super().__init__()
        self.steps = 0
        self._side, self._at = side, at

    def step(self, side: int, budget: int | None = None) -> int:
        used = super().step(side, budget)
        self.steps += 1
        if self.steps == self._at:
            self.detach()
            self.replace(self._side, restored(self, self.muxes[self._side]))
            check(*self.muxes)
            self.attach()
            return used + 1
        return used


@pytest.mark.parametrize("side", [0, 1])
def test_restored_between_any_two_steps_of_the_scripted_session(side: int) -> None:
    """Over a link that is otherwise sound, and over links that are cut once and twice somewhere in the session."""
    count = Restarting(side, 0)
    whole = Scripted(pair=count)
    whole.run([])
    whole.verify()
    assert count.steps > 30
    offsets = [(by, n) for by in (0, 1) for n in interesting(count.history[0][by])]
    dice = random.Random(side)
    for at in range(1, count.steps):
        for cuts in ([], [dice.choice(offsets)], sorted(dice.sample(offsets, 2))):
            scripted = Scripted(pair=Restarting(side, at))
            scripted.run(cuts)
            scripted.verify()


def test_everything_that_the_next_link_needs_is_restored() -> None:
    pair = Pair(window=100_000)
    pair.dialler.peer_window = 100_000
    pair.owners[1].room, pair.owners[1].ends = 1000, False
    near = pair.open(pattern(3000), service="ssh", ends=False)
    flow = pair.dialler.open(Open("dns", "1.2.3.4 5", Kind.DATAGRAMS, 1, "hub", 2), pair.now)
    Memory(flow, ends=False)
    pair.pump()
    pair.detach()
    Memory(pair.dialler.open(Open("unsent"), pair.now), ends=False)
    old = pair.acceptor
    buffered = Buffered()
    new = restored(pair, old, buffered)
    assert buffered.used == 2000 and list(buffered._stalled) == [new.streams[1]]
    one, other = old.streams[1], new.streams[1]
    for name in getattr(Stream, "__mypyc_attrs__", None) or Stream.__slots__:
        if name not in ("mux", "backlog", "endpoint", "active_at", "window_at", "listed", "starved"):
            assert getattr(one, name) == getattr(other, name), name
    assert b"".join(one.backlog) == b"".join(other.backlog) and new.streams[flow.id].what == flow.what
    again = restored(pair, pair.dialler)
    assert list(again.outbox._orders) == list(pair.dialler.outbox._orders)
    assert (again.next_id, again.peer_window, again.window, again.dialler) == (7, 100_000, 100_000, True)
    assert again.outbox.received == pair.dialler.outbox.received and new.inbox.peer_id == 3
    assert not near.dead
    check(new)
    check(again)


def test_growth_is_restored() -> None:
    pair = Pair()
    near = pair.open(pattern(900_000), ends=False)
    pair.pump()
    assert pair.acceptor.growth.used
    new = restored(pair, pair.acceptor)
    assert new.growth.used == pair.acceptor.growth.used
    check(new)
    assert not near.dead


def test_a_stream_reset_after_the_export_is_not_what_the_successor_knows() -> None:
    pair = Pair()
    pair.owners[1].ends = False
    near = pair.open(b"question", ends=False)
    pair.pump()
    pair.detach()
    state = plain(export_mux(pair.acceptor))
    near.close()
    ends: list[Memory] = []

    def bind(stream: Stream) -> Memory:
        ends.append(Memory(stream, b"answer"))
        return ends[-1]

    pair.replace(1, restore_mux(state, pair.owners[1], now=pair.now, random=lambda: 0.5, bind=bind))
    pair.attach()
    pair.pump()
    assert ends[0].was_reset is Code.ABORTED and not pair.acceptor.streams and not pair.dialler.failed
    check(*pair.muxes)


def test_an_endpoint_may_reset_its_stream_while_it_is_bound() -> None:
    pair = Pair()
    pair.owners[1].ends, pair.owners[1].room = False, 0
    near = pair.open(b"question", ends=False)
    other = pair.open(b"other", ends=False)
    pair.pump()
    pair.detach()

    def bind(stream: Stream) -> Memory:
        memory = Memory(stream, ends=False)
        if stream.id == near.stream.id:
            memory.close(Code.AWAY)
        return memory

    state = export_mux(pair.acceptor)
    pair.replace(1, restore_mux(state, pair.owners[1], now=pair.now, random=lambda: 0.5, bind=bind))
    pair.attach()
    pair.pump()
    assert near.was_reset is Code.AWAY and other.was_reset is None
    check(*pair.muxes)


def test_what_waits_may_be_too_much_for_the_successor() -> None:
    pair = Pair()
    pair.owners[1].ends, pair.owners[1].room = False, 0
    first, second = pair.open(pattern(3000), ends=False), pair.open(pattern(3000), ends=False)
    pair.pump()
    pair.detach()
    pair.replace(1, restored(pair, pair.acceptor, Buffered(limit=4000)))
    pair.attach()
    pair.pump()
    assert first.was_reset is Code.LIMIT and second.was_reset is None
    check(pair.acceptor)


def test_a_session_that_has_ended_is_not_exported() -> None:
    pair = Pair()
    pair.dialler.close(Code.SHUTDOWN)
    with pytest.raises(LocalProtocolError):
        export_mux(pair.dialler)
