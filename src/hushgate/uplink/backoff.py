"""When to try again (docs/protocol.md §10)."""

from collections.abc import Callable

from hushgate.protocol.limits import RETRY_BASE, RETRY_FIRST, RETRY_MAX, STABLE_AFTER, STOOD_AFTER


class Backoff:
    """Full jitter, so that a server that comes back is not met by all its clients at once. `random` yields [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def next(self, most: float = RETRY_MAX) -> float:
        """Seconds to wait before the next attempt."""
        span = RETRY_FIRST if not self._failures else min(most, RETRY_BASE * 2 ** min(self._failures, 16))
        self._failures += 1
        return self._random() * span

    def stood(self, seconds: float) -> None:
        """A link ended that had stood so long. Only a stable one makes the next retry quick again; but one that stood
        at all says that the server is there, so the wait begins near the start."""
        if seconds >= STABLE_AFTER:
            self._failures = 0
        elif seconds >= STOOD_AFTER:
            self._failures = min(self._failures, 1)
