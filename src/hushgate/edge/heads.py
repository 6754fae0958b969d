"""Heads of HTTP/1.1 requests and responses, as the gateway read them: names and values untouched, in their order."""

from collections.abc import Iterable
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
"""Name as written, value without the white space around it."""


@dataclass(slots=True)
class RequestHead:
    """`target` is in origin-form, or `*` (RFC 9112 §3.2); `length` is None for a chunked body. What judges a request
    may replace `target` and `headers`: they are what is forwarded."""

    method: bytes
    target: bytes
    headers: Headers
    minor: int = 1
    """HTTP/1.`minor`."""
    length: int | None = 0

    @property
    def path(self) -> bytes:
        """`target` without its query, as written."""
        return self.target.partition(b"?")[0]

    def first(self, name: bytes) -> bytes | None:
        """The value of the first header of this name (lower case), or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: bytes) -> Iterable[bytes]:
        """The values of all headers of this name (lower case), in their order."""
        return (value for key, value in self.headers if key.lower() == name)


@dataclass(slots=True)
class ResponseHead:
    """`length` is None when the body is chunked or ends with the connection."""

    status: int
    reason: bytes
    headers: Headers
    minor: int = 1
    length: int | None = 0

    def first(self, name: bytes) -> bytes | None:
        """The value of the first header of this name (lower case), or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)
