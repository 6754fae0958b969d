"""The scripted faults of the memory pipe, pumped by hand."""

import pytest

from hushgate.transports.base import Pipe
from hushgate.transports.memory import CUT, memory_pair
from tests.transports.pairs import Probe


def users(*pipes: Pipe) -> list[Probe]:
    probes = []
    for pipe in pipes:
        pipe.switch(probe := Probe())
        probes.append(probe)
    return probes


def test_nothing_moves_before_it_is_pumped() -> None:
    left, right = memory_pair()
    _, theirs = users(left, right)
    left.write([[b"ab", b"c"]])
    assert theirs.got == b""
    assert left.pump()
    assert theirs.got == b"abc"
    assert not left.pump()


@pytest.mark.parametrize("cut", range(8))
def test_a_cut_breaks_both_ends_after_its_byte(cut: int) -> None:
    left, right = memory_pair(chunk=3)
    ours, theirs = users(left, right)
    left.path.cut = cut
    left.write([[b"0123456789"]])
    right.write([[b"x" * 100]])
    left.settle()
    assert theirs.got == b"0123456789"[:cut]
    assert ours.error == theirs.error == CUT
    assert len(ours.got) <= 12


def test_a_stalled_path_holds_everything_and_its_end() -> None:
    left, right = memory_pair()
    _, theirs = users(left, right)
    left.path.stalled = True
    left.write([[b"late"]])
    left.close()
    left.settle()
    assert not theirs.over.is_set()
    left.path.stalled = False
    left.settle()
    assert theirs.got == b"late"
    assert theirs.over.is_set()
    assert theirs.error is None


def test_delay_and_rate_follow_the_clock() -> None:
    now = [0.0]
    left, right = memory_pair(clock=lambda: now[0], delay=0.5, rate=100)
    _, theirs = users(left, right)
    left.write([[b"a" * 100]])
    left.write([[b"b" * 100]])
    arrived = []
    for tick in range(11):
        now[0] = tick / 4
        left.settle()
        arrived.append(len(theirs.got))
    assert arrived == [0] * 6 + [100] * 4 + [200]


def test_capacity_is_what_the_kernel_takes() -> None:
    left, right = memory_pair(capacity=1000)
    ours, theirs = users(left, right)
    told = []
    ours.on_writable = lambda: told.append(left.buffered)
    left.write([[b"x" * 1000]])
    assert left.buffered == 0
    left.write([[b"x" * 65_537]])
    assert left.buffered == 65_537
    assert left.full
    left.settle()
    assert not left.full
    assert told == [0]
    assert len(theirs.got) == 66_537


def test_an_abort_loses_what_is_under_way() -> None:
    left, right = memory_pair()
    ours, theirs = users(left, right)
    left.write([[b"lost"]])
    left.abort("no more")
    left.settle()
    assert ours.error == "no more"
    assert theirs.got == b""
    assert theirs.error is not None
