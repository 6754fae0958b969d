"""Room for the bodies that are kept whole for their judges, in all connections of a process together.

When it is full, whoever has added nothing for the longest gives up: one that sends slowly on purpose, or waits for a
home that is away, before one that sends.
"""

from typing import Protocol

from hushgate.protocol.limits import BUFFERED_MAX


class Keeper(Protocol):
    """A connection with such a body."""

    def give_up(self) -> None:
        """There is no room for its body any more."""


class Room:
    """`size` bytes."""

    def __init__(self, size: int = BUFFERED_MAX) -> None:
        self._free = size
        self._kept: dict[Keeper, int] = {}

    def add(self, keeper: Keeper, n: int) -> None:
        """`keeper` keeps `n` bytes more. Somebody may have to give up for it, also `keeper` itself."""
        self._kept[keeper] = self._kept.pop(keeper, 0) + n
        self._free -= n
        while self._free < 0:
            idle = next(iter(self._kept))
            self.leave(idle)
            idle.give_up()

    def leave(self, keeper: Keeper) -> None:
        """It keeps nothing any more."""
        self._free += self._kept.pop(keeper, 0)
