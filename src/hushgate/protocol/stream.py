"""One stream: two halves, two credits, and what was received and not yet taken.

Every change of a half's state goes through the two tables below, which are those of docs/protocol.md §6.2 (a test
compares them). Data is the exception: a half accepts it exactly while it is OPEN, and the data path asks just that.

A stream meets the world through its `Endpoint`: a socket, a stream of another session, something in this process.
Nothing is queued for sending: when the stream's turn comes the mux *takes* from the endpoint. What arrives is offered
to the endpoint at once; what it does not take waits in `backlog`, and credit for it goes back only when it was taken.
"""

from collections.abc import Sized
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from hushgate.errors import LocalProtocolError
from hushgate.protocol.frames import Buffer, Code, Open
from hushgate.protocol.limits import WINDOW_STEP_MIN

if TYPE_CHECKING:
    from hushgate.protocol.mux import Mux


class Half(StrEnum):
    OPEN = "open"
    FINISHED = "finished"
    RESET = "reset"


class Event(StrEnum):
    DATA = "data"
    FINISH = "finish"
    WINDOW = "window"
    RESET = "reset"
    PEER_DATA = "peer data"
    PEER_FINISH = "peer finish"
    PEER_RESET = "peer reset"


SEND: Final = {
    (Half.OPEN, Event.DATA): Half.OPEN,
    (Half.OPEN, Event.FINISH): Half.FINISHED,
    (Half.OPEN, Event.WINDOW): Half.OPEN,
    (Half.OPEN, Event.RESET): Half.RESET,
    (Half.OPEN, Event.PEER_RESET): Half.RESET,
    (Half.FINISHED, Event.WINDOW): Half.FINISHED,
    (Half.FINISHED, Event.RESET): Half.RESET,
    (Half.FINISHED, Event.PEER_RESET): Half.RESET,
    (Half.RESET, Event.WINDOW): Half.RESET,
    (Half.RESET, Event.RESET): Half.RESET,
    (Half.RESET, Event.PEER_RESET): Half.RESET,
}
RECEIVE: Final = {
    (Half.OPEN, Event.PEER_DATA): Half.OPEN,
    (Half.OPEN, Event.PEER_FINISH): Half.FINISHED,
    (Half.OPEN, Event.RESET): Half.RESET,
    (Half.OPEN, Event.PEER_RESET): Half.RESET,
    (Half.FINISHED, Event.RESET): Half.RESET,
    (Half.FINISHED, Event.PEER_RESET): Half.RESET,
    (Half.RESET, Event.PEER_DATA): Half.RESET,
    (Half.RESET, Event.PEER_FINISH): Half.RESET,
    (Half.RESET, Event.RESET): Half.RESET,
    (Half.RESET, Event.PEER_RESET): Half.RESET,
}


class Endpoint(Protocol):
    """The user's end of a stream: its source and its sink. No method may block; none is called after `reset`. Any of
    them may call anything of this or another stream, with one exception: `data` may not drain or read its own."""

    def take(self, n: int) -> Buffer | None:
        """Source: up to `n` (≥ 1) bytes to send. Fewer than `n` says that there are no more now, and `Stream.ready`
        is owed when there are; None says that the source has ended (FIN). May call `Stream.reset`, then returns
        b""."""

    def data(self, view: memoryview) -> int:
        """Sink: how many bytes of `view` it took. When not all, `Stream.drain` is owed once it can take more. The
        view is valid during the call only. May call `Stream.reset`."""

    def finish(self) -> None:
        """The peer's half ended; everything before it was taken."""

    def reset(self, code: Code, text: str) -> None:
        """Both halves ended abruptly."""

    def opened(self) -> None:
        """OPEN_OK came: the connection at the far end stands."""

    def datagram(self, view: memoryview) -> None:
        """A datagram of the flow came."""


class ByteStream(Protocol):
    """What an endpoint sees of its stream: a Stream, or one that is encrypted (sealed.SealedStream)."""

    endpoint: Endpoint

    @property
    def id(self) -> int: ...

    @property
    def what(self) -> Open: ...

    @property
    def send(self) -> Half: ...

    @property
    def receive(self) -> Half: ...

    @property
    def backlog(self) -> Sized: ...

    @property
    def gone(self) -> bool: ...

    @property
    def sent(self) -> int: ...

    @property
    def listed(self) -> bool: ...

    @property
    def starved(self) -> bool: ...

    @property
    def rivals(self) -> int: ...

    def ready(self) -> None: ...

    def drain(self) -> None: ...

    def accept(self) -> None: ...

    def reset(self, code: Code, text: str = "") -> None: ...


