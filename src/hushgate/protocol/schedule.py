"""Whose turn it is (docs/protocol.md §8).

A stream that was idle and becomes ready joins `fresh`; after a full quantum it moves to the end of `busy`. Fresh
streams go first, so a keystroke or a small request overtakes a download without being configured; but after two
batches of fresh data one busy stream has its turn, so that a crowd of small ones cannot starve it. The idea is that
of FQ-CoDel (RFC 8290 §4.2), over streams instead of flows.
"""

from collections import deque

from hushgate.protocol.limits import FAIR_BATCHES, MESSAGE_MAX
from hushgate.protocol.stream import Stream


class Schedule:
    """The streams that have something to send and the credit for it."""

    __slots__ = ("_busy", "_fresh", "_overtaken")

    def __init__(self) -> None:
        self._fresh: deque[Stream] = deque()
        self._busy: deque[Stream] = deque()
        self._overtaken = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._busy)

    def add(self, stream: Stream) -> None:
        """`stream` was idle. `Stream.listed` must be False; it is set."""
        stream.listed = True
        self._fresh.append(stream)

    def next(self) -> Stream | None:
        """Takes the stream whose turn it is off the schedule (`listed` stays set until the caller decides)."""
        if self._fresh and (not self._busy or self._overtaken < FAIR_BATCHES * MESSAGE_MAX):
            return self._fresh.popleft()
        if self._busy:
            self._overtaken = 0
            return self._busy.popleft()
        return None

    def sent(self, n: int) -> None:
        """`n` bytes left for a stream that `next` gave."""
        self._overtaken += n

    def again(self, stream: Stream) -> None:
        """`stream` used its quantum and has more."""
        self._busy.append(stream)

    def give_back(self, stream: Stream) -> None:
        """Its turn came and nothing could leave: it keeps its place."""
        self._fresh.appendleft(stream)

    def discard(self, stream: Stream) -> None:
        """Forgets a stream that was reset."""
        if stream.listed:
            stream.listed = False
            for queue in (self._fresh, self._busy):
                if stream in queue:
                    queue.remove(stream)
