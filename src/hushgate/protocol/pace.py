"""How much may be in flight, and how large a frame may be: measured from acknowledgements (docs/protocol.md §8).

The queue that delays a keystroke is often not ours: behind a relay such as nginx lie megabytes of socket buffer that
no option of our socket reaches. What we can do is not to fill it: keep in flight about what the path itself holds
(rate × min_rtt) and a little more. The estimates are BBR's: delivery rate as a windowed maximum, round trip as a
windowed minimum, both from ACKs, which carry how long the receiver held them back. A sample taken while we had little
to send says nothing about the path's limit, so it may only raise the rate.

At the start the cap doubles each round trip, like TCP's window, but only while the round trips show no queue and the
rate keeps up with it: on a slow path a few doublings are seconds. The first round in which all of them show a queue
that the rate does not explain ends the start; so do three in which the rate did not grow.

Rate × round trip = flight, always: from a full path alone nobody can tell a slower one from a longer one, and a
minimum that is never refreshed would grow with our own queue, the cap with it. So now and then we look (`probing`):
the flight falls to half of what the path holds at the latest rate, and the round trip of what is sent then is the new
minimum. That is done after ten seconds in which no round trip came near the minimum, and at once when all of them are
longer than our own queue explains. When it shows that the path became longer, the start is repeated. Afterwards the
flight is filled again as fast as acknowledgements come, twice: all at once would be a queue for a moment (`_refill`).

A keystroke waits for none of this: a little of fresh streams (`spare`) leaves when the cap is reached already, or has
fallen far below what is in flight.
"""

from typing import Final, NamedTuple

from hushgate.protocol.limits import (
    CAP_GAIN,
    CAP_MIN,
    CAP_SLACK,
    CAP_SPARE,
    CAP_START,
    MIN_RTT_WINDOW,
    PAYLOAD_MAX,
    QUANTUM_MIN,
    QUANTUM_START,
    QUANTUM_TIME,
    RATE_WINDOW,
)

_STARTUP_GROWTH: Final = 1.25
_STARTUP_ROUNDS: Final = 3
_STARTUP_CAP: Final = 2
"""Times what the rate explains: the rate of a round is that of the cap before it doubled."""
_RATE_RTTS: Final = 10
_NEAR: Final = 1.1
_NEAR_FLOOR: Final = 0.001
_EXPLAINED: Final = 1.5
"""Round trips beyond this times what the cap allows for are not our queue."""
_LONGER: Final = 1.5
"""A minimum that grew by this is a path that became longer."""


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
        self._round_low = float("inf")
        self._delivered = 0
        self._delivered_at = now
        self._rates = [0.0, 0.0]
        self._rates_at = now
        self._latest = 0.0
        self._probe_sent_at = float("inf")
        self._low = float("inf")
        self._near_at = now
        self._explained_at = now
        self.probing = False
        self._refill = 0
        self.spare = 0
        """Bytes that may still leave beyond the cap."""
        self.min_rtt = float("inf")
        self.srtt = 0.0
        self.cap = self._startup
        self.quantum = QUANTUM_START

    @property
    def rate(self) -> float:
        """Bytes a second, the best of the last ten round trips; 0 before the first sample."""
        return max(self._rates)

    @property
    def starting(self) -> bool:
        """Whether the path's limit is still unknown."""
        return self._startup > 0

    def snapshot(self, now: float, *, flight: int, limited: bool, size: int = 0) -> Snapshot:
        """For a message of `size` bytes that leaves now, behind `flight` bytes; `limited` says that the cap holds us
        back. The size counts only beyond the cap."""
        if not flight:
            self._delivered_at = now
            self._explained_at = now
        if flight >= self.cap:
            self.spare -= size
        else:
            self.spare = self.quantum + CAP_SPARE
            if self.probing and self._probe_sent_at > now:
                self._probe_sent_at = now
        return Snapshot(now, self._delivered, self._delivered_at, limited)

    def acked(self, nbytes: int, last: Snapshot, hold: float, now: float) -> None:
        """`nbytes` were acknowledged, the last of them in the message of `last`, `hold` seconds after it arrived."""
        self._delivered += nbytes
        elapsed = now - last.delivered_at
        self._delivered_at = now
        if self._refill:
            self._refill += nbytes
        self._round_trip(max(1e-6, now - last.sent_at - hold), last, now)
        if elapsed > 0:
            self._sample((self._delivered - last.delivered) / elapsed, last.limited, now)
        if last.delivered >= self._round_end and last.limited:
            self._next_round()
        self._update()

    def _round_trip(self, rtt: float, last: Snapshot, now: float) -> None:
        self.srtt = rtt if not self.srtt else self.srtt + (rtt - self.srtt) / 8
        if rtt <= self.min_rtt * _NEAR + _NEAR_FLOOR:
            self._near_at = now
        if rtt <= _EXPLAINED * CAP_GAIN * (self.min_rtt + CAP_SLACK) or not last.limited or self.starting:
            self._explained_at = now
        self.min_rtt = min(self.min_rtt, rtt)
        self._round_low = min(self._round_low, rtt)
        if self.probing:
            if last.sent_at >= self._probe_sent_at:
                self._low = min(self._low, rtt)
                if last.sent_at > self._probe_sent_at:
                    self._probed(now)
        elif now - self._near_at > MIN_RTT_WINDOW or now - self._explained_at > max(RATE_WINDOW, 2 * self.srtt):
            self.probing = True
            self._probe_sent_at = self._low = float("inf")

    def _probed(self, now: float) -> None:
        self.probing = False
        self._refill = self.cap
        if self._low > self.min_rtt * _LONGER:
            self._startup = self.cap
            self._flat_rounds, self._round_rate = 0, 0.0
        self.min_rtt = self._low
        self._near_at = self._explained_at = now

    def _sample(self, rate: float, limited: bool, now: float) -> None:
        if now - self._rates_at > max(RATE_WINDOW, _RATE_RTTS * self.srtt) and limited:
            self._rates = [self._rates[1], 0.0]
            self._rates_at = now
        if limited or rate > self.rate:
            self._latest = rate
            self._rates[1] = max(self._rates[1], rate)

    def _next_round(self) -> None:
        """A message that left after the round began was acknowledged: the next begins."""
        low, self._round_low = self._round_low, float("inf")
        self._round_end = self._delivered
        if not self.starting:
            return
        if self.rate < self._round_rate * _STARTUP_GROWTH:
            self._flat_rounds += 1
            if self._flat_rounds >= _STARTUP_ROUNDS:
                self._startup = 0
                return
        else:
            self._flat_rounds = 0
            self._round_rate = self.rate
        explained = CAP_GAIN * self.rate * (self.min_rtt + CAP_SLACK)
        if low > CAP_GAIN * (self.min_rtt + CAP_SLACK):
            if self._startup > explained:
                self._startup = 0
        elif self._startup <= _STARTUP_CAP * explained:
            self._startup = min(2 * self._startup, self._ceiling)

    def _update(self) -> None:
        rate = self.rate
        cap = int(CAP_GAIN * rate * (self.min_rtt + CAP_SLACK))
        if self.probing:
            cap = int(self._latest * self.min_rtt / 2)
        elif self.starting:
            cap = max(cap, self._startup)
        if self._refill >= cap:
            self._refill = 0
        elif self._refill:
            cap = self._refill
        self.cap = max(CAP_MIN, min(cap, self._ceiling))
        smallest = QUANTUM_START if self.starting else QUANTUM_MIN
        self.quantum = max(smallest, min(int(rate * QUANTUM_TIME), PAYLOAD_MAX))
