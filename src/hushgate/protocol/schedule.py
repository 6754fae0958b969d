"""Whose turn it is (docs/protocol.md §8).

A stream that was idle and becomes ready joins `fresh`; after a full quantum it moves to the end of `busy`. Fresh
streams go first, so a keystroke or a small request overtakes a download without being configured; but after two
batches of fresh data one busy stream has its turn, so that a crowd of small ones cannot starve it. The idea is that
of FQ-CoDel (RFC 8290 §4.2), over streams instead of flows.
"""

from collections import deque

from hushgate.protocol.limits import FAIR_BATCHES, MESSAGE_MAX
from hushgate.protocol.stream import Stream

_TRIFLE = 1024
"""Not worth a frame of its own."""


class Schedule:
    """The streams that have something to send and the credit for it."""

    __slots__ = ("_before", "_overtaken", "_rests", "_turn", "busy", "fresh", "rest")

    def __init__(self) -> None:
        self.fresh: deque[Stream] = deque()
        self.busy: deque[Stream] = deque()
        self._turn = self.fresh
        """Where the stream that `next` gave came from."""
        self._overtaken = 0
        """Bytes of fresh streams that left since a busy one had its turn."""
        self._before = 0
        """`_overtaken` before the latest turn."""
        self._rests: dict[Stream, int] = {}
        """Of streams whose turn was interrupted by the end of a message: what is left of their quantum."""
        self.rest = 0
        """That of the stream that `next` gave; 0 when its turn begins."""

    def __len__(self) -> int:
        return len(self.fresh) + len(self.busy)

    def add(self, stream: Stream) -> None:
        """`stream` was idle. `Stream.listed` must be False; it is set."""
        stream.listed = True
        self.fresh.append(stream)

    def next(self) -> Stream | None:
        """Takes the stream whose turn it is off the schedule, so that one which becomes ready during its own turn is
        not overlooked."""
        self._before = self._overtaken
        if self.fresh and (not self.busy or self._overtaken < FAIR_BATCHES * MESSAGE_MAX):
            self._turn = self.fresh
        elif self.busy:
            self._turn = self.busy
            self._overtaken = 0
        else:
            return None
        stream = self._turn.popleft()
        stream.listed = False
        self.rest = self._rests.pop(stream, 0)
        return stream

    def sent(self, n: int) -> None:
        """`n` bytes left for the stream that `next` gave."""
        if self._turn is self.fresh and self.busy:
            self._overtaken += n

    def again(self, stream: Stream, rest: int = 0) -> None:
        """`stream` has more. `rest` is what is left of its quantum: more than a trifle when the message was full before
        that, and then its turn goes on in the next one."""
        stream.listed = True
        if rest <= _TRIFLE:
            self.busy.append(stream)
        else:
            self._turn.appendleft(stream)
            self._rests[stream] = rest
            self._overtaken = max(self._overtaken, self._before)

    def discard(self, stream: Stream) -> None:
        """Forgets a stream that may not or need not send."""
        if stream.listed:
            stream.listed = False
            self._rests.pop(stream, None)
            for queue in (self.fresh, self.busy):
                if stream in queue:
                    queue.remove(stream)

    def clear(self) -> None:
        """Forgets all streams."""
        for queue in (self.fresh, self.busy):
            for stream in queue:
                stream.listed = False
            queue.clear()
        self._rests.clear()
