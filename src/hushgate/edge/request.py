"""A request as its bytes come: where its head ends, and its body framed anew for home."""

import re
from typing import Final

from hushgate.edge.body import Chunked, Reader, Sized, chunk, last_chunk
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

    __slots__ = ("_gathered", "_reader", "size")

    def __init__(self, length: int | None) -> None:
        self.size = 0
        self._reader: Reader = Chunked() if length is None else Sized(length)
        self._gathered: list[bytes] = []

    @property
    def done(self) -> bool:
        return self._reader.done

    def forward(self, data: bytes) -> tuple[list[bytes], int]:
        """What goes home of `data`, and how much of it was the body's. Raises BadMessage."""
        reader = self._reader
        pieces, used = reader.feed(data)
        self.size += sum(map(len, pieces))
        if isinstance(reader, Chunked):
            pieces = chunk(pieces) if pieces else []
            if reader.done:
                pieces.append(last_chunk(forwardable(reader.trailers)))
        return pieces, used

    def gather(self, data: bytes) -> int:
        """Keeps what `data` has of the body; how much of it that was. Raises BadMessage."""
        pieces, used = self._reader.feed(data)
        self.size += sum(map(len, pieces))
        self._gathered += pieces
        return used

    def gathered(self) -> bytes:
        """All that was kept, which is not kept any longer."""
        body = b"".join(self._gathered)
        self._gathered.clear()
        return body
