"""How much may be in flight, and how large a frame may be: measured from acknowledgements (docs/protocol.md §8).

The queue that delays a keystroke is often not ours: behind a relay such as nginx lie megabytes of socket buffer that
no option of our socket reaches. What we can do is not to fill it: keep in flight about what the path itself holds
(rate × min_rtt) and a little more. The estimates are BBR's: delivery rate as a windowed maximum, round trip as a
windowed minimum, both from ACKs, which carry how long the receiver held them back. A sample taken while we had little
to send says nothing about the path's limit, so it may only raise the rate.

A minimum that is never refreshed would grow with our own queue and the cap with it. When a whole window passed
without a round trip near the minimum, `cap` is halved for a moment (`probing`) and the smallest round trip seen then
is the new minimum.
"""

from typing import NamedTuple

from hushgate.protocol.limits import (
    CAP_GAIN,
    CAP_MIN,
    CAP_SLACK,
    CAP_START,
    MIN_RTT_WINDOW,
    PAYLOAD_MAX,
    QUANTUM_MIN,
    QUANTUM_TIME,
    RATE_WINDOW,
)

_STARTUP_GROWTH = 1.25
_STARTUP_ROUNDS = 3
_RATE_RTTS = 10
_NEAR = 1.1
_NEAR_FLOOR = 0.001


class Snapshot(NamedTuple):
    """What was known when a message left; its acknowledgement yields a sample."""

    sent_at: float
    delivered: int
    delivered_at: float
    limited: bool


class Pace:
    """Estimates for the path of one link. `ceiling` is the largest cap (the replay limit), in bytes."""

    def __init__(self, now: float, ceiling: int) -> None:
        self._ceiling = ceiling
        self._startup = min(CAP_START, ceiling)
        self._flat_rounds = 0
        self._round_end = 0
        self._round_rate = 0.0
        self._delivered = 0
        self._delivered_at = now
        self._rates = [0.0, 0.0]
        self._rates_at = now
        self._probe_until = 0.0
        self._low = float("inf")
        self._refreshed_at = now
        self.min_rtt = float("inf")
        self.srtt = 0.0
        self.cap = self._startup
        self.quantum = PAYLOAD_MAX

    @property
    def rate(self) -> float:
        """Bytes a second, the best of the last ten round trips; 0 before the first sample."""
        return max(self._rates)

    @property
    def probing(self) -> bool:
        return self._probe_until > 0

    def snapshot(self, now: float, *, idle: bool, limited: bool) -> Snapshot:
        """For a message that leaves now; `idle` says that nothing is in flight, `limited` that the cap holds us
        back."""
        if idle:
            self._delivered_at = now
        return Snapshot(now, self._delivered, self._delivered_at, limited)

    def acked(self, nbytes: int, last: Snapshot, hold: float, now: float) -> None:
        """`nbytes` were acknowledged, the last of them in the message of `last`, `hold` seconds after it arrived."""
        self._delivered += nbytes
        elapsed = now - last.delivered_at
        self._delivered_at = now
        self._round_trip(max(1e-6, now - last.sent_at - hold), now)
        if elapsed > 0:
            self._sample((self._delivered - last.delivered) / elapsed, last.limited, now)
        if self._startup and last.delivered >= self._round_end:
            self._next_round()
        self._update()

    def _round_trip(self, rtt: float, now: float) -> None:
        self.srtt = rtt if not self.srtt else self.srtt + (rtt - self.srtt) / 8
        if rtt <= self.min_rtt * _NEAR + _NEAR_FLOOR:
            self._refreshed_at = now
        self.min_rtt = min(self.min_rtt, rtt)
        if self.probing:
            self._low = min(self._low, rtt)
            if now >= self._probe_until:
                self._probe_until = 0.0
                self.min_rtt = self._low
                self._refreshed_at = now
        elif now - self._refreshed_at > MIN_RTT_WINDOW:
            self._probe_until = now + 2 * self.srtt
            self._low = rtt

    def _sample(self, rate: float, limited: bool, now: float) -> None:
        if now - self._rates_at > max(RATE_WINDOW, _RATE_RTTS * self.srtt) and limited:
            self._rates = [self._rates[1], 0.0]
            self._rates_at = now
        if limited or rate > self.rate:
            self._rates[1] = max(self._rates[1], rate)

    def _next_round(self) -> None:
        self._round_end = self._delivered
        if self.rate < self._round_rate * _STARTUP_GROWTH:
            self._flat_rounds += 1
            if self._flat_rounds >= _STARTUP_ROUNDS:
                self._startup = 0
                return
        else:
            self._flat_rounds = 0
            self._round_rate = self.rate
        self._startup = min(2 * self._startup, self._ceiling)

    def _update(self) -> None:
        rate = self.rate
        cap = int(CAP_GAIN * rate * (self.min_rtt + CAP_SLACK))
        if self.probing:
            cap = int(rate * self.min_rtt / 2)
        elif self._startup:
            cap = max(cap, self._startup)
        self.cap = max(CAP_MIN, min(cap, self._ceiling))
        self.quantum = max(QUANTUM_MIN, min(int(rate * QUANTUM_TIME), PAYLOAD_MAX)) if rate else PAYLOAD_MAX
