"""What answers one HTTP request of an MCP client: at once, or as a stream of events (text/event-stream)."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from hushgate.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    error_line,
)

Fields = Mapping[str, str]
NO_FIELDS: Final[Fields] = {}

COMMENT: Final = b":\n\n"
"""Keeps an idle stream alive; every reader skips it."""
STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""HTTP statuses of JSON-RPC errors since revision 2026-07-28; all others are answered with 200."""
_EVENT_ID: Final = re.compile(r"(\d{1,9})-(\d{1,9})")


class Reply(Protocol):
    """One response, by whoever speaks HTTP. What is written after the visitor left is lost."""

    @property
    def over(self) -> bool:
        """Nothing can be written any more."""

    def answer(self, status: int, body: bytes = b"", fields: Fields = NO_FIELDS) -> None:
        """The whole response; a body is JSON."""

    def begin(self, fields: Fields = NO_FIELDS) -> None:
        """The response is a stream of events."""

    def write(self, event: bytes) -> None:
        """The next event, after `begin`."""

    def end(self) -> None:
        """No more events."""


def refuse(reply: Reply, status: int, code: int, text: str, key: str = "", fields: Fields = NO_FIELDS) -> None:
    """Answers with a JSON-RPC error."""
    reply.answer(status, error_line(key, code, text), fields)


def event(line: bytes, id: str = "") -> bytes:
    """A message as an event. A line of JSON holds no line feed; nor may a carriage return end it early."""
    head = f"id: {id}\n".encode() if id else b""
    return b"%bevent: message\ndata: %b\n\n" % (head, line.replace(b"\r", b" "))


def primer(id: str) -> bytes:
    """An event without data, so that the client has an id to resume from before the first message."""
    return f"id: {id}\ndata:\n\n".encode()


def event_place(id: str) -> tuple[int, int] | None:
    """Outlet and number of the event that Last-Event-ID names."""
    found = _EVENT_ID.fullmatch(id)
    return (int(found[1]), int(found[2])) if found else None
