"""The multiplexer: many streams over one ordered pipe, which may be replaced by another at any time.

How one byte travels. A source becomes ready (`ready`); its stream goes on the schedule and `wake` is called. The
driver of the link calls `pull` until it returns None or the pipe is full; that takes bytes from the stream whose turn
it is, straight from its endpoint, and returns the buffers of one message (outbox.py). At the other end the driver
hands what it read to `receive`, which offers the bytes to the endpoint of the stream at once, as a view into the
driver's buffer (inbox.py). This file holds the streams themselves: how they begin and end, and what becomes of bytes
that an endpoint did not take at once.

The contract with the driver: after any call `pull` while `pending`, then look at `failed`. Nothing here raises
because of the peer: a violation queues GOAWAY, sets `failed` and resets all streams. Misuse by our own side raises
LocalProtocolError. `now` is a monotonic clock in seconds. Calls may come from inside an endpoint's methods, so every
loop asks anew after it called one.

What cannot happen: data before its OPEN (data waits while an order does), a stream that blocks the reading of a link
(its backlog is bounded by its credit), a counted frame before START (an error), a frame delivered twice (it is
skipped).
"""

from collections.abc import Callable, Collection
from typing import Final, Protocol

from hushgate.errors import LocalProtocolError, ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered, Growth
from hushgate.protocol.frames import Buffer, Code, GoAway, Kind, Mode, Open, Type
from hushgate.protocol.inbox import Inbox
from hushgate.protocol.limits import (
    GROWTH_IDLE,
    PAYLOAD_MAX,
    REPLAY_LIMIT,
    STREAM_ID_MAX,
    STREAM_IDS_RESERVE,
    STREAMS_MAX,
    WINDOW_INITIAL,
)
from hushgate.protocol.outbox import Outbox
from hushgate.protocol.stream import Event, Half, Stream, window_mark


class Owner(Protocol):
    """Who holds a session: hears of what concerns more than one stream."""

    def incoming(self, stream: Stream) -> None:
        """The peer opened `stream`: bind `stream.endpoint`, or reset the stream."""

    def gone(self, stream: Stream) -> None:
        """`stream` has ended in one way or another and is forgotten."""

    def started(self) -> None:
        """The peer's START came: it goes on with this session over this link."""

    def handshake(self, type: Type, payload: bytes) -> None:
        """A frame of docs/protocol.md §5.4 came. May raise ProtocolError."""

    def goaway(self, away: GoAway) -> None:
        """The peer asks to move, drain or close."""


