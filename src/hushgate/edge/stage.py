"""What the stages of an exchange (hearing.py, passage.py) share: their states, and what they see of the connection."""

from enum import Enum
from typing import Final, Protocol

from hushgate.edge.exchange import Exchange
from hushgate.edge.profile import Deny
from hushgate.edge.refusals import Answer
from hushgate.edge.room import Keeper
from hushgate.edge.sides import HomeWire, Site, Wire


class State(Enum):
    HEAD = "reads a head, or waits for one"
    BODY = "forwards a body"
    QUEUED = "waits for its turn"
    GATHER = "collects a body for the judge"
    PARKED = "waits for a way home"
    WAIT = "has a whole request, waits for the end of its response"
    TUNNEL = "passes bytes"
    OVER = "has ended"
    AWAY = "has given the connection back"


HELD: Final = (State.WAIT, State.PARKED, State.QUEUED)
"""What comes from the visitor stays unread."""


class Connection(Keeper, Protocol):
    """The visitor's connection, as the stages of an exchange see it (edge.gateway.Gateway)."""

    site: Site
    visitor: Wire
    home: HomeWire
    retiring: bool
    """No further request will be taken."""

    def now(self) -> float: ...

    def read_on(self) -> None:
        """The visitor's bytes are wanted again, those that lie unread first."""

    def forward(self, exchange: Exchange, judged: bytes) -> None:
        """The request goes home as soon as there is a way; `judged`: its body, if the judge has seen it."""

    def refuse(self, told: Deny | Answer) -> None:
        """Answers in home's place. That ends the exchange, as all that follow do."""

    def finish(self, exchange: Exchange, *, keep: bool) -> None:
        """The response has been sent; `keep`: the connection waits for another request."""

    def end(self, reason: str) -> None:
        """Breaks off: what has begun cannot be finished."""

    def close(self) -> None:
        """Ends in order."""
