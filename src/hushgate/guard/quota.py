"""How much one key may ask of one service: requests a minute, requests at a time, and who waits for a turn.

Short calls and long-lived streams (an MCP client holds one open for as long as it lives) are counted apart, so that
open streams do not use up the calls. Decides only; the caller holds those who wait and lets them go on.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

W = TypeVar("W")
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Quota:
    """None: no limit. `queue` requests wait when `concurrent` are under way."""

    per_minute: int | None = None
    concurrent: int | None = None
    queue: int = 0
    streams: int | None = None
    body: int | None = None
    """Bytes of one request's body."""


UNLIMITED: Final = Quota()


class Turnstile(Generic[W]):
    """What one key has under way at one service. `W` is whoever waits."""

    def __init__(self, quota: Quota, now: float) -> None:
        self._quota = quota
        self._tokens = float(quota.per_minute or 0)
        self._filled_at = now
        self._waiting: deque[W] = deque()
        self.calls = 0
        self.streams = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waits."""
        return not (self.calls or self.streams or self._waiting)

    def charge(self, now: float) -> float:
        """Counts a request. 0: it may go on; otherwise the seconds until the next one may."""
        rate = self._quota.per_minute
        if rate is None:
            return 0.0
        self._tokens = min(float(rate), self._tokens + (now - self._filled_at) * rate / MINUTE)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) * MINUTE / rate
        self._tokens -= 1
        return 0.0

    def enter(self, waiter: W) -> Literal["go", "wait", "full"]:
        """A call begins: now, or when `leave` gives `waiter`, or not at all."""
        limit = self._quota.concurrent
        if limit is None or self.calls < limit:
            self.calls += 1
            return "go"
        if len(self._waiting) >= self._quota.queue:
            return "full"
        self._waiting.append(waiter)
        return "wait"

    def leave(self) -> W | None:
        """A call ended. Whoever waited longest goes on in its place."""
        if self._waiting:
            return self._waiting.popleft()
        self.calls -= 1
        return None

    def abandon(self, waiter: W) -> None:
        """`waiter` does not want its turn any more."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def open_stream(self) -> bool:
        """A long-lived stream begins; False: there are too many."""
        if self._quota.streams is not None and self.streams >= self._quota.streams:
            return False
        self.streams += 1
        return True

    def close_stream(self) -> None:
        self.streams -= 1
