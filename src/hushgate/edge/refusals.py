"""What is told to a visitor whose request is not forwarded: one sentence, in the words that the client understands."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from hushgate.edge.heads import Headers, RequestHead
from hushgate.edge.profile import Deny, Dialect

_ANTHROPIC: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_HEADER_MISMATCH: Final = -32020
"""By this code a client knows a server of revision 2026-07-28."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of our own. `reason` is a word for the audit line."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    reason: str = ""

    def sent(self, request: RequestHead | None) -> bytes:
        """The body as it goes out: HEAD gets none."""
        return b"" if request is not None and request.method == b"HEAD" else self.body


def refuse(dialect: Dialect, deny: Deny, headers: Headers | None = None) -> Answer:
    """`deny` as a JSON answer of the dialect."""
    told = (_body(dialect, deny) + "\n").encode()
    return Answer(deny.status, ((b"Content-Type", b"application/json"), *(headers or ())), told, deny.reason)


def answer_bytes(answer: Answer, request: RequestHead | None, *, keep: bool) -> bytes:
    """The whole response; `request` is None when it could not be read."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (answer.status, _phrase(answer.status))]
    lines += [b"%b: %b\r\n" % field for field in answer.headers]
    if answer.status != 204:
        lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    if not keep:
        lines.append(b"Connection: close\r\n")
    elif request is not None and not request.minor:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    lines.append(answer.sent(request))
    return b"".join(lines)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Refused"


def _body(dialect: Dialect, deny: Deny) -> str:
    message = deny.message
    match dialect:
        case Dialect.OPENAI:
            kind = "invalid_request_error" if deny.status < 500 else "server_error"
            return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": deny.reason}})
        case Dialect.ANTHROPIC:
            kind = _ANTHROPIC.get(deny.status, "api_error")
            return json.dumps({"type": "error", "error": {"type": kind, "message": message}})
        case Dialect.JSON_RPC:
            # The id goes back as it was written.
            number = (deny.request_id or b"null").decode("utf-8", "replace")
            code = _HEADER_MISMATCH if deny.reason == "mismatch" else -32000
            error = json.dumps({"code": code, "message": message, "data": {"reason": deny.reason}})
            return f'{{"jsonrpc": "2.0", "id": {number}, "error": {error}}}'
    return json.dumps({"error": message})
