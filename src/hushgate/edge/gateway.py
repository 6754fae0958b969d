"""The HTTP gateway between a visitor's connection and home. Sans-IO: bytes come in by calls, and leave by calls.

    visitor ── received ─▶ read_request ─▶ Hearing ─▶ Passage ── write ─▶ home
            ◀─────────────── write ─────────────────── Passage ◀─ from_home ──

One visitor's connection has at most one connection to home, so that no response can reach another visitor. Requests
are handled one at a time: what a visitor pipelines stays unread until the response before it has been sent. Nothing
that came is forwarded as it is; heads are parsed once, judged as parsed (hearing.py), and written anew from that
(passage.py), with framing of our own, so that both ends cannot read two different messages. Bodies pass in the pieces
in which they come; only a judge that has to see a body makes it wait.

Back-pressure is the pipes': a side that is full pauses the other. The visitor's end resets home at once, and home's
end in the middle of a response resets the visitor: never is a cut response ended as if it were whole.

`due` is when somebody has to call `overdue`: nginx's clocks for heads, bodies and idle connections. While home works
on an answer there is none.
"""

from collections.abc import Callable
from math import inf

from hushgate.edge.exchange import Exchange, Outcome
from hushgate.edge.heads import UNREAD, RequestHead
from hushgate.edge.hearing import Hearing
from hushgate.edge.parser import BadMessage, read_request
from hushgate.edge.passage import Passage
from hushgate.edge.profile import Deny
from hushgate.edge.refusals import Answer, answer_bytes
from hushgate.edge.request import HeadFinder
from hushgate.edge.rewrite import Peer, inner_target
from hushgate.edge.sides import Failure, HomeWire, Owner, Site, Wire
from hushgate.edge.stage import HELD, State
from hushgate.protocol.limits import RECEIVE_HEAD


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
        self.site = site
        self.visitor = visitor
        self.home = home
        self.now = owner.now
        self.retiring = False
        self._peer = peer
        self._owner = owner
        self._belongs = belongs
        self._requests = 0
        self._finder = HeadFinder()
        self._stage: Hearing | Passage | None = None
        """Where the request is that is under way."""
        self._between = State.HEAD
        """The state without one."""
        self._head_due = owner.now() + site.timing.head
        self._unread = False

    @property
    def state(self) -> State:
        return self._between if self._stage is None else self._stage.state

    @property
    def due(self) -> float:
        """Monotonic seconds."""
        return self._head_due if self._stage is None else self._stage.due

    # The visitor's side.

    def received(self, view: memoryview) -> int:
        data, at = bytes(view), 0
        while at < len(data):
            stage = self._stage
            if stage is None:
                if self._between is not State.HEAD:
                    return at if self._between is State.AWAY else len(data)
                used = self._read_head(data[at:] if at else data)
                if not used:
                    break
            elif stage.state in HELD:
                # A little may lie unread: behind it the visitor's end is heard.
                self._unread = True
                if len(data) - at > RECEIVE_HEAD // 2:
                    self.visitor.pause()
                break
            else:
                used = stage.received(data[at:] if at else data)
            at += used
        return at

    def writable(self) -> None:
        self.home.resume()

    def ended(self, error: str | None) -> None:
        if self.state is State.TUNNEL and error is None:
            self.home.close()
            self._leave("")
        else:
            self.home.drop()
            self._leave("the visitor left")

    def overdue(self) -> None:
        """`due` has come."""
        if self._stage is None and not self._finder.begun:
            self.close()
        else:
            slow = Deny(408, "slow", "the request did not come in time")
            self._stop(slow, "the visitor sends no more of its request")

    def give_up(self) -> None:
        """See room.Keeper."""
        full = Deny(503, "room", f"{self.site.service}: too much is waiting here; try again in a moment")
        self._stop(full, "there was no room for the request")

    def retire(self) -> None:
        """Takes no further request: ends now, or after the one that is under way."""
        self.retiring = True
        if self.state is State.HEAD and not self._finder.begun:
            self.close()

    def _read_head(self, data: bytes) -> int:
        try:
            if not self._finder.begun:
                if skip := self._finder.skip(data):
                    return skip
                self._head_due = self.now() + self.site.timing.head
            end = self._finder.find(data)
            if end:
                head = data[:end]
                self._begin(read_request(head), head)
            return end
        except BadMessage as bad:
            self.refuse(Deny(bad.status, "malformed", f"the request could not be read: {bad.reason}"))
            return len(data)

    def _begin(self, request: RequestHead, head: bytes) -> None:
        if self._belongs is not None and not self._belongs(request):
            if not self._requests:
                # Whoever handed the connection over read another request than we do.
                raise BadMessage(400, "no such host")
            self.home.drop()
            self._between, self._head_due = State.AWAY, inf
            self._owner.give_back(head)
            return
        self._requests += 1
        request.target = inner_target(request.target, self.site.prefix)  # What is judged is what is forwarded.
        hearing = self._stage = Hearing(self, Exchange(request, self._peer, Outcome(self.now())))
        hearing.begin()

    # Home's side (sides.HomeUser).

    def home_open(self, host: bytes, *, reused: bool) -> None:
        stage = self._stage
        assert isinstance(stage, Passage) and stage.state is State.PARKED, "nobody asked for a way home"
        stage.home_open(host, reused=reused)

    def from_home(self, view: memoryview) -> int:
        stage = self._stage
        if isinstance(stage, Passage) and stage.state is not State.PARKED:
            return stage.from_home(bytes(view))
        # Nobody asked: an answer to nothing must never become the answer to the next request.
        self.home.drop()
        return len(view)

    def home_writable(self) -> None:
        if isinstance(self._stage, Passage):
            self._stage.home_writable()

    def home_ended(self, failure: Failure | None) -> None:
        if isinstance(self._stage, Passage):
            self._stage.home_ended(failure)

    # What becomes of a request (stage.Connection).

    def read_on(self) -> None:
        if self._unread:
            self._unread = False
            self.visitor.pause()
        self.visitor.resume()

    def forward(self, exchange: Exchange, judged: bytes) -> None:
        self._stage = Passage(self, exchange, judged)
        self.home.begin(exchange.peer.visitor(exchange.request))

    def refuse(self, told: Deny | Answer) -> None:
        stage = self._stage
        exchange = stage.exchange if stage is not None else Exchange(UNREAD, self._peer, Outcome(self.now()))
        request, outcome = exchange.request, exchange.outcome
        if isinstance(told, Deny):
            exchange.note(told.facts)
            told = self.site.judge.tell(exchange, told)
        outcome.status, outcome.refused, outcome.sent = told.status, told.reason, len(told.sent(request))
        # The connection lives on when nothing of the request is left to be read.
        keep = request is not UNREAD and exchange.body.done and request.persistent and not self.retiring
        self.visitor.write([[answer_bytes(told, request, keep=keep)]])
        self._conclude(exchange)
        self._go_on(keep)

    def finish(self, exchange: Exchange, *, keep: bool) -> None:
        self._conclude(exchange)
        self._go_on(keep and not self.retiring)

    def end(self, reason: str) -> None:
        """Breaks off: the service is no longer offered, the program ends, or what has begun cannot be finished."""
        if self._between is State.HEAD:
            self.home.drop()
            self.visitor.break_off(reason)
            self._leave(reason)

    def close(self) -> None:
        self.home.drop()
        self.visitor.close()
        self._leave("")

    def _stop(self, deny: Deny, reason: str) -> None:
        """The request goes no further: tells the visitor, or breaks off what it is being told already."""
        if self._stage is not None and self._stage.answering:
            self.end(reason)
        else:
            self.home.drop()
            self.refuse(deny)

    def _go_on(self, keep: bool) -> None:
        if keep:
            self._head_due = self.now() + self.site.timing.keepalive
            self.read_on()
        else:
            self.close()

    def _leave(self, reason: str) -> None:
        if self._between is not State.HEAD:
            return
        self._between, self._head_due = State.OVER, inf
        if self._stage is not None:
            exchange = self._stage.exchange
            if reason:
                exchange.outcome.aborted, exchange.outcome.refused = True, reason
            self._conclude(exchange)
        self._owner.over()

    def _conclude(self, exchange: Exchange) -> None:
        stage, self._stage = self._stage, None
        if stage is not None:
            stage.conclude()
        self.site.room.leave(self)
        exchange.outcome.ended = self.now()
        self.site.judge.over(exchange)
