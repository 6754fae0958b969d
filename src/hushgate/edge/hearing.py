"""A request before its judge: heard by its head, perhaps after a time in a queue, and by its body when that decides.

What the judge allows is handed on with the body that it has seen, if it has seen one; all else is refused.
"""

from math import inf
from typing import Final

from hushgate.edge.exchange import Exchange
from hushgate.edge.judge import Wait
from hushgate.edge.parser import BadMessage
from hushgate.edge.profile import Allow, Deny, NeedBody
from hushgate.edge.stage import Connection, State

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Hearing:
    """`received` takes the visitor's bytes in State.GATHER only; `due`: see Gateway."""

    __slots__ = ("_connection", "due", "exchange", "state")
    answering: Final = False

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self.state = State.QUEUED
        self.due = inf
        self.exchange = exchange
        self._connection = connection

    def begin(self) -> None:
        verdict = self._connection.site.judge.admit(self.exchange)
        if verdict is None:
            self._judge()
        elif isinstance(verdict, Wait):
            verdict.turn.go_on = self._judge
        else:
            self._connection.refuse(verdict)

    def received(self, data: bytes) -> int:
        self._set_clock()
        body = self.exchange.body
        kept = body.size
        try:
            used = body.gather(data)
        except BadMessage as bad:
            self._connection.refuse(Deny(bad.status, "body", f"the request's body could not be taken: {bad.reason}"))
            return len(data)
        self._connection.site.room.add(self._connection, body.size - kept)
        if body.done and self.state is State.GATHER:
            self._judge_body()
        return used

    def conclude(self) -> None:
        """The exchange ends here."""
        self.state = State.OVER

    def _judge(self) -> None:
        verdict = self._connection.site.judge.judge(self.exchange)
        if isinstance(verdict, Allow):
            self.exchange.note(verdict.facts)
            self._connection.forward(self.exchange, b"")
        elif isinstance(verdict, NeedBody):
            self._gather(verdict.limit)
        else:
            self._connection.refuse(verdict)

    def _gather(self, limit: int) -> None:
        body = self.exchange.body
        self.state = State.GATHER
        self._set_clock()
        if not body.fits(limit):
            self._connection.refuse(Deny(413, "body", f"the request's body is longer than {body.most} bytes"))
        elif body.done:
            self._judge_body()
        else:
            if self.exchange.request.expects:
                self._connection.visitor.write([[_CONTINUE]])
            self._connection.read_on()

    def _judge_body(self) -> None:
        exchange = self.exchange
        body = exchange.body.gathered()
        verdict = self._connection.site.judge.judge_body(exchange, body)
        exchange.note(verdict.facts)
        if isinstance(verdict, Deny):
            self._connection.refuse(verdict)
            return
        if verdict.body is not None:
            body = verdict.body
        # It goes home as one piece, whatever framing it came in.
        exchange.request.length, exchange.request.expects = len(body), False
        self._connection.forward(exchange, body)

    def _set_clock(self) -> None:
        self.due = self._connection.now() + self._connection.site.timing.body
