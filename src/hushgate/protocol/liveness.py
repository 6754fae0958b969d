"""When to ping, and when a link is dead (docs/protocol.md §10). Told facts; asks for nothing itself."""

from collections.abc import Callable

from hushgate.protocol.limits import (
    PING_AFTER,
    PING_JITTER,
    PINGS_PER_SECOND,
    PROGRESS_MIN,
    PROGRESS_RTTS,
    SILENCE_MAX,
)


class Liveness:
    """The timers of one link. `random` yields numbers in [0, 1)."""

    def __init__(self, now: float, random: Callable[[], float]) -> None:
        self._random = random
        self.sent_at = now
        """When something left for the peer last."""
        self.progress_at = now
        """When frames in flight were acknowledged last, or nothing was in flight."""
        self._silence = 0.0
        self._second = now
        self._pings = 0
        self.pinged(now)

    def pinged(self, now: float) -> None:
        """A PING leaves."""
        self.sent_at = now
        self._silence = PING_AFTER * (1 + PING_JITTER * (2 * self._random() - 1))

    def ping_due(self, now: float) -> bool:
        return now - self.sent_at >= self._silence

    def flooded(self, now: float) -> bool:
        """A PING came; whether there were too many of them in this second."""
        if now - self._second >= 1:
            self._second, self._pings = now, 0
        self._pings += 1
        return self._pings > PINGS_PER_SECOND

    def dead(self, now: float, heard_at: float, *, in_flight: bool, srtt: float) -> str | None:
        """Why this link should be given up, or None."""
        if now - heard_at > SILENCE_MAX:
            return f"nothing heard for {now - heard_at:.0f} s"
        if in_flight and now - self.progress_at > max(PROGRESS_MIN, PROGRESS_RTTS * srtt):
            return f"nothing acknowledged for {now - self.progress_at:.0f} s"
        return None
