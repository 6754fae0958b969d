"""HTTP on a stream that ends in this process: requests for a Bridge are read with h11, its replies written.

Requests of a connection are answered one at a time; what a client pipelines stays unread until then. A client that does
not read what it is sent is cut off before it costs more memory than one message is allowed to.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

import h11

from hushgate.edge.heads import RequestHead
from hushgate.edge.mcp import BODY_MAX
from hushgate.mcp.child import LINE_MAX
from hushgate.mcp.messages import INVALID_REQUEST, error_line
from hushgate.mcp.reply import NO_FIELDS, Fields, Reply
from hushgate.protocol.limits import REQUEST_HEAD_MAX
from hushgate.transports.base import Pipe

_JSON: Final = ("Content-Type", "application/json")
_EVENTS: Final = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache, no-transform"),
    ("X-Accel-Buffering", "no"),
)


class Handler(Protocol):
    """Who answers (bridge.Bridge)."""

    def handle(self, request: RequestHead, body: bytes, reply: Reply) -> None: ...

    def gone(self, reply: Reply) -> None: ...


class Endpoint:
    """One connection (the user of its pipe). `handler` hears of every reply whose visitor left."""

    def __init__(self, pipe: Pipe, handler: Handler) -> None:
        self._pipe = pipe
        self._handler = handler
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_HEAD_MAX)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._reply: _Reply | None = None
        self._inside = False

    @property
    def asks_for_head(self) -> bool:
        return self._request is not None and self._request.method == b"HEAD"

    def start(self) -> None:
        self._pipe.switch(self)

    def received(self, view: memoryview) -> int:
        if self._reply is not None:
            return 0
        self._http.receive_data(bytes(view))
        self._advance()
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.over = True
            self._handler.gone(reply)

    def send(self, event: h11.Event) -> None:
        """Writes a part of the response."""
        if self._pipe.buffered > LINE_MAX:
            self._pipe.break_off("the client does not read what it is sent")
        if data := self._http.send(event):
            self._pipe.write([[data]])

    def replied(self) -> None:
        """The response is complete."""
        self._reply = None
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._pipe.close()
            return
        self._http.start_next_cycle()
        self._request = None
        self._advance()
        # What was left unread while this was being answered.
        self._pipe.switch(self)

    def _advance(self) -> None:
        if self._inside:
            return
        self._inside = True
        try:
            while self._reply is None and self._step():
                pass
        finally:
            self._inside = False

    def _step(self) -> bool:
        """Takes the next event; False when there is none now."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._answer(error.error_status_hint, "the request cannot be read")
            return False
        if isinstance(event, h11.Request):
            self._request = event
            self._body.clear()
            if self._http.they_are_waiting_for_100_continue:
                self.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > BODY_MAX:
                self._answer(413, f"the body is longer than {BODY_MAX} bytes")
                return False
        elif isinstance(event, h11.EndOfMessage):
            self._handle()
        else:
            return False
        return True

    def _handle(self) -> None:
        request = self._request
        assert request is not None, "a message has a head"
        head = RequestHead(request.method, request.target, list(request.headers.raw_items()), 1, len(self._body))
        reply = self._reply = _Reply(self)
        self._handler.handle(head, bytes(self._body), reply)

    def _answer(self, status: int, text: str) -> None:
        """Refuses what is not read any further."""
        if self._http.our_state is h11.IDLE or self._http.our_state is h11.SEND_RESPONSE:
            _Reply(self).answer(status, error_line("", INVALID_REQUEST, text), {"Connection": "close"})
        else:
            self._pipe.close()


class _Reply:
    """The answer to one request of an Endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.over = False
        self._endpoint = endpoint

    def answer(self, status: int, body: bytes = b"", fields: Fields = NO_FIELDS) -> None:
        self._head(status, [*([_JSON] if body else []), ("Content-Length", str(len(body)))], fields)
        if not self._endpoint.asks_for_head:
            self.write(body)
        self.end()

    def begin(self, fields: Fields = NO_FIELDS) -> None:
        self._head(200, _EVENTS, fields)

    def write(self, event: bytes) -> None:
        if event and not self.over:
            self._endpoint.send(h11.Data(data=event))

    def end(self) -> None:
        if not self.over:
            self.over = True
            self._endpoint.send(h11.EndOfMessage())
            self._endpoint.replied()

    def _head(self, status: int, headers: Sequence[tuple[str, str]], fields: Fields) -> None:
        if not self.over:
            shown = [*headers, *fields.items()]
            reason = HTTPStatus(status).phrase.encode()
            self._endpoint.send(h11.Response(status_code=status, headers=shown, reason=reason))
