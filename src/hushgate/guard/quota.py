"""How much is asked of one service with one key, or from one address: requests a minute, requests at a time, and who
waits for a turn.

Short calls and long-lived streams (an MCP client holds one open for as long as it lives) are counted apart, so that
open streams do not use up the calls. Decides only; the caller holds those who wait and lets them go on.
"""

from collections.abc import Hashable
from ipaddress import ip_address, ip_network
from typing import Final, Generic, Literal, TypeVar

from hushgate.config.model import Quota

W = TypeVar("W", bound=Hashable)
MINUTE: Final = 60.0


class Turnstile(Generic[W]):
    """What one key has under way at one service. `W` is whoever waits; `quota` may be replaced at any time."""

    __slots__ = ("_filled_at", "_tokens", "_waiting", "calls", "quota", "streams")

    def __init__(self, quota: Quota, now: float) -> None:
        self.quota = quota
        self.calls = 0
        self.streams = 0
        self._tokens = float(quota.per_minute or 0)
        self._filled_at = now
        self._waiting: dict[W, None] = {}
        """In the order in which they came."""

    def charge(self, now: float) -> float:
        """Counts a request. 0: it may go on; otherwise the seconds until the next one may."""
        rate = self.quota.per_minute
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
        if not self._waiting and self._room():
            self.calls += 1
            return "go"
        if len(self._waiting) >= self.quota.queue:
            return "full"
        self._waiting[waiter] = None
        return "wait"

    def leave(self) -> list[W]:
        """A call ended. Who goes on now: whoever waited longest, and more when `quota` has grown meanwhile."""
        self.calls -= 1
        called = []
        while self._waiting and self._room():
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            self.calls += 1
            called.append(waiter)
        return called

    def abandon(self, waiter: W) -> None:
        """`waiter` does not want its turn any more."""
        self._waiting.pop(waiter, None)

    def open_stream(self) -> bool:
        """A long-lived stream begins; False: there are too many."""
        if self.quota.streams is not None and self.streams >= self.quota.streams:
            return False
        self.streams += 1
        return True

    def close_stream(self) -> None:
        self.streams -= 1

    def idle(self, now: float) -> bool:
        """Whether it would be the same if it were made now."""
        rate = self.quota.per_minute or 0
        full = self._tokens + (now - self._filled_at) * rate / MINUTE >= rate
        return full and not (self.calls or self.streams or self._waiting)

    def _room(self) -> bool:
        return self.quota.concurrent is None or self.calls < self.quota.concurrent


def whose(address: str) -> str:
    """Who is taken for one visitor: an IPv4 address, or an IPv6 network of 64 bits, since everybody has one to choose
    addresses from (RFC 6177). What is no address is nobody's: ""."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
