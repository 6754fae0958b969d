"""JSON-RPC messages as MCP carries them: what has to be known of one to bring it where it belongs.

A line of stdio is one message; a message is handed on as it was written, so that no number and no order of keys
changes on the way, unless its id must be another one (`Message.changed`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from hushgate.edge.strict_json import strict_value

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
SERVER_ERROR: Final = -32000
"""Errors of our own; JSON-RPC leaves their numbers to implementations."""

MODERN: Final = "2026-07-28"
"""The first revision without sessions. Revisions are dates, so they compare as text."""
LEGACY: Final = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
PRIMED: Final = "2025-11-25"
"""The first revision whose clients understand an event without data."""
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION_KEY: Final = "io.modelcontextprotocol/subscriptionId"


class Kind(Enum):
    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


class BadMessage(Exception):
    """Something that is no JSON-RPC message. `code` is the error's in JSON-RPC."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Message:
    """`key`: the id as JSON text, empty for a notification; `line`: the message on one line, without its end."""

    kind: Kind
    method: str
    key: str
    line: bytes
    value: Mapping[str, Any]

    @property
    def params(self) -> Mapping[str, Any]:
        found = self.value.get("params")
        return found if isinstance(found, dict) else {}

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}

    @property
    def progress_key(self) -> str:
        """The progress token as JSON text: of a request, where it asks for progress; of a progress notification, which
        request it is about."""
        holder = self.params if self.method == "notifications/progress" else self.meta
        return json.dumps(holder["progressToken"]) if "progressToken" in holder else ""

    @property
    def error_code(self) -> int | None:
        """Of a response that is an error."""
        error = self.value.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, int) else None

    def changed(self, **members: Any) -> bytes:
        """The line with other members."""
        return json.dumps({**self.value, **members}, separators=(",", ":")).encode()


def read_body(body: bytes) -> list[Message]:
    """The messages of an HTTP body, one or a batch. Raises BadMessage."""
    try:
        value = strict_value(body)
    except ValueError as error:
        raise BadMessage(PARSE_ERROR, f"the body {error}") from None
    if isinstance(value, dict):
        # A line feed in JSON can only be white space between its tokens.
        return [_message(value, body.strip().replace(b"\n", b" ").replace(b"\r", b" "))]
    if not isinstance(value, list) or not value:
        raise BadMessage(INVALID_REQUEST, "the body is no JSON-RPC message")
    return [_message(item, json.dumps(item, separators=(",", ":")).encode()) for item in value]


def read_line(line: bytes) -> Message:
    """The message that a program wrote. Raises BadMessage."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise BadMessage(PARSE_ERROR, "no JSON") from None
    return _message(value, line)


def error_line(key: str, code: int, text: str) -> bytes:
    """An error response; `key`: the id as JSON text, empty when none is known."""
    error = json.dumps({"code": code, "message": text})
    return f'{{"jsonrpc":"2.0","id":{key or "null"},"error":{error}}}'.encode()


def _message(value: Any, line: bytes) -> Message:
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise BadMessage(INVALID_REQUEST, "this is no JSON-RPC 2.0 message")
    method, number = value.get("method"), value.get("id")
    if not isinstance(number, str | int | float | None) or isinstance(number, bool):
        raise BadMessage(INVALID_REQUEST, "the id is neither text nor a number")
    if method is None and ("result" in value or "error" in value):
        return Message(Kind.RESPONSE, "", "" if number is None else json.dumps(number), line, value)
    if not isinstance(method, str):
        raise BadMessage(INVALID_REQUEST, "this is neither a request nor a response")
    if "id" not in value:
        return Message(Kind.NOTIFICATION, method, "", line, value)
    if number is None:
        raise BadMessage(INVALID_REQUEST, "the id of a request is null")
    return Message(Kind.REQUEST, method, json.dumps(number), line, value)
