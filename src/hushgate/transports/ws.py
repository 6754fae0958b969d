"""A pipe through WebSocket messages, on top of any other pipe; the handshake is over when it begins."""

from collections.abc import Callable, Sequence
from typing import Literal

from hushgate.protocol.limits import RECEIVE_ROOMY
from hushgate.protocol.websocket import (
    ZERO_KEY,
    CloseCode,
    Decoder,
    Opcode,
    Violation,
    close_payload,
    encode,
    parse_close,
)
from hushgate.transports.base import Message, Pipe, PipeUser

Masking = Literal["zero"] | Callable[[], bytes] | None
"""How what we send is masked: not (a server), with key zero (a client under its own TLS), or with the key of 4 random
bytes that the function returns for each message (any other client)."""


class WebSocketPipe(Pipe, PipeUser):
    """Carries messages over `inner`. Only a client masks, so `masking` also says which side we are."""

    def __init__(self, inner: Pipe, masking: Masking) -> None:
        super().__init__("websocket", inner.peer)
        inner.roomy()
        self._inner = inner
        self._masking = masking
        self._decoder = Decoder(masked=masking is None)
        self._split = bytearray()
        """What the user left of the messages so far: a frame of its own that continues in the next message."""
        self._pong: bytes | None = None
        """The last ping's payload, until there is room to answer: one answer serves all pings before it."""
        self._attached = False

    @property
    def full(self) -> bool:
        return self._inner.full

    @property
    def buffered(self) -> int:
        return self._inner.buffered

    def switch(self, user: PipeUser) -> None:
        super().switch(user)
        if not self._attached:
            self._attached = True
            self._inner.switch(self)

    def write(self, messages: Sequence[Message]) -> None:
        if not self._closing:
            self._inner.write([encode(message, self._key()) for message in messages])

    def close(self) -> None:
        if not self._closing:
            self._goodbye(CloseCode.NORMAL)

    def abort(self, error: str) -> None:
        self._closing = True
        self._inner.abort(error)

    def _hold(self) -> None:
        self._inner.pause()

    def _release(self) -> None:
        self._inner.resume()

    def received(self, view: memoryview) -> int:
        at = 0
        try:
            while not self._closing and not self._paused and (frame := self._decoder.parse(view, at)) is not None:
                at, opcode, payload = frame
                if opcode == Opcode.BINARY:
                    self._deliver(payload)
                elif opcode == Opcode.PING:
                    self._pong = bytes(payload)
                elif opcode == Opcode.CLOSE:
                    self._finish(*parse_close(payload))
        except Violation as violation:
            self._goodbye(violation.code)
            self._end(f"the peer violated RFC 6455: {violation}")
        if self._pong is not None and not self._inner.full:
            self._send_pong()
        return at

    def writable(self) -> None:
        if self._pong is not None:
            self._send_pong()
        if self._user is not None and not self._closing:
            self._user.writable()

    def ended(self, error: str | None) -> None:
        early = error is None and not self._closing
        self._end("the connection ended without a WebSocket close" if early else error)

    def _deliver(self, payload: memoryview | bytes) -> None:
        view = payload if isinstance(payload, memoryview) else memoryview(payload)
        user = self._user
        if self._split:
            self._split += view
            self._show()
        elif user is not None and view and not self._paused:
            # Nearly always all is used and nobody else took over: the way that `_show` goes, shorter.
            self._showing, self._resumed = True, False
            try:
                size = user.received(view)
            finally:
                self._showing = False
            if size < len(view):
                self._split += view[size:]
            if self._split and (self._user is not user or self._resumed):
                self._show()
        else:
            self._split += view
        # As much as one read may bring: behind WELCOME comes a replay, before the link's user has taken over.
        if len(self._split) > RECEIVE_ROOMY:
            self.abort(f"{self.peer}: {len(self._split)} bytes were received and not read")

    def _unread(self) -> memoryview:
        return memoryview(self._split)

    def _used(self, size: int) -> None:
        del self._split[:size]

    def _key(self) -> bytes | None:
        match self._masking:
            case None:
                return None
            case "zero":
                return ZERO_KEY
            case draw:
                return draw()

    def _send_pong(self) -> None:
        if self._pong is not None and not self._closing:
            self._inner.write([encode([self._pong], self._key(), Opcode.PONG)])
        self._pong = None

    def _finish(self, code: int, reason: str) -> None:
        self._goodbye(code)
        orderly = code in (CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NONE)
        self._end(None if orderly else f"the peer closed the WebSocket with code {code} {reason!r}")

    def _goodbye(self, code: int) -> None:
        """Sends our close frame and then our end: the peer's own close frame is nothing we would wait for."""
        self._closing = True
        self._inner.write([encode([close_payload(code)], self._key(), Opcode.CLOSE)])
        self._inner.close()
