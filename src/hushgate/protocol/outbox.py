"""What leaves next (docs/protocol.md §8): the sending half of a session.

There are four kinds of things to send, and they wait in different ways. Frames of the link (`say`) belong to this
link and are forgotten with it. WINDOW and PONG are not queued but remembered: only the newest counts. OPEN, OPEN_OK
and RESET (`order`) are counted frames that exist already. Data does not exist until the turn of its stream comes:
`pull` then takes it from the endpoint.

Counted frames are sealed into the replay as they leave. What is not counted never shares a buffer with them, so that
a message that is sent again carries no stale PONG.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hushgate.errors import ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.frames import COUNTED, DATA, FIN, HEADER, Buffer, Code, Type
from hushgate.protocol.limits import (
    ACK_BYTES,
    ACK_DELAY,
    ACK_FRAMES,
    ACK_SHARE,
    DATAGRAM_AGE,
    DATAGRAM_QUEUE,
    MESSAGE_MAX,
    STREAMS_MAX,
)
from hushgate.protocol.liveness import Liveness
from hushgate.protocol.pace import Pace
from hushgate.protocol.resume import Replay
from hushgate.protocol.schedule import Schedule
from hushgate.protocol.stream import Event, Half, Stream

_ORDERS_MAX = 4 * STREAMS_MAX
"""Answers (OPEN_OK, RESET) that may wait for a peer that does not read."""
_SMALL = 64
"""With less room than this left, a message is full."""


class Outbox:
    """Chooses frames at the last moment. `wake` is called when `pull` may have something; the driver sets it."""

    def __init__(self, now: float, random: Callable[[], float], replay_limit: int) -> None:
        self.wake: Callable[[], None] = _nothing
        self.replay = Replay()
        self.schedule = Schedule()
        self.received = 0
        """Counted frames received, for ACK."""
        self.ack_at: float | None = None
        """When an ACK is due at the latest: the driver calls `Mux.tick` then."""
        self._random = random
        self._replay_limit = replay_limit
        self._control: deque[bytes] = deque()
        self._pong: tuple[int, float] | None = None
        self._windows: dict[Stream, None] = {}
        self._orders: deque[bytes] = deque()
        self._datagrams: deque[tuple[float, Stream, bytes]] = deque()
        self._datagram_bytes = 0
        self.new_link(now)

    def new_link(self, now: float) -> None:
        """Forgets what belonged to the old link."""
        self.pace = Pace(now, self._replay_limit)
        self.liveness = Liveness(now, self._random)
        self._control.clear()
        self._pong = None
        self._unacked_bytes = self._unacked_frames = 0
        self._ack_now = False
        self._arrived_at = now
        self.ack_at = None

    def say(self, frame: bytes) -> None:
        """A frame of the link itself."""
        self._control.append(frame)
        self.wake()

    def answer_ping(self, token: int, now: float) -> None:
        self._pong = token, now
        self.wake()

    def order(self, frame: bytes) -> None:
        """A counted frame other than data. Raises ProtocolError (`flood`) when the peer makes us owe too many."""
        if len(self._orders) >= _ORDERS_MAX:
            raise ProtocolError(Code.FLOOD, "too many answers wait for a peer that does not read")
        self._orders.append(frame)
        self.wake()

    def window(self, stream: Stream) -> None:
        """`stream` owes its peer a WINDOW."""
        self._windows[stream] = None
        self.wake()

    def datagram(self, stream: Stream, data: bytes, now: float) -> None:
        """Queues a datagram, or drops it when too many wait."""
        if self._datagram_bytes + len(data) <= DATAGRAM_QUEUE:
            self._datagrams.append((now, stream, frames.frame(Type.DATAGRAM, stream.id, data)))
            self._datagram_bytes += len(data)
            self.wake()

    def forget(self, stream: Stream) -> None:
        """`stream` is gone; what it had to say is not said any more. Its datagrams fall out when their turn comes."""
        self.schedule.discard(stream)
        self._windows.pop(stream, None)
        if stream.sent or stream.mux.is_ours(stream.id):
            self.replay.remember(stream.id, stream.what.service)

    def blank(self, live: Collection[int], services: Collection[str]) -> None:
        """Nothing that streams of these services sent leaves from now on; `live` are those that are not gone."""
        self.replay.blank(live, services)
        kept = [frame for frame in self._orders if HEADER.unpack_from(frame)[3] not in live]
        self._orders.clear()
        self._orders.extend(kept)

    def drop(self) -> None:
        """The session has ended: only frames of the link still leave."""
        self._orders.clear()
        self._windows.clear()
        self._datagrams.clear()
        self._datagram_bytes = 0
        self.schedule.clear()
        self.replay.drop()

    def export(self) -> dict[str, object]:
        """Plain data, for `restore`."""
        return {"received": self.received, "orders": list(self._orders), "replay": self.replay.export()}

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        """The state that `export` described."""
        self.received = state["received"]
        self._orders.extend(state["orders"])
        self.replay.restore(state["replay"], self.pace.snapshot(now, flight=0, limited=False))

    def arrived(self, count: int, size: int, now: float) -> None:
        """`count` counted frames of `size` bytes came; an ACK is owed for them."""
        self._unacked_frames += count
        self._unacked_bytes += size
        self._arrived_at = now
        if self.ack_at is None:
            self.ack_at = now + ACK_DELAY

    def acknowledged(self, count: int, hold: float, now: float) -> None:
        """The peer has `count` frames, the last of them for `hold` seconds. Raises ProtocolError (`mismatch`)."""
        before = self.replay.confirmed
        freed, snapshot = self.replay.acknowledge(count)
        if count > before:
            self.liveness.progress_at = now
        if snapshot:
            self.pace.acked(freed, snapshot, hold, now)
            self.wake()

    def tick(self, now: float, heard_at: float) -> str | None:
        """Lets timers act, and returns why the link should be given up, if so."""
        if self.ack_at is not None and now >= self.ack_at:
            self.ack_at = None
            self._ack_now = True
            self.wake()
        if self.liveness.ping_due(now):
            self.say(frames.ping(int(now * 1e6)))
            self.liveness.pinged(now)
        return self.liveness.dead(now, heard_at, in_flight=self.replay.flight > 0, srtt=self.pace.srtt)

    @property
    def pending(self) -> bool:
        """Whether `pull` may have something."""
        return bool(
            self.schedule.fresh
            or self.schedule.busy
            or self._orders
            or self._windows
            or self._ack_now
            or self._unacked_bytes >= ACK_BYTES
            or self._unacked_frames >= ACK_FRAMES
            or self._control
            or self._pong
            or self._datagrams
            or self.replay.replaying
        )

    @property
    def _ack_due(self) -> bool:
        """Whether an ACK should leave: less is enough to go along with other frames than to leave alone."""
        others = self.schedule.fresh or self.schedule.busy or self._orders or self._windows
        share = ACK_SHARE if others else 1
        return self._ack_now or self._unacked_frames * share >= ACK_FRAMES or self._unacked_bytes * share >= ACK_BYTES

    def pull(self, now: float) -> list[Buffer] | None:
        """The buffers of the next message, at most MESSAGE_MAX bytes of whole frames, or None when nothing may
        leave."""
        replay = self.replay
        if not replay.flight:
            self.liveness.progress_at = now
        ack = self._unacked_frames and self._ack_due
        rare = ack or self._control or self._windows or self._pong or self._datagrams
        out = self._uncounted(now) if rare else []
        if replay.replaying:
            if not out and replay.flight < self.pace.cap:
                out = replay.again(self.pace.snapshot(now, flight=replay.flight, limited=True)).parts
        else:
            room = MESSAGE_MAX - sum(map(len, out)) if out else MESSAGE_MAX
            counted = self._counted(min(room, HEADER.size + self.pace.quantum), now)
            out = out + counted if out else counted
        if out:
            self.liveness.sent_at = now
            return out
        return None

    def _uncounted(self, now: float) -> list[Buffer]:
        out: list[Buffer] = []
        room = MESSAGE_MAX
        control = self._control
        while control and len(control[0]) <= room:
            room -= len(control[0])
            out.append(control.popleft())
        if self._pong and room > _SMALL:
            token, asked_at = self._pong
            out.append(frames.pong(token, now - asked_at))
            room -= len(out[-1])
            self._pong = None
        if self._ack_due and room > _SMALL:
            out.append(frames.ack(self.received, now - self._arrived_at))
            room -= len(out[-1])
            self._unacked_bytes = self._unacked_frames = 0
            self._ack_now = False
            self.ack_at = None
        if not self.replay.replaying:
            while self._windows and room > _SMALL:
                stream, _ = self._windows.popitem()
                out.append(frames.window(stream.id, stream.limit))
                room -= len(out[-1])
            # A flow's OPEN may still be among the orders: no datagram may overtake it.
            while not self._orders and self._datagrams and len(self._datagrams[0][2]) <= room:
                queued_at, flow, datagram = self._datagrams.popleft()
                self._datagram_bytes -= len(datagram) - HEADER.size
                if now - queued_at <= DATAGRAM_AGE and flow.send is Half.OPEN:
                    out.append(datagram)
                    room -= len(datagram)
        return out

    def _counted(self, room: int, now: float) -> list[Buffer]:
        """Chooses counted frames of at most `room` bytes, and keeps them for replay."""
        replay, pace, schedule, orders = self.replay, self.pace, self.schedule, self._orders
        parts: list[Buffer] = []
        count, left = 0, room
        while orders and len(orders[0]) <= left:
            left -= len(orders[0])
            parts.append(orders.popleft())
            count += 1
        most = min(pace.cap, self._replay_limit - replay.kept + replay.flight) - replay.flight
        if most <= 0 < pace.spare and schedule.fresh and replay.kept < self._replay_limit:
            most = 1  # The turn of one stream.
        while not orders and left > _SMALL and room - left < most and (stream := schedule.next()):
            wanted = min(stream.send_limit - stream.sent, schedule.rest or pace.quantum)
            n = min(wanted, left - HEADER.size)
            chunk = stream.endpoint.take(n)
            if stream.send is not Half.OPEN:
                continue
            if chunk is None:
                schedule.discard(stream)
                stream.step_send(Event.FINISH)
                parts.append(HEADER.pack(Type.DATA, COUNTED | FIN, 0, stream.id))
                left -= HEADER.size
                count += 1
                if stream.gone:
                    stream.mux.forget(stream)
                continue
            size = len(chunk)
            if size:
                stream.sent += size
                parts += (HEADER.pack(DATA, COUNTED, size, stream.id), chunk)
                left -= HEADER.size + size
                count += 1
                schedule.sent(size)
            if size < n:
                continue
            if stream.sent >= stream.send_limit:
                schedule.discard(stream)
                stream.starved = True
            elif not stream.listed:
                schedule.again(stream, wanted - n)
        if orders and not parts and len(orders[0]) <= room:
            # A source broke when it was asked, and its RESET is all there is to say: nothing else would wake the link.
            return self._counted(room, now)
        if parts:
            size = room - left
            limited = bool(schedule.fresh or schedule.busy) or replay.flight + size >= pace.cap
            replay.seal(parts, count, size, pace.snapshot(now, size=size, flight=replay.flight, limited=limited))
        return parts


def _nothing() -> None:
    pass
