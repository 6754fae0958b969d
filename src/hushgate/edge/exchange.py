"""One request and its response, as a judge and the audit line know them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hushgate.edge.heads import RequestHead
from hushgate.edge.request import RequestBody
from hushgate.edge.rewrite import Peer


class Turn(Protocol):
    """A request's place among those of its key, or in their queue."""

    go_on: Callable[[], None]
    """Whoever waits sets it; called when the turn has come."""
    queued: float
    """Seconds for which it was waited for."""

    def release(self) -> None:
        """The request is over, wherever it was."""


@dataclass(slots=True)
class Outcome:
    """What became of a request. Times are monotonic seconds; `sent` counts the bytes of the response's body."""

    began: float
    answered: float | None = None
    """When the head of the response came."""
    ended: float = 0.0
    parked: float = 0.0
    """Seconds for which home was waited for."""
    status: int = 0
    sent: int = 0
    refused: str = ""
    """The reason of a refusal, or of an end in the middle."""
    aborted: bool = False
    """One of the two ends left in the middle."""


@dataclass(slots=True)
class Exchange:
    """`facts` are what profiles and meters know of it."""

    request: RequestHead
    """UNREAD when it could not be read."""
    peer: Peer
    outcome: Outcome
    facts: dict[str, str] = field(default_factory=dict)
    key: str = ""
    """The label of the key that it was asked with."""
    turn: Turn | None = None
    """What it holds of that key's limits."""
    body: RequestBody = field(init=False)

    def __post_init__(self) -> None:
        self.body = RequestBody(self.request.length)

    def note(self, facts: Mapping[str, str]) -> None:
        """Keeps what a profile or a meter has found out."""
        if facts:
            self.facts.update(facts)
