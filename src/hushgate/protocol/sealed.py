"""A stream whose bytes are encrypted between its two ends (docs/protocol.md §14; e2e.py holds the cryptography).

    endpoint (a socket) ⇄ SealedStream │ _Seal ⇄ stream

To the endpoint a SealedStream is its stream; to the stream `_Seal` is its endpoint. What is taken from the endpoint
becomes one record; what comes is kept until a record is whole, and never more than one: the rest waits in the stream's
backlog, under its credit. Before the peer's hello nothing is taken from the endpoint: the stream seems to be without
credit.
"""

from collections.abc import Callable, Sized
from typing import Final

from hushgate.errors import ProtocolError
from hushgate.protocol.e2e import HELLO, LENGTH, OVERHEAD, PLAIN_MAX, TAG, Conversation
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.stream import NOWHERE, ByteStream, Endpoint, Half

_PIECE: Final = 1024
"""A record with less in it is not worth its overhead; what the stream cannot take of it at once waits here."""


class SealedStream:
    """What an endpoint sees (stream.ByteStream): the stream below, but for what the seal has to say. The peer's
    hello calls `stood`: from then on it is known that the peer holds the key. `failed` is told why the stream was given
    up for cryptography's sake, once."""

    def __init__(
        self,
        stream: ByteStream,
        conversation: Conversation,
        *,
        opener: bool,
        stood: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self.endpoint: Endpoint = NOWHERE
        self.receive = Half.OPEN
        self._stream = stream
        self._seal = _Seal(self, stream, conversation, opener=opener, stood=stood, failed=failed)

    def start(self) -> None:
        """Binds to the stream; the opener says its hello."""
        self._stream.endpoint = self._seal
        if self._seal.opener:
            self._stream.ready()
        self._stream.drain()

    @property
    def id(self) -> int:
        return self._stream.id

    @property
    def send(self) -> Half:
        return self._stream.send

    @property
    def what(self) -> Open:
        return self._stream.what

    @property
    def gone(self) -> bool:
        return self._stream.gone and not self._seal.plain

    @property
    def sent(self) -> int:
        return self._stream.sent

    @property
    def listed(self) -> bool:
        return self._stream.listed

    @property
    def rivals(self) -> int:
        return self._stream.rivals

    @property
    def starved(self) -> bool:
        return self._stream.starved or not self._seal.standing

    @property
    def backlog(self) -> Sized:
        return self._seal.plain

    def ready(self) -> None:
        if self._seal.standing:
            self._stream.ready()

    def drain(self) -> None:
        if self._seal.deliver():
            self._stream.drain()

    def accept(self) -> None:
        self._stream.accept()

    def reset(self, code: Code, text: str = "") -> None:
        self._stream.reset(code, text)


class _Seal:
    """The endpoint of the stream below (stream.Endpoint)."""

    def __init__(
        self,
        above: SealedStream,
        stream: ByteStream,
        conversation: Conversation,
        *,
        opener: bool,
        stood: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self.opener = opener
        self.standing = False
        self.plain = memoryview(b"")
        """What the endpoint did not take of the last record."""
        self._above = above
        self._stream = stream
        self._conversation = conversation
        self._stood = stood
        self._failed = failed
        self._out = conversation.hello() if opener else b""
        self._over = False
        """The end was sealed; nothing more is taken from above."""
        self._partial = bytearray()

    def take(self, n: int) -> bytes | None:
        out = self._out
        while self.standing and not self._over and len(out) < n:
            wanted = min(max(n - len(out) - OVERHEAD, _PIECE), PLAIN_MAX)
            data = self._above.endpoint.take(wanted)
            if data is None:
                self._over = True
            elif not data:
                break
            out += self._conversation.seal(bytes(data or b""))
            if data and len(data) < wanted:
                break
        self._out = out[n:]
        if not out:
            return None if self._over else b""
        if self._over and len(out) < n:
            self._stream.ready()
        return out[:n]

    def data(self, view: memoryview) -> int:
        used = 0
        try:
            while used < len(view) and not self.plain and self._above.receive is Half.OPEN:
                size, record = self._next(view[used:])
                used += size
                if record is not None:
                    self._heard(record)
        except ProtocolError as error:
            self._give_up(Code(error.code), error.reason)
            return len(view)
        if used < len(view) and self._above.receive is not Half.OPEN:
            self._give_up(Code.PROTOCOL, "more came after the end")
            return len(view)
        return used

    def finish(self) -> None:
        if self._above.receive is Half.OPEN:
            self._give_up(Code.ABORTED, "the stream was cut on the way")

    def reset(self, code: Code, text: str) -> None:
        self._above.endpoint.reset(code, text)

    def opened(self) -> None:
        self._above.endpoint.opened()

    def datagram(self, view: memoryview) -> None:
        pass

    def deliver(self) -> bool:
        """Offers what waits; whether the endpoint can take more."""
        if self.plain:
            self.plain = self.plain[self._above.endpoint.data(self.plain) :]
            if not self.plain and self._above.receive is Half.FINISHED:
                self._above.endpoint.finish()
        return not self.plain

    def _next(self, view: memoryview) -> tuple[int, bytes | None]:
        """The bytes used of `view`, and the record that they complete."""
        if not self._partial:
            end = self._end(view)
            if end and end <= len(view):
                return end, bytes(view[LENGTH.size : end])
        used = 0
        while used < len(view):
            missing = max((self._end(self._partial) or LENGTH.size) - len(self._partial), 1)
            piece = view[used : used + missing]
            self._partial += piece
            used += len(piece)
            if self._end(self._partial) == len(self._partial):
                record = bytes(self._partial[LENGTH.size :])
                self._partial.clear()
                return used, record
        return used, None

    def _end(self, record: memoryview | bytearray) -> int:
        """Where the record at the front ends; 0: not known yet. Raises ProtocolError for one that cannot be."""
        if len(record) < LENGTH.size:
            return 0
        size: int = LENGTH.unpack_from(record)[0]
        if not self.standing and size != HELLO:
            raise ProtocolError(Code.DENIED, "the other end does not encrypt")
        if not TAG <= size <= PLAIN_MAX + TAG:
            raise ProtocolError(Code.ABORTED, "a record was altered on the way")
        return LENGTH.size + size

    def _heard(self, record: bytes) -> None:
        if not self.standing:
            self._conversation.heard(record)
            if not self.opener:
                self._out = self._conversation.hello()
            self.standing = True
            self._stood()
            self._stream.ready()
            return
        plain = self._conversation.open(record)
        if not plain:
            self._above.receive = Half.FINISHED
            self._above.endpoint.finish()
            return
        self.plain = memoryview(plain)
        self.deliver()

    def _give_up(self, code: Code, reason: str) -> None:
        self._over, self._out = True, b""
        self._above.receive = Half.RESET
        self.plain = memoryview(b"")
        self._failed(reason)
        self._stream.reset(code, reason)
        self._above.endpoint.reset(code, reason)
