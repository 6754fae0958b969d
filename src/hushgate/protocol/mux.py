"""The multiplexer: many streams over one ordered pipe, which may be replaced by another at any time.

How one byte travels. A source becomes ready (`ready`); its stream goes on the schedule and `wake` is called. The
driver of the link calls `pull` until it returns None or the pipe is full; that takes bytes from the stream whose turn
it is, straight from its endpoint, and returns the buffers of one message. At the other end the driver hands what it
read to `receive`, which offers the bytes to the endpoint of the stream at once, as a view into the driver's buffer.
Only what the endpoint does not take is copied.

The contract with the driver: after any call `pull` while `pending`, then look at `failed`. Nothing here raises
because of the peer: a violation queues GOAWAY, sets `failed` and resets all streams. Misuse by our own side raises
LocalProtocolError. `now` is a monotonic clock in seconds. Calls may come from inside an endpoint's methods, so every
loop asks anew after it called one.

What cannot happen: data before its OPEN (orders leave before data), a stream that blocks the reading of a link (its
backlog is bounded by its credit), a counted frame before START (an error), a frame delivered twice (`_skip`).
"""

from collections.abc import Callable, Collection
from typing import Protocol

from hushgate.errors import LocalProtocolError, ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered, Growth
from hushgate.protocol.frames import COUNTED, FIN, HANDSHAKE, HEADER, IGNORABLE, Code, GoAway, Kind, Mode, Open, Type
from hushgate.protocol.limits import (
    GROWTH_IDLE,
    PAYLOAD_MAX,
    REPLAY_LIMIT,
    STREAM_ID_MAX,
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
        window: int = WINDOW_INITIAL,
        replay_limit: int = REPLAY_LIMIT,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self.owner = owner
        self.dialler = dialler
        self.streams: dict[int, Stream] = {}
        self.outbox = Outbox(now, random, replay_limit)
        self.growth = Growth()
        self.buffered = buffered or Buffered()
        self.failed: tuple[Code, str] | None = None
        """Why the session ended. It is never attached again."""
        self.attached = False
        self.window = window
        self.peer_window = WINDOW_INITIAL
        self.next_id = 1 if dialler else 2
        self.peer_id = 0
        """The highest id the peer has opened."""
        self._streams_max = streams_max
        self._now = now
        self._heard_at = now
        self._started = False
        self._skip = 0
        self._sweep_at = now

    # Links come and go.

    def attach(self, now: float, peer_received: int = 0) -> None:
        """A new link, whose peer has `peer_received` counted frames of ours. Raises ProtocolError (`mismatch`)."""
        first = self.outbox.replay.rewind(peer_received)
        self.outbox.new_link(now)
        self._heard_at = now
        self._started = False
        self._skip = 0
        self.attached = True
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
            self._end(code, text)

    def _violated(self, error: ProtocolError) -> None:
        self.close(Code(error.code), error.reason)

    def _end(self, code: Code, text: str) -> None:
        self.failed = self.failed or (code, text)
        for stream in list(self.streams.values()):
            self._lose(stream, code, text)
        self.outbox.drop_orders()
        self.outbox.wake()

    # Our side of streams.

    def open(self, what: Open, now: float) -> Stream:
        """A new stream; bind its endpoint at once. Raises LocalProtocolError when there are too many, or no ids
        left."""
        if len(self.streams) >= self._streams_max or self.next_id > STREAM_ID_MAX or self.failed:
            raise LocalProtocolError(f"no further stream can be opened beside {len(self.streams)}")
        stream = Stream(self, self.next_id, what, self.peer_window, self.window, now)
        self.next_id += 2
        self.streams[stream.id] = stream
        self._order(frames.open_stream(stream.id, what))
        return stream

    def accept(self, stream: Stream) -> None:
        if not stream.confirmed and self.streams.get(stream.id) is stream:
            stream.confirmed = True
            self._order(frames.frame(Type.OPEN_OK, stream.id))

    def ready(self, stream: Stream) -> None:
        if stream.listed or stream.send is not Half.OPEN:
            return
        if stream.sent >= stream.send_limit:
            stream.starved = True
            return
        self.outbox.schedule.add(stream)
        self.outbox.wake()

    def reset(self, stream: Stream, code: Code, text: str = "") -> None:
        if self.streams.get(stream.id) is not stream:
            return
        stream.step_send(Event.RESET)
        stream.step_receive(Event.RESET)
        self.forget(stream)
        self._order(frames.reset(stream.id, code, text))

    def withdraw(self, services: Collection[str], code: Code) -> None:
        """Resets the streams of these services, and keeps what was sent on them from being sent again."""
        streams = [stream for stream in self.streams.values() if stream.what.service in services]
        for stream in streams:
            self._abort(stream, code)
        self.outbox.replay.blank({stream.id for stream in streams})

    def send_datagram(self, stream: Stream, data: bytes) -> None:
        if self.attached and len(data) <= PAYLOAD_MAX:
            self.outbox.datagram(stream, data, self._now)

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

    def _abort(self, stream: Stream, code: Code, text: str = "") -> None:
        endpoint = stream.endpoint
        self.reset(stream, code, text)
        endpoint.reset(code, text)

    def _lose(self, stream: Stream, code: Code, text: str) -> None:
        stream.step_send(Event.PEER_RESET)
        stream.step_receive(Event.PEER_RESET)
        self.forget(stream)
        stream.endpoint.reset(code, text)

    def _order(self, frame: bytes) -> None:
        if not self.failed:
            try:
                self.outbox.order(frame)
            except ProtocolError as error:
                self._violated(error)

    # Taking what was received.

    def drain(self, stream: Stream) -> None:
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
            backlog.popleft()
        self._took(stream, taken)

    def read(self, stream: Stream, n: int) -> bytes:
        backlog, parts, wanted = stream.backlog, [], n
        while backlog and wanted:
            chunk = backlog.popleft()
            if len(chunk) > wanted:
                backlog.appendleft(chunk[wanted:])
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
            self._advance(stream)
        if not stream.backlog and stream.receive is Half.FINISHED:
            self._finished(stream)

    def _advance(self, stream: Stream) -> None:
        if stream.receive is Half.OPEN:
            self.growth.consider(stream, self.outbox.pace.min_rtt, self._now)
            stream.limit = max(stream.limit, stream.taken + stream.window)
            stream.mark = window_mark(stream.taken, stream.window)
            self.outbox.window(stream)

    def _finished(self, stream: Stream) -> None:
        if not stream.told:
            stream.told = True
            stream.endpoint.finish()
        if stream.gone:
            self.forget(stream)

    # Receiving.

    def receive(self, view: memoryview, now: float) -> int:
        """Handles the whole frames at the beginning of `view`; returns their size. The rest is to be shown again,
        with more."""
        self._now = self._heard_at = now
        outbox, unpack = self.outbox, HEADER.unpack_from
        at, end, counted, counted_bytes = 0, len(view), 0, 0
        try:
            while end - at >= 8:
                type, flags, length, stream_id = unpack(view, at)
                stop = at + 8 + length
                if stop > end:
                    if length > PAYLOAD_MAX:
                        raise ProtocolError(Code.PROTOCOL, f"frame of {length} bytes")
                    break
                if self.failed:
                    return end
                if flags & COUNTED:
                    if not self._started:
                        raise ProtocolError(Code.PROTOCOL, "counted frame before START")
                    counted += 1
                    counted_bytes += 8 + length
                    if self._skip:
                        self._skip -= 1
                        at = stop
                        continue
                    outbox.received += 1
                    if type == 0x12:
                        self._data(stream_id, view[at + 8 : stop], flags)
                        at = stop
                        continue
                self._dispatch(type, flags, stream_id, view[at + 8 : stop])
                at = stop
        except ProtocolError as error:
            self._violated(error)
            return end
        if counted:
            outbox.arrived(counted, counted_bytes, now)
        return at

    def _data(self, stream_id: int, payload: memoryview, flags: int) -> None:
        stream = self.streams.get(stream_id)
        if stream is None:
            self._late(stream_id)
            return
        if stream.receive is not Half.OPEN or stream.what.kind is not Kind.BYTES:
            self._abort(stream, Code.PROTOCOL, "data where none may come")
            return
        n = len(payload)
        stream.received += n
        stream.active_at = self._now
        if stream.received > stream.limit:
            self._abort(stream, Code.FLOW, "more data than credit")
            return
        if n:
            self._offer(stream, payload, n)
        elif not flags & FIN:
            raise ProtocolError(Code.PROTOCOL, "empty DATA")
        if flags & FIN and stream.receive is Half.OPEN:
            stream.step_receive(Event.PEER_FINISH)
            if not stream.backlog:
                self._finished(stream)

    def _offer(self, stream: Stream, payload: memoryview, n: int) -> None:
        taken = 0 if stream.backlog else stream.endpoint.data(payload)
        if stream.receive is not Half.OPEN:
            return
        if taken < n:
            stream.backlog.append(memoryview(bytes(payload[taken:])))
            victim = self.buffered.add(stream, n - taken)
            if victim:
                victim.mux._abort(victim, Code.LIMIT, "too many bytes wait unread")
        stream.taken += taken
        if stream.taken >= stream.mark:
            self._advance(stream)

    def _dispatch(self, type: int, flags: int, stream_id: int, payload: memoryview) -> None:
        try:
            kind = Type(type)
        except ValueError:
            if flags & IGNORABLE:
                return
            raise ProtocolError(Code.PROTOCOL, f"unknown frame type 0x{type:02x}") from None
        of_stream = kind >= Type.OPEN and kind is not Type.VOID
        if bool(flags & COUNTED) != (kind in frames.COUNTED_TYPES) or bool(stream_id) != of_stream:
            raise ProtocolError(Code.PROTOCOL, f"{kind.name} in a wrong place")
        if kind in HANDSHAKE:
            self.owner.handshake(kind, bytes(payload))
        else:
            _HANDLERS[kind](self, stream_id, payload)

    def _stream(self, stream_id: int) -> Stream | None:
        stream = self.streams.get(stream_id)
        if stream is None:
            self._late(stream_id)
        return stream

    def _late(self, stream_id: int) -> None:
        ours = stream_id % 2 == self.dialler
        if stream_id >= self.next_id if ours else stream_id > self.peer_id:
            raise ProtocolError(Code.PROTOCOL, f"frame for stream {stream_id}, which was never opened")

    def _on_open(self, stream_id: int, payload: memoryview) -> None:
        if stream_id % 2 == self.dialler or not self.peer_id < stream_id <= STREAM_ID_MAX:
            raise ProtocolError(Code.PROTOCOL, f"OPEN of stream {stream_id} out of order")
        self.peer_id = stream_id
        if len(self.streams) >= self._streams_max:
            self._order(frames.reset(stream_id, Code.LIMIT, f"{self._streams_max} streams are open"))
            return
        try:
            what = frames.take_open(payload)
        except ProtocolError as error:
            if error.code != Code.UNSUPPORTED:
                raise
            self._order(frames.reset(stream_id, Code.UNSUPPORTED, error.reason))
            return
        stream = Stream(self, stream_id, what, self.peer_window, self.window, self._now)
        self.streams[stream_id] = stream
        self.owner.incoming(stream)

    def _on_open_ok(self, stream_id: int, payload: memoryview) -> None:
        if (stream := self._stream(stream_id)) and not stream.confirmed:
            stream.confirmed = True
            stream.endpoint.opened()

    def _on_reset(self, stream_id: int, payload: memoryview) -> None:
        code, text = frames.take_reset(payload)
        if stream := self._stream(stream_id):
            self._lose(stream, code, text)

    def _on_window(self, stream_id: int, payload: memoryview) -> None:
        stream, limit = self._stream(stream_id), frames.take_u64(payload)
        if stream is not None and limit > stream.send_limit:
            stream.send_limit = limit
            if stream.starved:
                stream.starved = False
                self.ready(stream)

    def _on_datagram(self, stream_id: int, payload: memoryview) -> None:
        if (stream := self._stream(stream_id)) and stream.what.kind is Kind.DATAGRAMS:
            stream.endpoint.datagram(payload)

    def _on_start(self, _: int, payload: memoryview) -> None:
        first, received = frames.take_u64(payload), self.outbox.received
        if self._started:
            raise ProtocolError(Code.PROTOCOL, "START twice")
        if first > received:
            raise ProtocolError(Code.MISMATCH, f"peer goes on at frame {first}, we have {received}")
        self._started = True
        self._skip = received - first

    def _on_ack(self, _: int, payload: memoryview) -> None:
        count, hold = frames.take_counted(payload)
        freed, snapshot = self.outbox.replay.acknowledge(count)
        if snapshot:
            self.outbox.liveness.progress_at = self._now
            self.outbox.pace.acked(freed, snapshot, hold, self._now)
            self.outbox.wake()

    def _on_ping(self, _: int, payload: memoryview) -> None:
        if self.outbox.liveness.flooded(self._now):
            raise ProtocolError(Code.FLOOD, "too many PINGs")
        self.outbox.answer_ping(frames.take_u64(payload))

    def _on_pong(self, _: int, payload: memoryview) -> None:
        frames.take_counted(payload)

    def _on_goaway(self, _: int, payload: memoryview) -> None:
        away = frames.take_goaway(payload)
        if away.mode is Mode.CLOSE:
            self._end(away.code, away.text)
        self.owner.goaway(away)

    def _on_void(self, _: int, payload: memoryview) -> None:
        pass

    # Sending.

    @property
    def pending(self) -> bool:
        return self.attached and self.outbox.pending

    def pull(self, now: float) -> list[bytes] | None:
        """The buffers of the next message, at most MESSAGE_MAX bytes of whole frames, or None when nothing may
        leave."""
        self._now = now
        return self.outbox.pull(now) if self.attached else None

    def tick(self, now: float) -> str | None:
        """To be called about once a second, and at `outbox.ack_at`. Returns why the link should be given up, if so."""
        self._now = now
        outbox = self.outbox
        if outbox.ack_at is not None and now >= outbox.ack_at:
            outbox.ack_now()
        if self.growth.used and now >= self._sweep_at:
            self._sweep_at = now + GROWTH_IDLE
            for stream in self.streams.values():
                if self.growth.idle(stream, now):
                    self.growth.leave(stream)
        if not self.attached:
            return None
        if outbox.liveness.ping_due(now):
            outbox.say(frames.ping(int(now * 1e6)))
            outbox.liveness.sent(now)
        outbox.liveness.heard_at = self._heard_at
        return outbox.liveness.dead(now, in_flight=outbox.replay.flight > 0, srtt=outbox.pace.srtt)


_HANDLERS: dict[Type, Callable[[Mux, int, memoryview], None]] = {
    Type.START: Mux._on_start,
    Type.ACK: Mux._on_ack,
    Type.PING: Mux._on_ping,
    Type.PONG: Mux._on_pong,
    Type.GOAWAY: Mux._on_goaway,
    Type.OPEN: Mux._on_open,
    Type.OPEN_OK: Mux._on_open_ok,
    Type.WINDOW: Mux._on_window,
    Type.RESET: Mux._on_reset,
    Type.VOID: Mux._on_void,
    Type.DATAGRAM: Mux._on_datagram,
}
