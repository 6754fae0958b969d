"""Joins a stream of one session to a stream of another, so that each may lose and resume its links on its own.

Bytes wait only in the backlog of the stream they came from; they leave it, and credit for them goes back, when the
other stream has its turn. So the credit of the slow side holds back the fast one, end to end. OPEN_OK, FIN and RESET
pass through as they are.
"""

from hushgate.protocol.frames import Code
from hushgate.protocol.stream import Half, Stream


class RelayEnd:
    """The endpoint of one of the two streams (see stream.Endpoint)."""

    def __init__(self, near: Stream, far: Stream) -> None:
        self._near = near
        self._far = far

    def take(self, n: int) -> bytes | None:
        data = self._far.read(n)
        if not data and self._far.receive is Half.FINISHED and not self._far.backlog:
            return None
        return data

    def data(self, view: memoryview) -> int:
        self._far.ready()
        return 0

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
    one.endpoint = RelayEnd(one, other)
    other.endpoint = RelayEnd(other, one)
    for near, far in ((one, other), (other, one)):
        if near.confirmed:
            far.accept()
        far.ready()
