"""A request as its bytes come: where its head ends, and its body framed anew for home."""

import re
from typing import Final

from hushgate.edge.body import Chunked, Reader, Sized, UntilClose, chunk, last_chunk
from hushgate.edge.parser import BadMessage
from hushgate.edge.rewrite import forwardable
from hushgate.protocol.limits import REQUEST_HEAD_MAX

_END: Final = b"\r\n\r\n"
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class HeadFinder:
    """Finds the end of a head among bytes that are shown again, with more behind them, until it is there. `begun`: some
    of it has come."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    @property
    def begun(self) -> bool:
        return self._seen > 0

    def skip(self, data: bytes) -> int:
        """The bytes of empty lines that `data` begins with: RFC 9112 §2.2 ignores one, and a few are no attack. Raises
        BadMessage for more."""
        size = len(data) - len(data.lstrip(b"\r\n"))
        if size > len(_END):
            raise BadMessage(400, "empty lines in its place")
        return size

    def find(self, data: bytes) -> int:
        """The length of the head that `data` begins with; 0 while it is not complete. Raises BadMessage when it never
        will be."""
        end = data.find(_END, max(0, self._seen - 3)) + len(_END)
        if end > REQUEST_HEAD_MAX or (end < len(_END) and len(data) > REQUEST_HEAD_MAX):
            raise BadMessage(431, f"its head is longer than {REQUEST_HEAD_MAX} bytes")
        if end >= len(_END):
            self._seen = 0
            return end
        if _BARE_LF.search(data, max(0, self._seen - 1)):
            raise BadMessage(400, "a line that ends without CR")
        self._seen = len(data)
        return 0


class RequestBody:
    """The body of one request. `size` counts its bytes, without framing."""

    __slots__ = ("_gathered", "_length", "_reader", "most", "size")

    def __init__(self, length: int | None) -> None:
        self.size = 0
        self.most: int | None = None
        """It may have so many bytes; None: any number."""
        self._length = length or 0
        self._reader: Reader = Chunked() if length is None else Sized(length)
        self._gathered = bytearray()
        """Not in pieces: those of tiny chunks would take twenty times their bytes."""

    @property
    def done(self) -> bool:
        return self._reader.done

    def fits(self, most: int) -> bool:
        """Makes `most` the limit, unless there is a smaller one. Whether the length that was stated keeps to it."""
        self.most = most if self.most is None else min(self.most, most)
        return self._length <= self.most

    def forward(self, data: bytes) -> tuple[list[bytes], int]:
        """What goes home of `data`, and how much of it was the body's. Raises BadMessage, also when it is too long."""
        reader = self._reader
        pieces, used = reader.feed(data)
        self._count(pieces)
        if isinstance(reader, Chunked):
            pieces = chunk(pieces) if pieces else []
            if reader.done:
                pieces.append(last_chunk(forwardable(reader.trailers)))
        return pieces, used

    def gather(self, data: bytes) -> int:
        """Keeps what `data` has of the body; how much of it that was. Raises BadMessage, also when it is too long."""
        pieces, used = self._reader.feed(data)
        self._count(pieces)
        for piece in pieces:
            self._gathered += piece
        return used

    def gathered(self) -> bytes:
        """All that was kept, which is not kept any longer."""
        body = bytes(self._gathered)
        self._gathered.clear()
        return body

    def _count(self, pieces: list[bytes]) -> None:
        self.size += sum(map(len, pieces))
        if self.most is not None and self.size > self.most:
            # No end is known any more, so the connection has no next request.
            self._reader = UntilClose()
            raise BadMessage(413, f"it is longer than {self.most} bytes")