class Stream:
    """One byte pipe (or flow of datagrams) in a session. Created by `Mux.open` or by the peer's OPEN."""

    __slots__ = (
        "active_at",
        "backlog",
        "confirmed",
        "endpoint",
        "id",
        "limit",
        "listed",
        "mark",
        "mux",
        "receive",
        "received",
        "send",
        "send_limit",
        "sent",
        "starved",
        "taken",
        "told",
        "what",
        "window",
        "window_at",
    )

    def __init__(self, mux: "Mux", id: int, what: Open, send_limit: int, window: int, now: float) -> None:
        self.mux = mux
        self.id = id
        self.what = what
        self.endpoint: Endpoint = NOWHERE
        self.confirmed = False
        self.send = Half.OPEN
        self.sent = 0
        self.send_limit = send_limit
        self.listed = False
        """Waiting for its turn in the schedule."""
        self.starved = False
        """Has something to send and no credit."""
        self.receive = Half.OPEN
        self.received = 0
        self.taken = 0
        self.window = window
        self.limit = window
        """The credit granted to the peer: an absolute offset, never lowered."""
        self.mark = window_mark(0, window)
        """When `taken` reaches this, a WINDOW is due."""
        self.window_at = now
        self.active_at = now
        self.backlog: list[memoryview] = []
        self.told = False
        """The endpoint was told of the peer's finish."""

    def __repr__(self) -> str:
        ours = f"{self.send.value} {self.sent}/{self.send_limit}"
        theirs = f"{self.receive.value} {self.taken}/{self.received}/{self.limit}"
        return f"<Stream {self.id} {self.what.service} send={ours} receive={theirs}>"

    @property
    def gone(self) -> bool:
        """Neither half is open and what was received has been handed on."""
        return self.send is not Half.OPEN and self.receive is not Half.OPEN and not self.backlog

    @property
    def finished(self) -> bool:
        """Both halves have ended in order; what was received may wait to be handed on."""
        return self.send is Half.FINISHED and self.receive is Half.FINISHED

    def step_send(self, event: Event) -> None:
        self.send = _step(SEND, self.send, event)

    def step_receive(self, event: Event) -> None:
        self.receive = _step(RECEIVE, self.receive, event)

    @property
    def rivals(self) -> int:
        """Streams of this session that wait for their turn to send."""
        return len(self.mux.outbox.schedule)

    def ready(self) -> None:
        """The source has something to send, or has ended."""
        self.mux.ready(self)

    def drain(self) -> None:
        """The sink can take again: offers it the backlog."""
        self.mux.drain(self)

    def read(self, n: int) -> bytes:
        """Up to `n` bytes of the backlog, for a sink that prefers to pull. They count as taken."""
        return self.mux.read(self, n)

    def accept(self) -> None:
        """Says OPEN_OK: the connection at this end stands."""
        self.mux.accept(self)

    def reset(self, code: Code, text: str = "") -> None:
        """Ends both halves. The endpoint is not called again."""
        self.mux.reset(self, code, text)

    def send_datagram(self, data: bytes) -> None:
        """Sends one datagram of the flow, or drops it when the link cannot take it soon."""
        self.mux.send_datagram(self, data)


def window_mark(taken: int, window: int) -> int:
    """The value of `taken` at which the next WINDOW is due: a quarter of the window later."""
    return taken + max(window // 4, WINDOW_STEP_MIN)


def _step(table: dict[tuple[Half, Event], Half], state: Half, event: Event) -> Half:
    try:
        return table[state, event]
    except KeyError:
        raise LocalProtocolError(f"{event.value} on a half that is {state.value}") from None


class _Nowhere:
    """Where a stream leads before it is bound: nothing to send, nothing taken."""

    def take(self, n: int) -> bytes | None:
        return b""

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


NOWHERE: Final = _Nowhere()
