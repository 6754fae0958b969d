"""The pipe on which one visitor's requests go on, as long as there is one: what all ways home have in common
(edge.sides.HomeWire), whether a stream of a session or a socket of a service lies behind them."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from hushgate.transports.base import NOBODY, Message, Pipe

P = TypeVar("P", bound=Pipe)


class WayUser(Protocol):
    """Who goes this way."""

    def from_home(self, view: memoryview) -> int: ...

    def home_writable(self) -> None: ...


class Way(Generic[P]):
    """The user of its pipe, but for `ended`."""

    user: WayUser

    def __init__(self) -> None:
        self._pipe: P | None = None

    @property
    def full(self) -> bool:
        return self._pipe is None or self._pipe.full

    def write(self, messages: Sequence[Message]) -> None:
        if self._pipe is not None:
            self._pipe.write(messages)

    def pause(self) -> None:
        if self._pipe is not None:
            self._pipe.pause()

    def resume(self) -> None:
        if self._pipe is not None:
            self._pipe.resume()

    def close(self) -> None:
        if pipe := self._let_go():
            pipe.close()

    def received(self, view: memoryview) -> int:
        return self.user.from_home(view)

    def writable(self) -> None:
        self.user.home_writable()

    def _let_go(self) -> P | None:
        """The pipe, of which nothing more will be heard here."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.switch(NOBODY)
        return pipe
