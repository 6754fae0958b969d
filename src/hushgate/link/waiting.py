"""Visitors who arrived while home was away. Pure bookkeeping: who may wait, and who goes on when home is back."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hushgate.protocol.limits import VISITORS_WAITING, VISITORS_WAITING_ADDRESS

V = TypeVar("V")


class WaitingRoom(Generic[V]):
    """The waiting visitors of one service, in the order they came; at most `places`, at most `per_address` from one
    address."""

    def __init__(self, places: int = VISITORS_WAITING, per_address: int = VISITORS_WAITING_ADDRESS) -> None:
        self._places = places
        self._per_address = per_address
        self._queue: deque[tuple[V, str, float]] = deque()
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._queue)

    def enter(self, visitor: V, address: str, until: float) -> bool:
        """Whether there is a place for `visitor`, who leaves at the time `until`."""
        if len(self._queue) >= self._places or self._addresses[address] >= self._per_address:
            return False
        self._queue.append((visitor, address, until))
        self._addresses[address] += 1
        return True

    def leave(self) -> V | None:
        """The visitor who has waited longest."""
        if not self._queue:
            return None
        visitor, address, _ = self._queue.popleft()
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        return visitor

    def overdue(self, now: float) -> list[V]:
        """Those whose time is over, removed."""
        gone = []
        while self._queue and self._queue[0][2] <= now:
            visitor = self.leave()
            if visitor is not None:
                gone.append(visitor)
        return gone

    def evict(self, gone: Callable[[V], bool]) -> list[V]:
        """Removes those of whom `gone` says that they left by themselves."""
        left = [visitor for visitor, _, _ in self._queue if gone(visitor)]
        waiting = [entry for entry in self._queue if entry[0] not in left]
        self._queue = deque(waiting)
        self._addresses = Counter(address for _, address, _ in waiting)
        return left

    @property
    def next_at(self) -> float | None:
        """When the next visitor's time is over."""
        return self._queue[0][2] if self._queue else None
