"""What the gateway meets: the connections on its two sides, its owner, and the service as it knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from hushgate.edge.judge import Judge
from hushgate.edge.profile import Deny
from hushgate.edge.room import Room
from hushgate.protocol.limits import HTTP_BODY, HTTP_HEAD, HTTP_KEEPALIVE


class Wire(Protocol):
    """What the gateway needs of a connection (transports.base.Pipe has it)."""

    @property
    def full(self) -> bool: ...

    def write(self, messages: Sequence[Sequence[bytes]]) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...

    def break_off(self, error: str) -> None: ...


class Failure(Enum):
    """Why home gave no answer. After AWAY and FULL nothing of the request has left; BROKEN says nothing of that."""

    AWAY = "home is not connected"
    FULL = "too many requests wait for home"
    REFUSED = "home's service does not accept connections"
    BROKEN = "home's service ended the connection"

    def told(self, service: str) -> Deny:
        """What the visitor hears."""
        if self in (Failure.AWAY, Failure.FULL):
            return Deny(503, self.name.lower(), f"{service}: {self.value}; try again in a moment")
        return Deny(502, self.name.lower(), f"{service}: {self.value}")


class HomeUser(Protocol):
    """Who goes home by a HomeWire, and is called by it (edge.gateway.Gateway)."""

    def home_open(self, host: bytes, *, reused: bool) -> None:
        """There is a way, on which requests have the Host `host` (empty: the visitor's); `reused`: an earlier request
        went the same one."""

    def from_home(self, view: memoryview) -> int: ...

    def home_writable(self) -> None: ...

    def home_ended(self, failure: Failure | None) -> None:
        """Home's connection is over: None when it ended in order."""


class HomeWire(Protocol):
    """The way home of one visitor: it opens a connection when one is needed, and waits for home when it is away."""

    @property
    def full(self) -> bool: ...

    @property
    def parked(self) -> float:
        """Seconds for which the request begun last waited for home."""

    def begin(self, visitor: str) -> None:
        """A request begins, of the visitor with this address: calls `HomeUser.home_open`, at once or when there is a
        way, or `HomeUser.home_ended`, never at once."""

    def write(self, messages: Sequence[Sequence[bytes]]) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def drop(self) -> None:
        """Home's connection is not used any more, and nothing more is heard of it; `begin` opens another one."""

    def close(self) -> None:
        """The visitor will send no more: ends home's connection in order."""


class Owner(Protocol):
    """Who owns the gateway and does the rest."""

    def now(self) -> float:
        """Monotonic seconds."""

    def give_back(self, head: bytes) -> None:
        """The request that begins with `head`, and what follows it, is not for this service."""

    def over(self) -> None:
        """The visitor's connection has ended."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: for a whole head, between two reads of a body, between two requests."""

    head: float = HTTP_HEAD
    body: float = HTTP_BODY
    keepalive: float = HTTP_KEEPALIVE


@dataclass(frozen=True, slots=True)
class Site:
    """What the gateway knows of its service."""

    service: str
    judge: Judge
    prefix: bytes = b""
    """What stands in front of its paths on the public side."""
    timing: Timing = Timing()
    room: Room = field(default_factory=Room)
    """For the bodies that the judge has to see, and those of other services."""
