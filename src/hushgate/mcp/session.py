"""One session of a client older than 2026-07-28, and the program that serves it alone. Sans-IO.

The program has one channel each way; over HTTP a message needs a place to go. An *outlet* is such a place: a stream of
events that answers one POST, or number 0, the one that a GET listens to. A response goes where its request came from,
progress where it was asked for. Of what else a program may say nothing tells whose it is: while one call is being
answered it is that call's (a question to the user, a log line), otherwise it goes to outlet 0, and waits there when
nobody listens.

Every event has an id and is kept for a while. So a client that lost its connection gets the rest by Last-Event-ID, and
a broken connection is not the end of a call (transports, revision 2025-11-25).
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hushgate.mcp.messages import INVALID_REQUEST, PRIMED, SERVER_ERROR, Kind, Message, error_line
from hushgate.mcp.reply import Fields, Reply, event, event_place, primer, refuse

EVENTS_KEPT: Final = 1024 * 1024
"""Bytes of events that a session keeps for clients that come back, the newest always."""
_UNRELATED: Final = (
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
)
"""These are about no call that happens to be under way."""


@dataclass(eq=False, slots=True)
class Outlet:
    """`waiting`: the ids that are still to be answered, each with its progress token, as JSON texts. `plain`: the
    client takes no events, so the answers are collected in `answers`."""

    number: int
    reply: Reply | None
    waiting: dict[str, str] = field(default_factory=dict)
    plain: bool = False
    batch: bool = False
    answers: list[bytes] = field(default_factory=list)
    last: int = 0
    """The number of its newest event."""
    sent: int = 0
    """The newest that was written to anybody."""


class Session:
    """`send` hands a line to the program; `revision` is the one that the client asked for."""

    def __init__(self, id: str, send: Callable[[bytes], None], revision: str) -> None:
        self.id = id
        self._primed = revision >= PRIMED
        self._send = send
        self._listen = Outlet(0, None)
        self._outlets: dict[int, Outlet] = {0: self._listen}
        self._newest = 0
        self._kept: deque[tuple[Outlet, int, bytes]] = deque()
        self._kept_size = 0

    @property
    def busy(self) -> bool:
        """Somebody waits for something."""
        return any(outlet.reply or outlet.waiting for outlet in self._outlets.values())

    @property
    def listening(self) -> bool:
        """A GET is open for what belongs to no call."""
        return self._listen.reply is not None

    @property
    def replies(self) -> list[Reply]:
        """Streams of events that are open now."""
        return [outlet.reply for outlet in self._outlets.values() if outlet.reply and not outlet.plain]

    @property
    def _fields(self) -> Fields:
        return {"Mcp-Session-Id": self.id}

    # From the client.

    def post(self, messages: Sequence[Message], reply: Reply, *, events: bool) -> None:
        """Messages of one POST, which were one body; without `events` the answer is JSON."""
        requests = {message.key: message.progress_key for message in messages if message.kind is Kind.REQUEST}
        taken = {key for outlet in self._outlets.values() for key in outlet.waiting}
        asked = sum(message.kind is Kind.REQUEST for message in messages)
        if len(requests) < asked or taken & requests.keys():
            refuse(reply, 400, INVALID_REQUEST, "an id is in use for another request", next(iter(requests)))
            return
        if not requests:
            reply.answer(202)
        else:
            self._newest += 1
            outlet = Outlet(self._newest, reply, requests, plain=not events, batch=len(messages) > 1)
            self._outlets[outlet.number] = outlet
            if events:
                reply.begin(self._fields)
                if self._primed:
                    self._keep(outlet, primer(self._next_id(outlet)))
        for message in messages:
            self._send(message.line)
            if message.method == "notifications/cancelled":
                self._cancelled(message)

    def listen(self, reply: Reply, last_event: str) -> None:
        """A GET: what belongs to no call, or the rest of a stream that broke after `last_event`."""
        outlet, after = self._listen, self._listen.sent
        if last_event:
            place = event_place(last_event)
            found = self._outlets.get(place[0]) if place else None
            if found is None or place is None or place[1] > found.last or not self._has_after(found, place[1]):
                refuse(reply, 400, INVALID_REQUEST, "what came after that event is not kept any more")
                return
            outlet, after = found, place[1]
        elif outlet.reply is not None:
            refuse(reply, 409, SERVER_ERROR, "this session has a listener already")
            return
        if outlet.reply is not None:
            outlet.reply.end()
        outlet.reply = reply
        reply.begin(self._fields)
        for one, number, data in list(self._kept):
            if one is outlet and number > after:
                reply.write(data)
        outlet.sent = outlet.last
        if outlet is not self._listen:
            self._end_if_answered(outlet)
        elif self._primed and not last_event:
            self._keep(outlet, primer(self._next_id(outlet)))

    def gone(self, reply: Reply) -> None:
        """Its visitor left."""
        for outlet in list(self._outlets.values()):
            if outlet.reply is reply:
                outlet.reply = None
                if outlet.plain:
                    del self._outlets[outlet.number]

    # From the program.

    def received(self, message: Message) -> bool:
        """Brings a message to its outlet; False when nobody waits for it."""
        outlet = self._place(message)
        if outlet is None:
            return False
        if message.kind is Kind.RESPONSE:
            del outlet.waiting[message.key]
        if outlet.plain:
            outlet.answers.append(message.line)
        else:
            self._keep(outlet, event(message.line, self._next_id(outlet)))
        if outlet is not self._listen:
            self._end_if_answered(outlet)
        return True

    def close(self, reason: str) -> None:
        """The program has ended: whoever waits for it is told, and the session is over."""
        for outlet in list(self._outlets.values()):
            for key in list(outlet.waiting):
                outlet.waiting.pop(key)
                line = error_line(key, SERVER_ERROR, reason)
                if outlet.plain:
                    outlet.answers.append(line)
                else:
                    self._keep(outlet, event(line, self._next_id(outlet)))
            self._end_if_answered(outlet)
        self._outlets = {}

    def _place(self, message: Message) -> Outlet | None:
        outlets = list(self._outlets.values())
        if message.kind is Kind.RESPONSE:
            return next((outlet for outlet in outlets if message.key in outlet.waiting), None)
        streams = [outlet for outlet in outlets if outlet.waiting and not outlet.plain]
        if message.method == "notifications/progress" and (about := message.progress_key):
            return next((outlet for outlet in streams if about in outlet.waiting.values()), None)
        live = [outlet for outlet in streams if outlet.reply is not None]
        if message.method not in _UNRELATED and live and (len(live) == 1 or self._listen.reply is None):
            return live[-1]
        return self._listen

    def _cancelled(self, message: Message) -> None:
        """A cancelled request need not be answered, and some programs do not."""
        key = json.dumps(message.params.get("requestId"))
        for outlet in list(self._outlets.values()):
            if outlet.waiting.pop(key, None) is not None:
                self._end_if_answered(outlet)

    # Events.

    def _next_id(self, outlet: Outlet) -> str:
        return f"{outlet.number}-{outlet.last + 1}"

    def _keep(self, outlet: Outlet, data: bytes) -> None:
        outlet.last += 1
        self._kept.append((outlet, outlet.last, data))
        self._kept_size += len(data)
        if outlet.reply is not None:
            outlet.reply.write(data)
            outlet.sent = outlet.last
        while self._kept_size > EVENTS_KEPT and len(self._kept) > 1:
            dropped, number, old = self._kept.popleft()
            self._kept_size -= len(old)
            if dropped is not self._listen and number == dropped.last and not dropped.waiting:
                self._outlets.pop(dropped.number, None)

    def _has_after(self, outlet: Outlet, number: int) -> bool:
        """Whether every event after this one is still here."""
        return number == outlet.last or any(one is outlet and at == number + 1 for one, at, _ in self._kept)

    def _end_if_answered(self, outlet: Outlet) -> None:
        if outlet.waiting:
            return
        reply, outlet.reply = outlet.reply, None
        if outlet.plain or not outlet.last:
            self._outlets.pop(outlet.number, None)
        if outlet.plain:
            if reply is not None:
                body = b"[%b]" % b",".join(outlet.answers) if outlet.batch else b"".join(outlet.answers)
                reply.answer(200 if body else 202, body, self._fields)
        elif reply is not None:
            reply.end()
