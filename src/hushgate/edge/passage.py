"""A request on its way home, and its response on the way back.

It waits for a way home (PARKED), sends its body in the pieces in which they come (BODY), and waits for the end of the
response (WAIT), which may begin earlier; or both ends pass bytes as they please (TUNNEL, after a 101).
"""

from math import inf
from typing import Final

from hushgate.edge.exchange import Exchange
from hushgate.edge.heads import ResponseHead
from hushgate.edge.parser import BadMessage
from hushgate.edge.profile import Deny, Meter
from hushgate.edge.response import ResponseRelay
from hushgate.edge.rewrite import Mapping, request_bytes
from hushgate.edge.sides import Failure
from hushgate.edge.stage import Connection, State

_SENT_AGAIN: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
"""What HTTP libraries send again by themselves when an idle connection ends (RFC 9110 §9.2.2)."""


class Passage:
    """`judged` is the body that the judge has seen, if it has: it goes home behind the head. `received` takes the
    visitor's bytes in State.BODY and State.TUNNEL; `due`: see Gateway."""

    __slots__ = ("_connection", "_home", "_judged", "_relay", "_reused", "_visitor", "due", "exchange", "state")

    def __init__(self, connection: Connection, exchange: Exchange, judged: bytes) -> None:
        self.state = State.PARKED
        self.due = inf
        self.exchange = exchange
        self._connection = connection
        self._visitor = connection.visitor
        self._home = connection.home
        self._judged = judged
        self._relay: ResponseRelay | None = None
        self._reused = False

    @property
    def answering(self) -> bool:
        """The visitor has been sent the head of the response."""
        return self._relay is not None and self._relay.head is not None

    # The visitor's side.

    def received(self, data: bytes) -> int:
        if self.state is State.TUNNEL:
            self._home.write([[data]])
            used = len(data)
        else:
            body = self.exchange.body
            self._set_clock()
            try:
                pieces, used = body.forward(data)
            except BadMessage as bad:
                self._home.drop()
                self._fail(Deny(bad.status, "body", f"the request's body could not be taken: {bad.reason}"))
                return len(data)
            if body.done:
                self.state, self.due = State.WAIT, inf
            if pieces:
                self._home.write([pieces])
        self._hold_back()
        return used

    def conclude(self) -> None:
        """The exchange ends here, wherever it has come to."""
        outcome, relay = self.exchange.outcome, self._relay
        self._relay = None
        if relay is None:
            outcome.parked = self._home.parked
            return
        outcome.sent += relay.size
        if relay.meter is not None:
            self.exchange.note(relay.meter.facts())

    # Home's side (sides.HomeUser).

    def home_open(self, host: bytes, *, reused: bool) -> None:
        request, peer = self.exchange.request, self.exchange.peer
        mapping = Mapping(host, self._connection.site.prefix)
        self.exchange.outcome.parked = self._home.parked
        self._reused = reused
        self._relay = ResponseRelay(request, peer, mapping, self._answered, keep=request.persistent)
        if self.exchange.body.done:
            self.state = State.WAIT
        else:
            self.state = State.BODY
            if not request.expects:
                self._set_clock()
        head, body, self._judged = request_bytes(request, peer, mapping), self._judged, b""
        self._home.write([[head, body] if body else [head]])
        if body and not self._home.full:
            self._leave_room()
        self._connection.read_on()

    def from_home(self, data: bytes) -> int:
        if self.state is State.TUNNEL:
            self._visitor.write([[data]])
            if self._visitor.full:
                self._home.pause()
            return len(data)
        relay = self._relay
        assert relay is not None, "home has nothing to say before there is a way"
        try:
            used = relay.feed(data)
        except BadMessage as bad:
            self._home.drop()
            service = self._connection.site.service
            self._fail(Deny(502, "garbage", f"{service} gave an unreadable answer: {bad.reason}"))
            return len(data)
        if relay.switched:
            self.state, self.due = State.TUNNEL, inf
            relay.out.append(data[used:])
            self._deliver(relay)
            self._connection.read_on()
            return len(data)
        self._deliver(relay)
        if relay.done:
            if used < len(data):
                # An answer to nothing must never become the answer to the next request.
                self._home.drop()
            self._finish(relay)
            return len(data)
        return used

    def home_writable(self) -> None:
        self._leave_room()
        if self.state is State.BODY and self.due == inf:
            self._set_clock()
        if self.state in (State.BODY, State.TUNNEL):
            self._visitor.resume()

    def home_ended(self, failure: Failure | None) -> None:
        relay = self._relay
        if self.state is State.TUNNEL:
            if failure is None:
                self._connection.close()
            else:
                self._connection.end("home's connection broke")
        elif relay is not None and failure is None and relay.end():
            self._deliver(relay)
            self._finish(relay)
        elif self._reused and failure in (None, Failure.BROKEN) and self.exchange.request.method in _SENT_AGAIN:
            # As if there were no gateway: the visitor's HTTP library knows that an idle connection may end.
            self._connection.end("home ended an idle connection")
        else:
            self._fail((failure or Failure.BROKEN).told(self._connection.site.service))

    def _answered(self, response: ResponseHead) -> Meter | None:
        relay, outcome = self._relay, self.exchange.outcome
        assert relay is not None, "a response belongs to a relay"
        outcome.status, outcome.answered = response.status, self._connection.now()
        # The head has to say that the connection ends: the rest of a request answered early is not read (_finish).
        relay.keep = relay.keep and self.state is State.WAIT and not self._connection.retiring
        return self._connection.site.judge.meter(self.exchange, response)

    def _deliver(self, relay: ResponseRelay) -> None:
        if relay.out:
            self._visitor.write([relay.out])
            relay.out = []
            if self._visitor.full:
                self._home.pause()

    def _finish(self, relay: ResponseRelay) -> None:
        """The response has been sent."""
        whole = self.state is State.WAIT
        assert relay.head is not None, "a response that is done has a head"
        if not relay.head.persistent or not whole:
            self._home.drop()
        self._connection.finish(self.exchange, keep=relay.keep and whole)

    def _fail(self, deny: Deny) -> None:
        """There will be no (whole) response from home."""
        if self.answering:
            self._connection.end(deny.message)
        else:
            self._connection.refuse(deny)

    def _leave_room(self) -> None:
        """A body that was kept for the judge has left."""
        self._connection.site.room.leave(self._connection)

    def _set_clock(self) -> None:
        self.due = self._connection.now() + self._connection.site.timing.body

    def _hold_back(self) -> None:
        """What home cannot take now stays with the visitor."""
        if self._home.full and self.state in (State.BODY, State.TUNNEL):
            self._visitor.pause()
            self.due = inf
