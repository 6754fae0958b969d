"""A session that does a little of everything, the same each time, so that its link can be cut at each of its bytes."""

from collections.abc import Iterator

from hushgate.protocol.frames import HEADER, Code
from tests.protocol.invariants import check
from tests.protocol.pair import Pair, pattern

_SPARSE = 4093
"""Inside a long payload, only every so many bytes make an offset of their own."""


class Scripted:
    """Streams both ways: half-closes, both kinds of resets, a window that must be renewed, a slow reader."""

    def __init__(self, big: int = 40_000, pair: Pair | None = None) -> None:
        self.pair = pair or Pair()
        self._big = pattern(big, 2)
        self.pair.owners[0].reply = pattern(70, 9)
        self.pair.owners[1].reply = pattern(90, 8)

    def run(self, cuts: list[tuple[int, int]]) -> None:
        """Plays it, with the links cut as `Pair.pump_cut` says."""
        cuts, pair = list(cuts), self.pair

        def go() -> None:
            pair.pump_cut(cuts)
            check(*pair.muxes)

        self.small = pair.open(pattern(40, 1))
        self.big = pair.open(self._big)
        self.back = pair.open(pattern(300, 3), side=1)
        go()
        self.reset_by_us = pair.open(pattern(50, 4), ends=False)
        self.reset_by_peer = pair.open(pattern(60, 5), ends=False)
        go()
        self.reset_by_us.close(Code.ABORTED)
        pair.owners[1].memories[self.reset_by_peer.stream.id].close(Code.REFUSED)
        self.half = pair.open(pattern(20, 6), ends=False, side=1)
        pair.owners[0].room = 0
        self.slow = pair.open(pattern(500, 7), side=1)
        pair.owners[0].room = None
        go()
        self.half.out += pattern(30, 10)
        self.half.ends = True
        go()
        slow = pair.owners[0].memories[self.slow.stream.id]
        slow.room = None
        slow.stream.drain()
        go()

    def verify(self) -> None:
        """Every byte exactly once and in order, everything told once, nothing left."""
        pair = self.pair
        for memory, sent, reply in (
            (self.small, pattern(40, 1), pattern(90, 8)),
            (self.big, self._big, pattern(90, 8)),
            (self.back, pattern(300, 3), pattern(70, 9)),
            (self.half, pattern(20, 6) + pattern(30, 10), pattern(70, 9)),
            (self.slow, pattern(500, 7), pattern(70, 9)),
        ):
            far = pair.far(memory)
            assert far.got == sent and memory.got == reply
            assert (memory.finished, far.finished, memory.was_opened) == (1, 1, 1)
        assert pair.far(self.reset_by_us).got in (b"", pattern(50, 4))
        assert pair.far(self.reset_by_us).was_reset is Code.ABORTED
        assert self.reset_by_peer.was_reset is Code.REFUSED
        assert not pair.dialler.streams and not pair.acceptor.streams
        assert len(pair.owners[0].gone_streams) == len(pair.owners[1].gone_streams) == 7


def interesting(transcript: bytes | bytearray) -> list[int]:
    """The offsets at which a cut may make a difference."""
    return [
        at + n
        for at, length in spans(transcript)
        for n in range(length)
        if n < 60 or n > length - 20 or n % _SPARSE == 0
    ]


def spans(transcript: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Where each frame begins, and its length."""
    at = 0
    while at < len(transcript):
        length = HEADER.size + HEADER.unpack_from(transcript, at)[2]
        yield at, length
        at += length
