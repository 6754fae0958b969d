"""A path with a rate, a delay and one long queue, under a Pace, by a virtual clock."""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple

from hushgate.protocol.limits import ACK_BYTES, ACK_DELAY, ACK_FRAMES, FRAME_HEADER, REPLAY_LIMIT
from hushgate.protocol.pace import Pace, Snapshot

_SEGMENT = 16_384


class Seen(NamedTuple):
    """What a while of it looked like: bits a second, and what a message waited in the queue, in seconds."""

    rate: float
    median_wait: float
    longest_wait: float


class Path:
    """`rate` in bits a second, `rtt` in seconds; `offered` is what the user has to send, as a rate at a time."""

    def __init__(self, rate: float, rtt: float, offered: Callable[[float], float] | None = None) -> None:
        self.now = 100.0
        self.rate, self.rtt = rate, rtt
        self.pace = Pace(self.now, REPLAY_LIMIT)
        self._offered = offered
        self._have, self._have_at = 0.0, self.now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._free_at = self.now
        self._kept: deque[tuple[int, int, Snapshot]] = deque()
        self._flight = self._sent = 0
        self._arrived = self._acked = self._unacked_frames = 0
        self._arrived_at = self.now
        self._ack_at: float | None = None
        self._waits: list[float] = []
        self._at(self.now, self._generate)

    def run(self, seconds: float) -> Seen:
        until, before = self.now + seconds, self._arrived
        self._waits.clear()
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heappop(self._events)
            act()
        self.now = until
        waits = sorted(self._waits) or [0.0]
        return Seen((self._arrived - before) * 8 / seconds, waits[len(waits) // 2], waits[-1])

    def _at(self, when: float, act: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._events, (when, self._order, act))

    def _generate(self) -> None:
        self._send()
        if self._offered:
            self._at(self.now + 0.005, self._generate)

    def _send(self) -> None:
        while self._flight < self.pace.cap:
            payload, limited = self.pace.quantum, True
            if self._offered:
                self._have = min(4e6, self._have + (self.now - self._have_at) * self._offered(self.now) / 8)
                self._have_at = self.now
                payload = min(payload, int(self._have))
                if payload < 500:
                    return
                self._have -= payload
                limited = self._have >= 500
            size = payload + FRAME_HEADER
            snapshot = self.pace.snapshot(self.now, flight=self._flight, limited=limited)
            self._flight += size
            self._sent += size
            self._kept.append((self._sent, size, snapshot))
            self._transmit(size)

    def _transmit(self, size: int) -> None:
        at = max(self.now, self._free_at)
        self._free_at = at + size * 8 / self.rate
        self._waits.append(at - self.now)
        while size:
            piece = min(size, _SEGMENT)
            size -= piece
            at += piece * 8 / self.rate
            self._at(at + self.rtt / 2, partial(self._arrive, piece, last=not size))

    def _arrive(self, size: int, last: bool) -> None:
        self._arrived += size
        if not last:
            return
        self._arrived_at = self.now
        self._unacked_frames += 1
        if self._arrived - self._acked >= ACK_BYTES or self._unacked_frames >= ACK_FRAMES:
            self._ack()
        elif self._ack_at is None:
            self._ack_at = due = self.now + ACK_DELAY
            self._at(due, lambda: self._ack() if self._ack_at == due else None)

    def _ack(self) -> None:
        self._acked, self._unacked_frames, self._ack_at = self._arrived, 0, None
        count, hold = self._arrived, self.now - self._arrived_at
        self._at(self.now + self.rtt / 2, lambda: self._acknowledged(count, hold))

    def _acknowledged(self, count: int, hold: float) -> None:
        freed, snapshot = 0, None
        while self._kept and self._kept[0][0] <= count:
            _, size, snapshot = self._kept.popleft()
            freed += size
        self._flight -= freed
        if snapshot:
            self.pace.acked(freed, snapshot, hold, self.now)
        self._send()
