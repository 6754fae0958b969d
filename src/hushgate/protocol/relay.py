"""Joins a stream of one session to a stream of another, so that each may lose and resume its links on its own.

What arrives goes on at once when the other stream's link can take it: `data` offers the view, and the other stream, if
its turn comes within that call, takes it from there. Otherwise the bytes wait in the backlog of the stream they came
from, and nowhere else; they leave it, and credit for them goes back, when the other stream has its turn. So the credit
of the slow side holds back the fast one, end to end. OPEN_OK, FIN and RESET pass through as they are.
"""

from hushgate.protocol.frames import Code
from hushgate.protocol.stream import Half, Stream

_NOTHING = memoryview(b"")


class RelayEnd:
    """The endpoint of one of the two streams (see stream.Endpoint)."""

    def __init__(self, near: Stream, far: Stream) -> None:
        self._near = near
        self._far = far
        self.other: RelayEnd
        self.offered = _NOTHING
        """What `data` was given and the other end has not taken yet; the backlog is empty then."""

    def take(self, n: int) -> bytes | None:
        if offered := self.other.offered:
            self.other.offered = offered[n:]
            return bytes(offered[:n])
        data = self._far.read(n)
        if not data and self._far.receive is Half.FINISHED and not self._far.backlog:
            return None
        return data

    def data(self, view: memoryview) -> int:
        self.offered = view
        self._far.ready()
        rest, self.offered = len(self.offered), _NOTHING
        return len(view) - rest

    def finish(self) -> None:
        self._far.ready()

    def reset(self, code: Code, text: str) -> None:
        self._far.reset(code, text)

    def opened(self) -> None:
        self._far.accept()

    def datagram(self, view: memoryview) -> None:
        self._far.send_datagram(bytes(view))


def join(one: Stream, other: Stream) -> None:
    """Makes each stream the other's source and sink, and catches up on what came before."""
    here, there = RelayEnd(one, other), RelayEnd(other, one)
    here.other, there.other = there, here
    one.endpoint, other.endpoint = here, there
    for near, far in ((one, other), (other, one)):
        if near.confirmed:
            far.accept()
        far.ready()


def rejoin(one: Stream | None, other: Stream | None) -> None:
    """`join` for two streams of sessions that were restored (export.py) with a `bind` that left each its endpoint, and
    have no link yet. None stands for one that was no longer among its session's: it had ended in order, and read its
    counterpart to the end."""
    if one and other:
        join(one, other)
        return
    for left in (one, other):
        if left:
            left.endpoint = _Survivor()


class _Survivor:
    """The endpoint of a stream whose counterpart has ended: nothing can come for it, and FIN is left to send."""

    def take(self, n: int) -> bytes | None:
        return None

    def data(self, view: memoryview) -> int:
        return 0

    def finish(self) -> None:
        pass

    def reset(self, code: Code, text: str) -> None:
        pass

    def opened(self) -> None:
        pass

    def datagram(self, view: memoryview) -> None:
        pass
