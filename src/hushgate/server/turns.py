"""Who is at which of a service's turnstiles. It outlives the configurations in which the limits stand."""

from collections.abc import Callable, Collection
from enum import Enum

from hushgate.config.model import Quota
from hushgate.guard.quota import Turnstile, whose


class Turns:
    """The turnstiles of one service, by label or `by_address`. `now` gives monotonic seconds; `soon` calls something
    when the present call is over: whoever's turn has come may be anybody, and must not run in the middle of another's
    end."""

    def __init__(self, now: Callable[[], float], soon: Callable[[Callable[[], None]], object]) -> None:
        self.now = now
        self.soon = soon
        self._turnstiles: dict[str, Turnstile[Turn]] = {}
        self._sweep_at = _MANY

    def of(self, label: str, quota: Quota) -> "Turnstile[Turn] | None":
        """The turnstile for the keys of a label, with this quota from now on; None when it never stops anybody."""
        turnstile = self._turnstiles.get(label)
        if turnstile is None:
            if quota in (_FREE, Quota(body=quota.body)):
                return None
            if len(self._turnstiles) >= self._sweep_at:
                self._sweep()
            turnstile = self._turnstiles[label] = Turnstile(quota, self.now())
        elif turnstile.quota != quota:
            turnstile.quota = quota
        return turnstile

    def keep(self, labels: Collection[str]) -> None:
        """There are no other labels any more; addresses come and go."""
        for label in self._turnstiles.keys() - set(labels):
            if not label.startswith(_ADDRESS):
                del self._turnstiles[label]

    def _sweep(self) -> None:
        """Forgets those that stop nobody now, so that many addresses cost memory for a minute only."""
        now = self.now()
        self._turnstiles = {label: one for label, one in self._turnstiles.items() if not one.idle(now)}
        self._sweep_at = max(_MANY, 2 * len(self._turnstiles))


_FREE = Quota()
_MANY = 1000
_ADDRESS = "@"
"""No label begins with it."""


def by_address(address: str) -> str:
    """What stands for the label of visitors without a key who come from there."""
    return _ADDRESS + whose(address)


class _At(Enum):
    OUTSIDE = 0
    WAITS = 1
    CALLS = 2
    STREAMS = 3


class Turn:
    """One request at a turnstile (edge.exchange.Turn)."""

    def __init__(self, turns: Turns, turnstile: Turnstile["Turn"]) -> None:
        self.go_on: Callable[[], None] = lambda: None
        self.queued = 0.0
        self._turns = turns
        self._turnstile = turnstile
        self._at = _At.OUTSIDE
        self._came = turns.now()

    def open_stream(self) -> bool:
        """Takes a place among the long-lived ones, if there is one."""
        if not self._turnstile.open_stream():
            return False
        self._at = _At.STREAMS
        return True

    def call(self) -> str:
        """As Turnstile.enter."""
        said = self._turnstile.enter(self)
        self._at = {"go": _At.CALLS, "wait": _At.WAITS, "full": _At.OUTSIDE}[said]
        return said

    def release(self) -> None:
        at, self._at = self._at, _At.OUTSIDE
        if at is _At.WAITS:
            self._turnstile.abandon(self)
        elif at is _At.STREAMS:
            self._turnstile.close_stream()
        elif at is _At.CALLS:
            for turn in self._turnstile.leave():
                turn._called()

    def _called(self) -> None:
        self._at = _At.CALLS
        self._turns.soon(self._go_on)

    def _go_on(self) -> None:
        if self._at is _At.CALLS:
            self.queued = self._turns.now() - self._came
            self.go_on()
