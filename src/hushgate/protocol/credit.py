"""Receiving: how large windows may become, and how many bytes may lie unread (docs/protocol.md §7)."""

from typing import Final

from hushgate.protocol.limits import (
    BUFFERED_MAX,
    GROWTH_BUDGET,
    GROWTH_IDLE,
    GROWTH_RTT_FLOOR,
    WINDOW_INITIAL,
    WINDOW_MAX,
)
from hushgate.protocol.stream import Stream

_GROWTH_RTTS: Final = 2


class Growth:
    """What the windows of one session have grown beyond `initial`, in bytes. `budget` limits that in all, `largest` one
    window."""

    def __init__(self, initial: int = WINDOW_INITIAL, budget: int = GROWTH_BUDGET, largest: int = WINDOW_MAX) -> None:
        self._initial = initial
        self._budget = budget
        self._largest = largest
        self.used = 0

    def consider(self, stream: Stream, min_rtt: float, now: float) -> None:
        """Called when a WINDOW is due: doubles the window of a stream that used half of it within two round trips."""
        taken = stream.taken + stream.window - stream.limit
        fast = now - stream.window_at < _GROWTH_RTTS * max(min_rtt if min_rtt < 1e9 else 0, GROWTH_RTT_FLOOR) * (
            2 * taken / stream.window
        )
        stream.window_at = now
        step = min(stream.window, self._largest - stream.window)
        if fast and 0 < step <= self._budget - self.used:
            stream.window += step
            self.used += step

    def leave(self, stream: Stream) -> None:
        """`stream` ended or fell idle: its growth is free for others. What the peer still holds, it may use."""
        self.used -= stream.window - self._initial
        stream.window = self._initial

    def idle(self, stream: Stream, now: float) -> bool:
        """Whether a grown stream received nothing for so long that its growth goes back."""
        return stream.window > self._initial and now - stream.active_at > GROWTH_IDLE


class Buffered:
    """Bytes received and not taken, in a whole process. At the limit the stream that has been stalled longest is
    given up."""

    def __init__(self, limit: int = BUFFERED_MAX) -> None:
        self.limit = limit
        self._stalled: dict[Stream, None] = {}
        self.used = 0

    def add(self, stream: Stream, n: int) -> Stream | None:
        """`n` more bytes wait at `stream`. Returns the stream to reset, when there are too many."""
        self.used += n
        self._stalled.setdefault(stream)
        return next(iter(self._stalled)) if self.used > self.limit else None

    def remove(self, stream: Stream, n: int) -> None:
        """`n` of the waiting bytes were taken or dropped."""
        self.used -= n
        if not stream.backlog:
            self._stalled.pop(stream, None)
        elif n:
            self._stalled[stream] = self._stalled.pop(stream, None)
