"""Heads of HTTP/1.1 requests and responses, as the gateway read them: names and values untouched, in their order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Headers = list[tuple[bytes, bytes]]
"""Name as written, value without the white space around it."""


@dataclass(slots=True)
class RequestHead:
    """`target` is in origin-form, or `*` (RFC 9112 §3.2); `length` is None for a chunked body. A judge may replace
    `headers` and take `upgrade` out: what it leaves is forwarded. The fields from `host` to `expects` were read from
    the headers once, with the framing, and are not looked for again."""

    method: bytes
    target: bytes
    headers: Headers
    minor: int = 1
    """HTTP/1.`minor`."""
    length: int | None = 0
    host: bytes = b""
    """The Host header; empty only when HTTP/1.0 sent none."""
    connection: frozenset[bytes] = frozenset()
    """The options of all Connection headers, lower case."""
    upgrade: bytes = b""
    """The protocol asked for, when Connection names Upgrade."""
    expects: bool = False
    """`Expect: 100-continue`."""
    page: bytes = b""
    """The Origin of the page that asks, once it was found to be allowed: home sees its own origin in its place."""

    @property
    def path(self) -> bytes:
        """`target` without its query, as written."""
        return self.target.partition(b"?")[0]

    @property
    def persistent(self) -> bool:
        """Whether the visitor wants to keep the connection (RFC 9112 §9.3)."""
        return b"close" not in self.connection and (self.minor > 0 or b"keep-alive" in self.connection)

    def first(self, name: bytes) -> bytes | None:
        """The value of the first header of this name (lower case), or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: bytes) -> Iterable[bytes]:
        """The values of all headers of this name (lower case), in their order."""
        return (value for key, value in self.headers if key.lower() == name)


UNREAD: Final = RequestHead(b"", b"", [])
"""Stands for a request that could not be read."""


@dataclass(slots=True)
class ResponseHead:
    """`length` is None when the body is chunked or ends with the connection."""

    status: int
    reason: bytes
    headers: Headers
    minor: int = 1
    length: int | None = 0
    chunked: bool = False
    connection: frozenset[bytes] = frozenset()
    """The options of all Connection headers, lower case."""

    @property
    def persistent(self) -> bool:
        """Whether home keeps the connection after this response."""
        if self.length is None and not self.chunked:
            return False
        return b"close" not in self.connection and (self.minor > 0 or b"keep-alive" in self.connection)

    def first(self, name: bytes) -> bytes | None:
        """The value of the first header of this name (lower case), or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)
