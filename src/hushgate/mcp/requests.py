"""What the head of an HTTP request asks of an MCP endpoint (transports, revisions 2025-03-26 to 2026-07-28)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hushgate.edge.heads import RequestHead
from hushgate.mcp.messages import INVALID_REQUEST, LEGACY, SERVER_ERROR
from hushgate.mcp.reply import NO_FIELDS, Fields

PATHS: Final = (b"/mcp", b"/")
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")


class Refused(Exception):
    """A request that is answered with an error, by its head alone."""

    def __init__(self, status: int, reason: str, code: int = SERVER_ERROR, fields: Fields = NO_FIELDS) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Asked:
    """`session` and `last_event` are empty when the headers are not there. `events`: the client takes a stream of
    events. `modern`: of revision 2026-07-28 or later."""

    request: RequestHead
    method: bytes
    session: str
    last_event: str
    events: bool
    modern: bool


def examine(request: RequestHead) -> Asked:
    """Raises Refused."""
    if request.path not in PATHS:
        raise Refused(404, "there is nothing here; the MCP endpoint is /mcp")
    _check_origin(request)
    modern = _is_modern(request)
    methods = ("POST",) if modern else ("POST", "GET", "DELETE")
    if request.method.decode() not in methods:
        allowed = ", ".join(methods)
        raise Refused(405, f"the methods of this endpoint are {allowed}", fields={"Allow": allowed})
    events = _accepts(request, b"text/event-stream")
    if request.method == b"POST":
        _check_content(request)
        if not events and not _accepts(request, b"application/json"):
            raise Refused(406, "answers are application/json or text/event-stream; Accept allows neither")
    elif request.method == b"GET" and not events:
        raise Refused(406, "a GET is answered with text/event-stream, which Accept does not allow")
    return Asked(
        request,
        request.method,
        (request.first(b"mcp-session-id") or b"").decode("latin-1"),
        (request.first(b"last-event-id") or b"").decode("latin-1"),
        events,
        modern,
    )


def _check_origin(request: RequestHead) -> None:
    """A page of another site is not let in; one that may come has been given a local Origin by the gateway."""
    for origin in request.all(b"origin"):
        try:
            host = urlsplit(origin.decode("latin-1")).hostname or ""
        except ValueError:
            host = ""
        if not _LOOPBACK.fullmatch(host):
            raise Refused(403, "pages of this origin may not use this service")


def _is_modern(request: RequestHead) -> bool:
    """Whoever names a revision that is not known means a newer one: the program itself will say which it speaks."""
    revisions = [value.decode("latin-1") for value in request.all(b"mcp-protocol-version")]
    if not revisions:
        return False
    if len(revisions) > 1:
        raise Refused(400, "MCP-Protocol-Version names more than one revision", INVALID_REQUEST)
    return revisions[0] not in LEGACY


def _check_content(request: RequestHead) -> None:
    kind = (request.first(b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Refused(415, "the body must be application/json")
    if (request.first(b"content-encoding") or b"identity").lower() != b"identity":
        raise Refused(415, "send the body without Content-Encoding")


def _accepts(request: RequestHead, kind: bytes) -> bool:
    """Whether Accept allows the media type; without the header everything is allowed."""
    ranges = list(_ranges(request.all(b"accept")))
    return not ranges or bool({kind, kind.partition(b"/")[0] + b"/*", b"*/*"} & set(ranges))


def _ranges(values: Iterable[bytes]) -> Iterable[bytes]:
    for value in values:
        for item in value.split(b","):
            yield item.partition(b";")[0].strip().lower()
