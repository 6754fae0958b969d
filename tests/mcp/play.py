"""The two sides of the sans-IO parts: replies that remember what was written, and messages."""

import json
from typing import Any

from hushgate.mcp.messages import Message, read_body, read_line
from hushgate.mcp.reply import NO_FIELDS, Fields


class Kept:
    """A Reply that keeps everything. `written` holds events."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.fields: Fields = {}
        self.written: list[bytes] = []
        self.over = False

    def answer(self, status: int, body: bytes = b"", fields: Fields = NO_FIELDS) -> None:
        assert not self.status, "an answer comes once"
        self.status, self.body, self.fields, self.over = status, body, fields, True

    def begin(self, fields: Fields = NO_FIELDS) -> None:
        assert not self.status, "an answer comes once"
        self.status, self.fields = 200, fields

    def write(self, event: bytes) -> None:
        assert self.status == 200 and not self.over, "events stand between begin and end"
        self.written.append(event)

    def end(self) -> None:
        self.over = True

    @property
    def events(self) -> list[Any]:
        """What the events say; None for one without data."""
        texts = [part[5:].strip() for event in self.written for part in event.splitlines() if part.startswith(b"data:")]
        return [json.loads(text) if text else None for text in texts]

    @property
    def ids(self) -> list[str]:
        return [line[4:].decode() for event in self.written for line in event.splitlines() if line.startswith(b"id: ")]


def posted(*messages: Any) -> list[Message]:
    """Messages of one body."""
    return read_body(json.dumps(messages[0] if len(messages) == 1 else messages).encode())


def said(**message: Any) -> Message:
    """A message of the program."""
    return read_line(json.dumps({"jsonrpc": "2.0", **message}).encode())


def call(number: Any, method: str = "tools/call", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
