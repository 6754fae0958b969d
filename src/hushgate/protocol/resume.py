"""What was sent and not yet acknowledged, kept to be sent again (docs/protocol.md §9).

Counted frames are kept per message as it left, by reference: the buffers are those that went to the pipe. A message
is dropped when all its frames were acknowledged. After a re-attach the kept messages are handed out again, oldest
first; the receiver skips the frames it has, so a partly acknowledged message may be repeated whole.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import COUNTED, HEADER, Buffer, Code, Type, frame
from hushgate.protocol.pace import Snapshot


class Sealed(NamedTuple):
    """The counted frames of one message: numbers `end - frames` to `end - 1`."""

    end: int
    frames: int
    size: int
    parts: list[Buffer]
    snapshot: Snapshot


class Replay:
    """The sender's memory of one direction of a session."""

    def __init__(self) -> None:
        self._kept: deque[Sealed] = deque()
        self._again = 0
        self._gone: deque[tuple[int, int, str]] = deque()
        self.next = 0
        """Number of the next counted frame."""
        self.kept = 0
        """Bytes of frames kept."""
        self.flight = 0
        """Bytes sent on this link and not acknowledged."""
        self.confirmed = 0
        """Counted frames that the peer said it has."""

    @property
    def acked(self) -> int:
        """Number of the first frame that is still kept."""
        return self._kept[0].end - self._kept[0].frames if self._kept else self.next

    @property
    def replaying(self) -> bool:
        return self._again < len(self._kept)

    def seal(self, parts: list[Buffer], frames: int, size: int, snapshot: Snapshot) -> None:
        """Keeps a message that leaves for the first time."""
        self.next += frames
        self.kept += size
        self.flight += size
        self._kept.append(Sealed(self.next, frames, size, parts, snapshot))
        self._again += 1

    def acknowledge(self, count: int) -> tuple[int, Snapshot | None]:
        """Drops what the peer has. Returns the bytes freed and the snapshot of the last message among them.
        Raises ProtocolError (`mismatch`) for a count beyond what was sent."""
        if count > self.next:
            raise ProtocolError(Code.MISMATCH, f"peer acknowledged {count} frames of {self.next}")
        self.confirmed = max(self.confirmed, count)
        freed, snapshot, kept = 0, None, self._kept
        while kept and kept[0].end <= count:
            message = kept.popleft()
            freed += message.size
            snapshot = message.snapshot
            if self._again:
                self._again -= 1
                self.flight -= message.size
        self.kept -= freed
        gone = self._gone
        while gone and gone[0][0] <= self.acked:
            gone.popleft()
        return freed, snapshot

    def rewind(self, count: int) -> int:
        """A new link, whose peer has `count` frames. Returns the number of the first frame that will be sent.

        A count below `acked` is older than an ACK that overtook it, on the link that is being replaced: `acked` holds.
        Raises ProtocolError (`mismatch`) when the peer claims more than was sent.
        """
        self.acknowledge(max(count, self.acked))
        self._again = 0
        self.flight = 0
        return self.acked

    def again(self, snapshot: Snapshot) -> Sealed:
        """The next message to send again; only while `replaying`."""
        message = self._kept[self._again]._replace(snapshot=snapshot)
        self._kept[self._again] = message
        self._again += 1
        self.flight += message.size
        return message

    def remember(self, stream_id: int, service: str) -> None:
        """A stream is gone, of which frames may be kept: notes whose they are."""
        if self._kept:
            self._gone.append((self.next, stream_id, service))

    def blank(self, live: Collection[int], services: Collection[str]) -> None:
        """Replaces kept frames of the `live` streams, and of gone ones of these services, by VOID, RESET excepted:
        the peer may no longer read them."""
        stream_ids = {*live, *(stream_id for _, stream_id, service in self._gone if service in services)}
        for at, message in enumerate(self._kept):
            frames = list(_split(message.parts))
            if any(stream_id in stream_ids and type != Type.RESET for type, stream_id, _ in frames):
                parts: list[Buffer] = [
                    frame(Type.VOID) if stream_id in stream_ids and type != Type.RESET else whole
                    for type, stream_id, whole in frames
                ]
                size = sum(map(len, parts))
                self.kept += size - message.size
                if at < self._again:
                    self.flight += size - message.size
                self._kept[at] = message._replace(parts=parts, size=size)

    def drop(self) -> None:
        """The session has ended: nothing will be sent again."""
        self._kept.clear()
        self._gone.clear()
        self._again = self.kept = self.flight = 0

    def export(self) -> dict[str, object]:
        """Plain data, for `restore`."""
        kept = [[message.end, message.frames, b"".join(message.parts)] for message in self._kept]
        gone = [list(entry) for entry in self._gone]
        return {"next": self.next, "confirmed": self.confirmed, "kept": kept, "gone": gone}

    def restore(self, state: Mapping[str, Any], snapshot: Snapshot) -> None:
        """The state that `export` described; nothing of it is in flight."""
        self.next = state["next"]
        self.confirmed = state["confirmed"]
        for end, frames, data in state["kept"]:
            self._kept.append(Sealed(end, frames, len(data), [data], snapshot))
            self.kept += len(data)
        self._gone.extend((end, stream_id, service) for end, stream_id, service in state["gone"])


def _split(parts: list[Buffer]) -> Iterator[tuple[int, int, bytes]]:
    data = memoryview(b"".join(parts))
    at = 0
    while at < len(data):
        type, flags, length, stream_id = HEADER.unpack_from(data, at)
        assert flags & COUNTED
        yield type, stream_id, bytes(data[at : at + HEADER.size + length])
        at += HEADER.size + length
