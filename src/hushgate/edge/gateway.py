"""The HTTP gateway between a visitor's connection and home. Sans-IO: bytes come in by calls, and leave by calls.

    visitor ── received ─▶ read_request ─▶ Judge ─▶ request_bytes ── write ─▶ home
            ◀─ write ── response_bytes ◀─ ResponseRelay ◀─ from_home ──

One visitor's connection has at most one connection to home, so that no response can reach another visitor. Requests
are handled one at a time: what a visitor pipelines stays unread until the response before it has been sent. Nothing
that came is forwarded as it is; heads are parsed once, judged as parsed, and written anew from that, with framing of
our own, so that both ends cannot read two different messages. Bodies pass in the pieces in which they come; only a
judge that has to see a body makes it wait.

Back-pressure is the pipes': a side that is full pauses the other. The visitor's end resets home at once, and home's
end in the middle of a response resets the visitor: never is a cut response ended as if it were whole.

`due` is when somebody has to call `overdue`: nginx's clocks for heads, bodies and idle connections. While home works
on an answer there is none.
"""

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

from hushgate.edge.heads import UNREAD, RequestHead, ResponseHead
from hushgate.edge.judge import Exchange, Wait, note
from hushgate.edge.parser import BadMessage, read_request
from hushgate.edge.profile import Allow, Deny, Meter, NeedBody
from hushgate.edge.refusals import Answer, answer_bytes
from hushgate.edge.request import HeadFinder, RequestBody
from hushgate.edge.response import ResponseRelay
from hushgate.edge.rewrite import Mapping, Peer, inner_target, request_bytes
from hushgate.edge.sides import HELD, Failure, HomeWire, Owner, Site, State, Wire
from hushgate.protocol.limits import RECEIVE_HEAD

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Gateway:
    """One visitor's connection (the user of its pipe). `belongs`: whether a request on this connection is for the
    service at all; None: all are."""

    def __init__(
        self,
        site: Site,
        peer: Peer,
        visitor: Wire,
        home: HomeWire,
        owner: Owner,
        belongs: Callable[[RequestHead], bool] | None = None,
    ) -> None:
        self.state = State.HEAD
        self.due = owner.now() + site.timing.head
        self.site = site
        self._peer = peer
        self._visitor = visitor
        self._home = home
        self._owner = owner
        self._belongs = belongs
        self._requests = 0
        self._finder = HeadFinder()
        self._exchange: Exchange | None = None
        self._body = RequestBody(0)
        self._judged = b""
        """A body that was gathered, judged, and goes home as one piece."""
        self._relay: ResponseRelay | None = None
        self._unread = False
        self._reused = False
        self._retiring = False

    # The visitor's side.

    def received(self, view: memoryview) -> int:
        data, at, before = bytes(view), 0, None
        while at < len(data):
            before = self.state
            if before is State.OVER:
                return len(data)
            if before is State.HEAD:
                at += self._read_head(data[at:] if at else data)
            elif before in HELD:
                # A little may lie unread: behind it the visitor's end is heard.
                self._unread = True
                if len(data) - at > RECEIVE_HEAD // 2:
                    self._visitor.pause()
                break
            elif before is State.AWAY:
                break
            elif before is State.TUNNEL:
                self._home.write([[data[at:] if at else data]])
                at = len(data)
            else:
                at += self._read_body(data[at:] if at else data)
            if self.state is State.HEAD and before is State.HEAD and at < len(data) and self._finder.begun:
                break
        if self._home.full and self.state in (State.BODY, State.TUNNEL):
            self._visitor.pause()
            self.due = inf
        return at

    def writable(self) -> None:
        self._home.resume()

    def ended(self, error: str | None) -> None:
        if self.state is State.TUNNEL and error is None:
            self._home.close()
            self._leave("")
        else:
            self._home.drop()
            self._leave("the visitor left")

    def overdue(self) -> None:
        """`due` has come."""
        if self.state is State.HEAD and not self._finder.begun:
            self._close()
        elif self._relay is not None and self._relay.head is not None:
            self.end("the visitor sends no more of its request")
        else:
            self._home.drop()
            self._refuse(Deny(408, "slow", "the request did not come in time"))

    def end(self, reason: str) -> None:
        """Breaks off: the service is no longer offered, the program ends, or what has begun cannot be finished."""
        if self.state not in (State.OVER, State.AWAY):
            self._home.drop()
            self._visitor.break_off(reason)
            self._leave(reason)

    def retire(self) -> None:
        """Takes no further request: ends now, or after the one that is under way."""
        self._retiring = True
        if self.state is State.HEAD and not self._finder.begun:
            self._close()

    def _read_head(self, data: bytes) -> int:
        try:
            if not self._finder.begun:
                if skip := self._finder.skip(data):
                    return skip
                self.due = self._owner.now() + self.site.timing.head
            end = self._finder.find(data)
            if end:
                head = data[:end]
                self._begin(read_request(head), head)
            return end
        except BadMessage as bad:
            self._refuse(Deny(bad.status, "malformed", f"the request could not be read: {bad.reason}"))
            return len(data)

    def _begin(self, request: RequestHead, head: bytes) -> None:
        if self._belongs is not None and not self._belongs(request):
            if not self._requests:
                # Whoever handed the connection over read another request than we do.
                raise BadMessage(400, "no such host")
            self._home.drop()
            self.state, self.due = State.AWAY, inf
            self._owner.give_back(head)
            return
        self._requests += 1
        self._body = RequestBody(request.length)
        request.target = inner_target(request.target, self.site.prefix)  # What is judged is what is forwarded.
        exchange = self._exchange = Exchange(request, self._peer, self._owner.now())
        verdict = self.site.judge.admit(exchange)
        self._body.most = exchange.body_max
        if verdict is None:
            self._judge(exchange)
        elif isinstance(verdict, Wait):
            self.state, self.due = State.QUEUED, inf
            exchange.go_on = partial(self._judge, exchange)
        else:
            self._refuse(verdict)

    def _judge(self, exchange: Exchange) -> None:
        verdict = self.site.judge.judge(exchange)
        if isinstance(verdict, Allow):
            note(exchange, verdict.facts)
            self._forward(exchange)
        elif isinstance(verdict, NeedBody):
            self._gather(exchange, verdict.limit)
        else:
            self._refuse(verdict)

    def _forward(self, exchange: Exchange) -> None:
        """The request goes home as soon as there is a way."""
        self.state, self.due = State.PARKED, inf
        self._home.begin(self._peer.visitor(exchange.request))

    def _gather(self, exchange: Exchange, limit: int) -> None:
        self.state = State.GATHER
        self.due = self._owner.now() + self.site.timing.body
        if not self._body.fits(limit):
            self._refuse(Deny(413, "body", f"the request's body is longer than {self._body.most} bytes"))
        elif self._body.done:
            self._gathered(exchange)
        else:
            if exchange.request.expects:
                self._visitor.write([[_CONTINUE]])
            self._read_on()

    def _read_body(self, data: bytes) -> int:
        exchange, body = self._exchange, self._body
        assert exchange is not None, "a body belongs to a request"
        self.due = self._owner.now() + self.site.timing.body
        try:
            if self.state is State.GATHER:
                used = body.gather(data)
                if body.done:
                    self._gathered(exchange)
                return used
            pieces, used = body.forward(data)
        except BadMessage as bad:
            self._home.drop()
            self._unanswered(Deny(bad.status, "body", f"the request's body could not be taken: {bad.reason}"))
            return len(data)
        if body.done:
            self.state, self.due = State.WAIT, inf
        if pieces:
            self._home.write([pieces])
        return used

    def _gathered(self, exchange: Exchange) -> None:
        body = self._body.gathered()
        verdict = self.site.judge.judge_body(exchange, body)
        note(exchange, verdict.facts)
        if isinstance(verdict, Deny):
            self._refuse(verdict)
        else:
            self._judged = body if verdict.body is None else verdict.body
            exchange.request.length = len(self._judged)
            exchange.request.expects = False
            self._forward(exchange)

    # Home's side, called by the HomeWire.

    def home_open(self, host: bytes, *, reused: bool) -> None:
        """There is a way home, where requests have the Host `host` (empty: the visitor's); `reused`: an earlier request
        went the same way."""
        exchange = self._exchange
        assert exchange is not None and self.state is State.PARKED, "nobody asked for a way home"
        request, mapping = exchange.request, Mapping(host, self.site.prefix)
        exchange.parked = self._home.parked
        self._reused = reused
        self._relay = ResponseRelay(request, self._peer, mapping, self._answered, keep=request.persistent)
        if self._body.done:
            self.state = State.WAIT
        else:
            self.state = State.BODY
            if not request.expects:
                self.due = self._owner.now() + self.site.timing.body
        head, body, self._judged = request_bytes(request, self._peer, mapping), self._judged, b""
        self._home.write([[head, body] if body else [head]])
        self._read_on()

    def from_home(self, view: memoryview) -> int:
        data, relay = bytes(view), self._relay
        if self.state is State.TUNNEL:
            self._visitor.write([[data]])
            if self._visitor.full:
                self._home.pause()
            return len(data)
        if relay is None:
            # Nobody asked: an answer to nothing must never become the answer to the next request.
            self._home.drop()
            return len(data)
        try:
            used = relay.feed(data)
        except BadMessage as bad:
            self._home.drop()
            self._unanswered(Deny(502, "garbage", f"{self.site.service} gave an unreadable answer: {bad.reason}"))
            return len(data)
        if relay.switched:
            self.state, self.due = State.TUNNEL, inf
            relay.out.append(data[used:])
            used = len(data)
        self._deliver(relay)
        if relay.switched:
            self._read_on()
        if relay.done:
            if used < len(data):
                self._home.drop()
                used = len(data)
            self._finish(relay)
        return used

    def home_writable(self) -> None:
        if self.state is State.BODY and self.due == inf:
            self.due = self._owner.now() + self.site.timing.body
        if self.state in (State.BODY, State.TUNNEL):
            self._visitor.resume()

    def home_ended(self, failure: Failure | None) -> None:
        """Home's connection is over: None when it ended in order."""
        relay = self._relay
        if self.state is State.TUNNEL:
            if failure is None:
                self._close()
            else:
                self.end("home's connection broke")
        elif relay is not None and failure is None and relay.end():
            self._deliver(relay)
            self._finish(relay)
        elif relay is not None or self.state is State.PARKED:
            if failure in (None, Failure.BROKEN) and self._reused:
                # As if there were no gateway: the visitor's HTTP library knows that an idle connection may end.
                self.end("home ended an idle connection")
            else:
                self._unanswered((failure or Failure.BROKEN).told(self.site.service))

    def _answered(self, response: ResponseHead) -> Meter | None:
        exchange, relay = self._exchange, self._relay
        assert exchange is not None and relay is not None, "a response belongs to a request"
        exchange.status, exchange.answered = response.status, self._owner.now()
        # The head has to say that the connection ends: the rest of a request answered early is not read (_finish).
        relay.keep = relay.keep and self.state is State.WAIT and not self._retiring
        return self.site.judge.meter(exchange, response)

    def _deliver(self, relay: ResponseRelay) -> None:
        if relay.out:
            self._visitor.write([relay.out])
            relay.out = []
            if self._visitor.full:
                self._home.pause()

    def _finish(self, relay: ResponseRelay) -> None:
        """The response has been sent."""
        complete = self.state is State.WAIT
        assert relay.head is not None, "a response that is done has a head"
        if not relay.head.persistent or not complete:
            self._home.drop()
        self._conclude()
        if relay.keep and complete and not self._retiring:
            self._await_next()
        else:
            self._close()

    def _unanswered(self, deny: Deny) -> None:
        """There will be no (whole) response from home."""
        if self._relay is not None and self._relay.head is not None:
            self.end(deny.message)
        else:
            self._refuse(deny)

    # The ends of exchanges and connections.

    def _refuse(self, told: Deny | Answer) -> None:
        """Answers the request ourselves; the connection lives on when nothing of the request is left to be read."""
        exchange = self._exchange = self._exchange or Exchange(UNREAD, self._peer, self._owner.now())
        request = exchange.request
        if isinstance(told, Deny):
            note(exchange, told.facts)
            told = self.site.judge.tell(exchange, told)
        exchange.status, exchange.refused, exchange.sent = told.status, told.reason, len(told.sent(request))
        whole = request is not UNREAD and (self._body.done or request.length == 0)
        keep = request.persistent and whole and not self._retiring
        self._visitor.write([[answer_bytes(told, request, keep=keep)]])
        self._conclude()
        if keep:
            self._await_next()
        else:
            self._close()

    def _conclude(self) -> None:
        exchange, relay = self._exchange, self._relay
        self._exchange = self._relay = None
        self._judged = b""
        if exchange is not None:
            exchange.received = self._body.size
            exchange.ended = self._owner.now()
            if self.state is State.PARKED:
                exchange.parked = self._home.parked
            if relay is not None:
                exchange.sent += relay.size
                if relay.meter is not None:
                    note(exchange, relay.meter.facts())
            self.site.judge.over(exchange)
        self._body = RequestBody(0)

    def _await_next(self) -> None:
        self.state = State.HEAD
        self.due = self._owner.now() + self.site.timing.keepalive
        self._read_on()

    def _read_on(self) -> None:
        if self._unread:
            self._unread = False
            self._visitor.pause()
        self._visitor.resume()

    def _close(self) -> None:
        self._home.drop()
        self._visitor.close()
        self._leave("")

    def _leave(self, reason: str) -> None:
        if self.state in (State.OVER, State.AWAY):
            return
        self.state, self.due = State.OVER, inf
        if self._exchange is not None and reason:
            self._exchange.aborted, self._exchange.refused = True, reason
        self._conclude()
        self._owner.over()
