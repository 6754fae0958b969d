"""Cuts lines from bytes as they come."""

from collections.abc import Iterator


class Lines:
    """Lines of at most `limit` bytes, without their ends; empty ones are left out. A longer one is cut to `limit`, or
    (without `cut`) is the end of everything: `overlong`."""

    def __init__(self, limit: int, *, cut: bool = False) -> None:
        self.overlong = False
        self._limit = limit
        self._cut = cut
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            if self._add(end):
                return
            line = b"".join(self._begun).rstrip(b"\r")
            self._begun.clear()
            self._size = 0
            if line:
                yield line
        self._add(rest)

    def _add(self, piece: bytes) -> bool:
        """Whether this is too much."""
        room = self._limit - self._size
        if len(piece) > room:
            if not self._cut:
                self.overlong = True
                self._begun.clear()
                return True
            piece = piece[:room]
        if piece:
            self._begun.append(piece)
            self._size += len(piece)
        return False
