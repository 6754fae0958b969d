"""Bodies as they pass: what is read of one, and how it is framed anew for the other side.

A Reader turns bytes that came into pieces of the body and knows exactly where the message ends. Chunks are llhttp's
business (httptools). It would read on into the next message without telling where that begins; but a chunked message
always ends with CR LF CR LF, so it is fed up to each of those, and asked.
"""

from typing import Final, Protocol

import httptools

from hushgate.edge.heads import Headers
from hushgate.edge.parser import BadMessage

_HEAD: Final = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_END: Final = b"\r\n\r\n"
_OVERHEAD_MAX: Final = 16 * 1024
"""Bytes of chunk extensions and trailers in a row without a byte of the body."""
LAST_CHUNK: Final = b"0\r\n\r\n"


class Reader(Protocol):
    """One body. `done` when all of it came."""

    done: bool

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """The pieces of the body in `data`, and how many bytes of `data` belonged to it. Raises BadMessage."""


class Sized:
    """A body whose length is known."""

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        piece = data if len(data) <= self._left else data[: self._left]
        self._left -= len(piece)
        self.done = self._left == 0
        return [piece] if piece else [], len(piece)


class UntilClose:
    """A response's body that ends with the connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        return [data] if data else [], len(data)


class Chunked:
    """A chunked body. `trailers` are complete when it is done."""

    __slots__ = ("_overhead", "_parser", "_pieces", "_tail", "done", "on_body", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.trailers: Headers = []
        self._pieces: list[bytes] = []
        self._tail = b""
        self._overhead = 0
        self.on_body = self._pieces.append
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)
        self.trailers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.trailers.append((name, value.rstrip(b" \t")))

    def on_message_complete(self) -> None:
        self.done = True

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        at = 0
        try:
            while at < len(data) and not self.done:
                end = self._next_end(data, at)
                self._parser.feed_data(data[at:end] if at or end < len(data) else data)
                at = end
        except httptools.HttpParserError as error:
            raise BadMessage(400, str(error)) from None
        self._tail = (self._tail + data[-3:])[-3:]
        pieces = self._pieces[:]
        self._pieces.clear()
        self._overhead = 0 if pieces else self._overhead + at
        if self._overhead > _OVERHEAD_MAX:
            raise BadMessage(400, "chunk extensions or trailers are too long")
        return pieces, at

    def _next_end(self, data: bytes, at: int) -> int:
        """Where the message may end next, at the latest with the data."""
        if at < 3 and self._tail:
            seam = (self._tail + data[:3]).find(_END)
            if seam >= 0 and seam + 4 - len(self._tail) > at:
                return seam + 4 - len(self._tail)
        found = data.find(_END, at)
        return found + 4 if found >= 0 else len(data)


def chunk(pieces: list[bytes]) -> list[bytes]:
    """The buffers of one chunk that holds `pieces`."""
    return [b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]


def last_chunk(trailers: Headers) -> bytes:
    """The end of a chunked body."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in trailers) + b"\r\n"
