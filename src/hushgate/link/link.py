"""A link: one mux driven over one pipe. The only driver of a mux.

Writes are batched without a timer. A frame that finds nothing queued leaves at once, so a lonely request does not
wait even for the end of this turn of the loop. When writes follow each other closely there is a crowd: then
everything that becomes ready in one turn leaves together at its end, in one system call, until a turn has one stream
only. A large crowd leaves in parts, so that the next process has something to do while this one goes on.

Reading never waits: not for a slow stream (credit bounds its backlog) and not for a full pipe.
"""

import asyncio
import time
from collections.abc import Callable

from hushgate.protocol.frames import Code
from hushgate.protocol.mux import Mux
from hushgate.transports.base import Message, Pipe

_BATCH = 4
"""Messages for one write: 256 KiB fill the pipe's buffer and leave the loop to others."""
_CROWD = 50e-6
"""Two writes closer than this, in seconds, come from more than one stream."""
_PART = 32
"""Streams of a crowd that leave together. With 16 more time goes into writes than is won, with 64 nobody else works
meanwhile: each program of the way then waits for the one before it."""
_BEAT = 1.0
_SUSPENDED = 5.0
"""The clock that counts suspension may run ahead of the other by this much before we believe it."""


class Link:
    """Runs `mux` over `pipe` until one of them ends; then `ended` is called once, with a sentence for the log."""

    def __init__(self, pipe: Pipe, mux: Mux, ended: Callable[["Link", str], None]) -> None:
        self.pipe = pipe
        self._mux: Mux | None = mux
        self._outbox = mux.outbox
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._inside = False
        self._turn = False
        self._woken = 0
        """How often `wake` was called in this turn."""
        self._crowded = False
        self._flushed_at = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._ack: asyncio.TimerHandle | None = None
        self._skew = _suspension()

    def __repr__(self) -> str:
        return f"<Link {self.pipe.kind} {self.pipe.peer} {'up' if self._mux else 'ended'}>"

    def start(self, peer_received: int) -> None:
        """Attaches the mux, whose peer has `peer_received` counted frames. `ended` may be called before this returns:
        when the pipe is over already, and when the mux has failed (`mismatch`), which the peer is told."""
        mux = self._mux
        assert mux is not None
        self._inside = True
        mux.outbox.wake = self.wake
        mux.attach(time.monotonic(), peer_received)
        self._inside = False
        self._beat = self._loop.call_later(_BEAT, self._on_beat)
        self.wake()
        self.pipe.roomy()
        self.pipe.switch(self)
        if mux.failed and self._mux:
            self._fail(*mux.failed)

    def fence(self, reason: str) -> None:
        """Another link took over the mux: whatever still arrives here is not heard, and `ended` is not called."""
        if self._release():
            self.pipe.abort(reason)

    def finish(self) -> None:
        """After `Mux.close`: writes the GOAWAY, to a full pipe as well, and lets go of the pipe, which is to be closed
        behind it. `ended` is not called."""
        mux = self._mux
        if mux:
            while (message := mux.pull(time.monotonic())) is not None:
                self.pipe.write([message])
            self._release()

    # The pipe's side.

    def received(self, view: memoryview) -> int:
        mux = self._mux
        if mux is None:
            return len(view)
        self._inside = True
        used = mux.receive(view, time.monotonic())
        self._inside = False
        if mux.pending:
            self._flush()
        if mux.failed:
            self._fail(*mux.failed)
        elif self._ack is None and self._outbox.ack_at is not None:
            self._arm()
        return used

    def writable(self) -> None:
        if self._mux:
            self._flush()

    def ended(self, error: str | None) -> None:
        self._end(error or "the peer closed the connection")

    # The mux's side.

    def wake(self) -> None:
        """The mux has something to send."""
        if self._inside:
            return
        if self._turn:
            self._woken += 1
            if not self._woken % _PART:
                self._flush()
        elif self._crowded:
            self._turn = True
            self._woken = 1
            self._loop.call_soon(self._on_turn)
        else:
            self._flush()

    def _on_turn(self) -> None:
        self._turn = False
        if self._mux:
            waiting = len(self._outbox.schedule)
            self._crowded = waiting > 1 or self._woken >= _PART
            if waiting or self._mux.pending:
                self._flush()

    def _flush(self) -> None:
        mux, pipe = self._mux, self.pipe
        if mux is None or pipe.full:
            return
        outbox = self._outbox
        now = time.monotonic()
        if now - self._flushed_at < _CROWD:
            self._crowded = True
        self._flushed_at = now
        inside, self._inside = self._inside, True
        messages: list[Message] = []
        while len(messages) < _BATCH and (message := mux.pull(now)) is not None:
            messages.append(message)
            if not outbox.pending:
                break
        self._inside = inside
        if messages:
            pipe.write(messages)
            if len(messages) == _BATCH and not self._turn:
                self._turn = True
                self._woken = 0
                self._loop.call_soon(self._on_turn)

    # Time.

    def _arm(self) -> None:
        at = self._outbox.ack_at
        if at is not None:
            self._ack = self._loop.call_later(max(0.0, at - time.monotonic()), self._on_ack)

    def _on_ack(self) -> None:
        self._ack = None
        if self._mux:
            self._mux.tick(time.monotonic())
            self._arm()

    def _on_beat(self) -> None:
        mux = self._mux
        if mux is None:
            return
        if mux.failed:
            self._fail(*mux.failed)
            return
        dead = mux.tick(time.monotonic())
        if _suspension() - self._skew > _SUSPENDED:
            dead = "this machine was suspended"
        if dead:
            self._give_up(dead)
        else:
            self._beat = self._loop.call_later(_BEAT, self._on_beat)

    # The end.

    def _fail(self, code: Code, reason: str) -> None:
        if self._release():
            self.pipe.close()
            self._ended(self, f"{code.name.lower()}{f' ({reason})' if reason else ''}")

    def _give_up(self, reason: str) -> None:
        if self._release():
            self.pipe.abort(reason)
            self._ended(self, reason)

    def _end(self, reason: str) -> None:
        if self._release():
            self._ended(self, reason)

    def _release(self) -> bool:
        mux, self._mux = self._mux, None
        for timer in (self._beat, self._ack):
            if timer:
                timer.cancel()
        if mux is None:
            return False
        mux.outbox.wake = _nothing
        mux.detach()
        return True


def _nothing() -> None:
    pass


def _suspension() -> float:
    """Seconds this machine has been suspended since it started, plus a constant; 0 where the system does not tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return 0.0
