"""What arrives: the receiving half of a session, mirror of outbox.py.

`receive` walks over the whole frames of a view. DATA, nearly all of them, takes the shortest way: straight to the
endpoint of its stream, as a view into the driver's buffer; only what the endpoint does not take is copied. All other
types go through `_dispatch`, which holds them against the table of docs/protocol.md §4, and a handler each.

The handlers raise ProtocolError for what ends the session. What concerns one stream only resets that stream.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hushgate.errors import ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.frames import COUNTED, DATA, FIN, HANDSHAKE, HEADER, IGNORABLE, Code, Kind, Mode, Type
from hushgate.protocol.limits import BACKLOG_PIECE, FRAME_HEADER, PAYLOAD_MAX, STREAM_ID_MAX
from hushgate.protocol.stream import Event, Half, Stream

if TYPE_CHECKING:
    from hushgate.protocol.mux import Mux


class Inbox:
    """Reads frames on behalf of `mux`."""

    def __init__(self, mux: "Mux", now: float) -> None:
        self._mux = mux
        self._streams = mux.streams
        self.peer_id = 0
        """The highest id the peer has opened."""
        self.new_link(now)

    def new_link(self, now: float) -> None:
        """Forgets what belonged to the old link."""
        self.heard_at = now
        self._started = False
        self._skip = 0

    def receive(self, view: memoryview, now: float) -> int:
        """Handles the whole frames at the beginning of `view`; returns their size. The rest is to be shown again,
        with more."""
        mux = self._mux
        mux.now = self.heard_at = now
        outbox, unpack = mux.outbox, HEADER.unpack_from
        at, end, counted, counted_bytes = 0, len(view), 0, 0
        try:
            while end - at >= FRAME_HEADER:
                type, flags, length, stream_id = unpack(view, at)
                stop = at + FRAME_HEADER + length
                if length > PAYLOAD_MAX:
                    raise ProtocolError(Code.PROTOCOL, f"frame of {length} bytes")
                if stop > end:
                    break
                if mux.failed:
                    return end
                if flags & COUNTED:
                    if not self._started:
                        raise ProtocolError(Code.PROTOCOL, "counted frame before START")
                    counted += 1
                    counted_bytes += FRAME_HEADER + length
                    if self._skip:
                        self._skip -= 1
                        at = stop
                        continue
                    outbox.received += 1
                    if type == DATA:
                        self._data(stream_id, view[at + FRAME_HEADER : stop], flags)
                        at = stop
                        continue
                self._dispatch(type, flags, stream_id, view[at + FRAME_HEADER : stop])
                at = stop
        except ProtocolError as error:
            mux.violated(error)
            return end
        if counted:
            outbox.arrived(counted, counted_bytes, now)
        return at

    def _data(self, stream_id: int, payload: memoryview, flags: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._late(stream_id)
            return
        if stream.receive is not Half.OPEN or stream.what.kind is not Kind.BYTES:
            self._mux.abort(stream, Code.PROTOCOL, "data where none may come")
            return
        n = len(payload)
        stream.received += n
        stream.active_at = self.heard_at
        if stream.received > stream.limit:
            self._mux.abort(stream, Code.FLOW, "more data than credit")
            return
        if n:
            taken = 0 if stream.backlog else stream.endpoint.data(payload)
            if stream.receive is not Half.OPEN:
                return
            if taken < n:
                self._keep(stream, payload[taken:])
            stream.taken += taken
            if stream.taken >= stream.mark:
                self._mux.advance(stream)
        elif not flags & FIN:
            raise ProtocolError(Code.PROTOCOL, "empty DATA")
        if flags & FIN and stream.receive is Half.OPEN:
            stream.step_receive(Event.PEER_FINISH)
            if not stream.backlog:
                self._mux.finished(stream)

    def _keep(self, stream: Stream, rest: memoryview) -> None:
        """Copies what the endpoint did not take. Small pieces are joined, or a peer that sends single bytes would cost
        us an object for each."""
        backlog = stream.backlog
        if backlog and len(backlog[-1]) + len(rest) <= BACKLOG_PIECE:
            backlog[-1] = memoryview(bytes(backlog[-1]) + rest)
        else:
            backlog.append(memoryview(bytes(rest)))
        victim = self._mux.buffered.add(stream, len(rest))
        if victim:
            victim.mux.abort(victim, Code.LIMIT, "too many bytes wait unread")

    def _dispatch(self, type: int, flags: int, stream_id: int, payload: memoryview) -> None:
        kind = _TYPES.get(type)
        if kind is None:
            if flags & IGNORABLE:
                return
            raise ProtocolError(Code.PROTOCOL, f"unknown frame type 0x{type:02x}")
        of_stream = kind >= Type.OPEN and kind is not Type.VOID
        if bool(flags & COUNTED) != (kind in frames.COUNTED_TYPES) or bool(stream_id) != of_stream:
            raise ProtocolError(Code.PROTOCOL, f"{kind.name} in a wrong place")
        if kind in HANDSHAKE:
            self._mux.owner.handshake(kind, bytes(payload))
        else:
            _HANDLERS[kind](self, stream_id, payload)

    def _stream(self, stream_id: int) -> Stream | None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._late(stream_id)
        return stream

    def _late(self, stream_id: int) -> None:
        """A frame for a stream that is gone is ignored, one for a stream that never was is an error."""
        opened = self._mux.next_id - 1 if self._mux.is_ours(stream_id) else self.peer_id
        if not 0 < stream_id <= opened:
            raise ProtocolError(Code.PROTOCOL, f"frame for stream {stream_id}, which was never opened")

    # Frames of a stream.

    def _on_open(self, stream_id: int, payload: memoryview) -> None:
        mux = self._mux
        if mux.is_ours(stream_id) or not self.peer_id < stream_id <= STREAM_ID_MAX:
            raise ProtocolError(Code.PROTOCOL, f"OPEN of stream {stream_id} out of order")
        self.peer_id = stream_id
        if len(self._streams) >= mux.streams_max:
            mux.order(frames.reset(stream_id, Code.LIMIT, f"{mux.streams_max} streams are open"))
            return
        try:
            what = frames.take_open(payload)
        except ProtocolError as error:
            if error.code != Code.UNSUPPORTED:
                raise
            mux.order(frames.reset(stream_id, Code.UNSUPPORTED, error.reason))
            return
        stream = Stream(mux, stream_id, what, mux.peer_window, mux.window, self.heard_at)
        self._streams[stream_id] = stream
        mux.owner.incoming(stream)

    def _on_open_ok(self, stream_id: int, payload: memoryview) -> None:
        stream = self._stream(stream_id)
        if stream is None:
            return
        if not self._mux.is_ours(stream_id):
            self._mux.abort(stream, Code.PROTOCOL, "OPEN_OK from the side that opened")
        elif not stream.confirmed:
            stream.confirmed = True
            stream.endpoint.opened()

    def _on_reset(self, stream_id: int, payload: memoryview) -> None:
        code, text = frames.take_reset(payload)
        if not self._mux.is_ours(stream_id) and self.peer_id < stream_id <= STREAM_ID_MAX:
            self.peer_id = stream_id
        elif stream := self._stream(stream_id):
            self._mux.lose(stream, code, text)

    def _on_window(self, stream_id: int, payload: memoryview) -> None:
        stream, limit = self._stream(stream_id), frames.take_u64(payload)
        if stream is not None:
            self._mux.grant(stream, limit)

    def _on_datagram(self, stream_id: int, payload: memoryview) -> None:
        stream = self._stream(stream_id)
        if stream is None:
            return
        if stream.what.kind is Kind.DATAGRAMS:
            stream.endpoint.datagram(payload)
        else:
            self._mux.abort(stream, Code.PROTOCOL, "datagram where none may come")

    # Frames of the link.

    def _on_start(self, _: int, payload: memoryview) -> None:
        first, received = frames.take_u64(payload), self._mux.outbox.received
        if self._started:
            raise ProtocolError(Code.PROTOCOL, "START twice")
        if first > received:
            raise ProtocolError(Code.MISMATCH, f"peer goes on at frame {first}, we have {received}")
        self._started = True
        self._skip = received - first
        self._mux.owner.started()

    def _on_ack(self, _: int, payload: memoryview) -> None:
        self._mux.outbox.acknowledged(*frames.take_counted(payload), self.heard_at)

    def _on_ping(self, _: int, payload: memoryview) -> None:
        token = frames.take_u64(payload)
        if self._mux.outbox.liveness.flooded(self.heard_at):
            raise ProtocolError(Code.FLOOD, "too many PINGs")
        self._mux.outbox.answer_ping(token, self.heard_at)

    def _on_pong(self, _: int, payload: memoryview) -> None:
        frames.take_counted(payload)

    def _on_goaway(self, _: int, payload: memoryview) -> None:
        away = frames.take_goaway(payload)
        if away.mode is Mode.CLOSE:
            self._mux.end(away.code, away.text)
        self._mux.owner.goaway(away)

    def _on_void(self, _: int, payload: memoryview) -> None:
        if payload:
            raise ProtocolError(Code.PROTOCOL, "VOID with a payload")


_TYPES: Mapping[int, Type] = {kind.value: kind for kind in Type}
_HANDLERS: dict[Type, Callable[[Inbox, int, memoryview], None]] = {
    Type.START: Inbox._on_start,
    Type.ACK: Inbox._on_ack,
    Type.PING: Inbox._on_ping,
    Type.PONG: Inbox._on_pong,
    Type.GOAWAY: Inbox._on_goaway,
    Type.OPEN: Inbox._on_open,
    Type.OPEN_OK: Inbox._on_open_ok,
    Type.WINDOW: Inbox._on_window,
    Type.RESET: Inbox._on_reset,
    Type.VOID: Inbox._on_void,
    Type.DATAGRAM: Inbox._on_datagram,
}