class Mux:
    """A session's streams and what is needed to go on over the next link."""

    def __init__(
        self,
        owner: Owner,
        *,
        dialler: bool,
        now: float,
        random: Callable[[], float],
        buffered: Buffered | None = None,
        growth: Growth | None = None,
        window: int = WINDOW_INITIAL,
        replay_limit: int = REPLAY_LIMIT,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self.owner = owner
        self.dialler = dialler
        self.streams: dict[int, Stream] = {}
        self.outbox = Outbox(now, random, replay_limit)
        self.inbox = Inbox(self, now)
        self.receive: Final = self.inbox.receive
        self.growth = growth or Growth(window)
        self.buffered = buffered or Buffered()
        self.failed: tuple[Code, str] | None = None
        """Why the session ended. A link that is attached later serves only to tell the peer."""
        self.attached = False
        self.window = window
        """What the peer may send on a stream that is new to it, as our LOGIN or WELCOME said."""
        self.next_id = 1 if dialler else 2
        self.streams_max = streams_max
        self.now = now
        """When we were called last."""
        self._peer_window = WINDOW_INITIAL
        self._sweep_at = now

    @property
    def peer_window(self) -> int:
        """What we may send on a new stream. Set it when the peer's LOGIN or WELCOME told; it holds for the streams
        that were opened before, too."""
        return self._peer_window

    @peer_window.setter
    def peer_window(self, window: int) -> None:
        self._peer_window = window
        for stream in self.streams.values():
            self.grant(stream, window)

    @property
    def scarce(self) -> bool:
        """Whether the ids of our own streams are nearly used up."""
        return self.next_id > STREAM_ID_MAX - STREAM_IDS_RESERVE

    @property
    def received(self) -> int:
        """Counted frames of the peer that have arrived in this session."""
        return self.outbox.received

    @property
    def kept(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self.outbox.replay.kept

    def say(self, frame: bytes) -> None:
        """A frame of the link is to leave; it is forgotten with the link."""
        self.outbox.say(frame)

    def is_ours(self, stream_id: int) -> bool:
        """Whether our side is the one that may open `stream_id`."""
        return stream_id % 2 == self.dialler

    # Links come and go.

    def attach(self, now: float, peer_received: int = 0) -> None:
        """A new link, whose peer has `peer_received` counted frames of ours. When that cannot be (`mismatch`), or the
        session had ended before, the link only carries the news."""
        self.now = now
        self.attached = True
        self.outbox.new_link(now)
        self.inbox.new_link(now)
        if self.failed:
            self.outbox.say(frames.goaway(GoAway(Mode.CLOSE, self.failed[0], text=self.failed[1])))
            return
        try:
            first = self.outbox.replay.rewind(peer_received)
        except ProtocolError as error:
            self.violated(error)
            return
        self.outbox.say(frames.start(first))
        for stream in self.streams.values():
            if stream.limit > self.window:
                self.outbox.window(stream)

    def detach(self) -> None:
        """The link is gone. Sources wait, nothing is dropped."""
        self.attached = False
        self.outbox.ack_at = None

    def close(self, code: Code, text: str = "", after: int = 0, spread: int = 0) -> None:
        """Ends the session: the streams are reset, the peer is told when a link stands."""
        if not self.failed:
            self.outbox.say(frames.goaway(GoAway(Mode.CLOSE, code, after, spread, text)))
            self.end(code, text)

    def violated(self, error: ProtocolError) -> None:
        """The peer did what it may not: ends the session and tells it why."""
        self.close(Code(error.code), error.reason)

    def end(self, code: Code, text: str) -> None:
        """Ends the session without a word to the peer, which knows. A stream whose halves have both finished needs no
        session any more; what was received of it is still handed on."""
        self.failed = self.failed or (code, text)
        self.outbox.drop()
        for stream in list(self.streams.values()):
            if not stream.finished:
                self.lose(stream, code, text)
        self.outbox.wake()

    # How streams begin and end.

    def open(self, what: Open, now: float) -> Stream:
        """A new stream; bind its endpoint at once. Raises LocalProtocolError when there are too many, no ids left, or
        the session has ended, and ValueError for a service name that no frame can hold."""
        frame = frames.open_stream(self.next_id, what)
        if len(self.streams) < self.streams_max and self.next_id <= STREAM_ID_MAX:
            self.order(frame)
            if not self.failed:
                stream = Stream(self, self.next_id, what, self.peer_window, self.window, now)
                self.next_id += 2
                self.streams[stream.id] = stream
                return stream
        raise LocalProtocolError(f"no further stream can be opened beside {len(self.streams)}")

    def accept(self, stream: Stream) -> None:
        """Says OPEN_OK for a stream that the peer opened, once."""
        if not stream.confirmed and not self.is_ours(stream.id) and self.streams.get(stream.id) is stream:
            stream.confirmed = True
            self.order(frames.frame(Type.OPEN_OK, stream.id))

    def reset(self, stream: Stream, code: Code, text: str = "") -> None:
        """Ends both halves; the endpoint, which asked for it, is not told."""
        if self._drop(stream, Event.RESET):
            self.order(frames.reset(stream.id, code, text))

    def abort(self, stream: Stream, code: Code, text: str = "") -> None:
        """Ends both halves for a reason of our own, and tells the endpoint and the peer."""
        if self._drop(stream, Event.RESET):
            self.order(frames.reset(stream.id, code, text))
            stream.endpoint.reset(code, text)

    def lose(self, stream: Stream, code: Code, text: str) -> None:
        """The peer ended both halves."""
        if self._drop(stream, Event.PEER_RESET):
            stream.endpoint.reset(code, text)

    def withdraw(self, services: Collection[str], code: Code) -> None:
        """Resets the streams of these services, and keeps what was sent on them from being sent again."""
        streams = [stream for stream in self.streams.values() if stream.what.service in services]
        self.outbox.blank({stream.id for stream in streams}, services)
        for stream in streams:
            self.abort(stream, code)

    def forget(self, stream: Stream) -> None:
        """`stream` has ended: lets go of everything that belongs to it."""
        if self.streams.pop(stream.id, None) is None:
            return
        waiting = sum(map(len, stream.backlog))
        stream.backlog.clear()
        self.buffered.remove(stream, waiting)
        self.growth.leave(stream)
        self.outbox.forget(stream)
        self.owner.gone(stream)

    def _drop(self, stream: Stream, event: Event) -> bool:
        if self.streams.get(stream.id) is not stream:
            return False
        stream.step_send(event)
        stream.step_receive(event)
        self.forget(stream)
        return True

    # Sending on streams.

    def ready(self, stream: Stream) -> None:
        """The source of `stream` has something, or has ended."""
        if stream.listed or stream.send is not Half.OPEN or stream.what.kind is not Kind.BYTES:
            return
        if stream.sent >= stream.send_limit:
            stream.starved = True
            return
        self.outbox.schedule.add(stream)
        self.outbox.wake()

    def grant(self, stream: Stream, limit: int) -> None:
        """The peer's credit for `stream` is at least `limit`."""
        if limit > stream.send_limit:
            stream.send_limit = limit
            if stream.starved:
                stream.starved = False
                self.ready(stream)

    def send_datagram(self, stream: Stream, data: bytes) -> None:
        """Queues a datagram of a flow while a link stands; drops it otherwise."""
        if self.attached and len(data) <= PAYLOAD_MAX and self.streams.get(stream.id) is stream:
            self.outbox.datagram(stream, data, self.now)

    def order(self, frame: bytes) -> None:
        """A counted frame other than data is to leave."""
        if not self.failed:
            try:
                self.outbox.order(frame)
            except ProtocolError as error:
                self.violated(error)

    # Taking what was received.

    def drain(self, stream: Stream) -> None:
        """Offers the backlog to the endpoint."""
        backlog, taken = stream.backlog, 0
        while backlog:
            chunk = backlog[0]
            n = stream.endpoint.data(chunk)
            taken += n
            if not backlog:
                break
            if n < len(chunk):
                backlog[0] = chunk[n:]
                break
            del backlog[0]
        self._took(stream, taken)

    def read(self, stream: Stream, n: int) -> bytes:
        """Up to `n` bytes of the backlog."""
        backlog, parts, wanted = stream.backlog, [], n
        while backlog and wanted:
            chunk = backlog.pop(0)
            if len(chunk) > wanted:
                backlog.insert(0, chunk[wanted:])
                chunk = chunk[:wanted]
            wanted -= len(chunk)
            parts.append(chunk)
        self._took(stream, n - wanted)
        return b"".join(parts)

    def _took(self, stream: Stream, n: int) -> None:
        if self.streams.get(stream.id) is not stream:
            return
        self.buffered.remove(stream, n)
        stream.taken += n
        if stream.taken >= stream.mark:
            self.advance(stream)
        if not stream.backlog and stream.receive is Half.FINISHED:
            self.finished(stream)

    def advance(self, stream: Stream) -> None:
        """The endpoint took enough that the peer should hear of it."""
        if stream.receive is Half.OPEN:
            self.growth.consider(stream, self.outbox.pace.min_rtt, self.now)
            stream.limit = max(stream.limit, stream.taken + stream.window)
            stream.mark = window_mark(stream.taken, stream.window)
            self.outbox.window(stream)

    def finished(self, stream: Stream) -> None:
        """The peer's half ended and the endpoint took all of it."""
        if not stream.told:
            stream.told = True
            stream.endpoint.finish()
        if stream.gone:
            self.forget(stream)

    # The driver's calls, besides `receive`.

    @property
    def pending(self) -> bool:
        """Whether `pull` may have something."""
        return self.attached and self.outbox.pending

    def pull(self, now: float) -> list[Buffer] | None:
        """The buffers of the next message, at most MESSAGE_MAX bytes of whole frames, or None when nothing may
        leave."""
        self.now = now
        return self.outbox.pull(now) if self.attached else None

    def tick(self, now: float) -> str | None:
        """To be called about once a second, and at `outbox.ack_at`. Returns why the link should be given up, if so."""
        self.now = now
        if self.growth.used and now >= self._sweep_at:
            self._sweep_at = now + GROWTH_IDLE
            for stream in self.streams.values():
                if self.growth.idle(stream, now):
                    self.growth.leave(stream)
        return self.outbox.tick(now, self.inbox.heard_at) if self.attached else None
