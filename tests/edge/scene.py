"""A gateway between a visitor and a home that the test plays, byte by byte; no loop, no clock of its own."""

from collections.abc import Callable, Mapping, Sequence

from hushgate.edge.exchange import Exchange
from hushgate.edge.gateway import Gateway
from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.judge import Judge, Rules, Wait
from hushgate.edge.profile import Allow, Deny, Dialect, Meter, NeedBody
from hushgate.edge.refusals import Answer, refuse
from hushgate.edge.rewrite import Peer
from hushgate.edge.sides import Failure, Site, Timing
from hushgate.edge.stage import State

GET = b"GET /api/tags HTTP/1.1\r\nHost: example.org\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOME = b"127.0.0.1:11434"


class Pipe:
    """A connection that records what is done to it."""

    def __init__(self) -> None:
        self.sent = b""
        self.full = False
        self.paused = False
        self.end = ""

    def write(self, messages: Sequence[Sequence[bytes]]) -> None:
        assert all(isinstance(buffer, bytes) for message in messages for buffer in message)
        self.sent += b"".join(b"".join(message) for message in messages)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.end = self.end or "closed"

    def break_off(self, error: str) -> None:
        self.end = self.end or "broken off"

    def took(self) -> bytes:
        """What was sent since the last time."""
        sent, self.sent = self.sent, b""
        return sent


class Home(Pipe):
    """The way home; `up` False: whoever begins waits."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self.host = HOME
        self.standing = False
        self.begun: list[str] = []
        self.parked = 0.0
        self.gateway: Gateway

    def begin(self, visitor: str) -> None:
        self.begun.append(visitor)
        if self.up:
            self.arrive()

    def arrive(self) -> None:
        reused, self.standing = self.standing, True
        self.end = ""
        self.gateway.home_open(self.host, reused=reused)

    def drop(self) -> None:
        self.standing = False
        self.end = self.end or "dropped"


class Scene:
    """`say` is the visitor, `answer` home; both give what the other side got of it."""

    def __init__(
        self,
        judge: Judge | None = None,
        peer: Peer | None = None,
        *,
        prefix: bytes = b"",
        belongs: Callable[[RequestHead], bool] | None = None,
    ) -> None:
        self.time = 100.0
        self.visitor = Pipe()
        self.home = Home()
        self.given_back: list[bytes] = []
        self.overs = 0
        site = Site("ollama", judge or Rules("ollama"), prefix, Timing(head=60.0, body=30.0, keepalive=75.0))
        peer = peer or Peer("192.0.2.7")
        self.gateway = self.home.gateway = Gateway(site, peer, self.visitor, self.home, self, belongs)
        self.unread = b""

    def now(self) -> float:
        return self.time

    def give_back(self, head: bytes) -> None:
        self.given_back.append(head)

    def over(self) -> None:
        self.overs += 1

    def say(self, data: bytes) -> bytes:
        """Bytes of the visitor, shown as a pipe shows them; what home got."""
        self.unread += data
        while self.unread and not self.visitor.paused:
            used = self.gateway.received(memoryview(self.unread))
            self.unread = self.unread[used:]
            if not used:
                break
        return self.home.took()

    def answer(self, data: bytes) -> bytes:
        """Bytes of home; what the visitor got."""
        self.gateway.from_home(memoryview(data))
        return self.visitor.took()

    def lose(self, failure: Failure | None) -> bytes:
        """Home's connection ends; what the visitor got."""
        self.home.standing = False
        self.gateway.home_ended(failure)
        return self.visitor.took()

    @property
    def state(self) -> State:
        return self.gateway.state


class Place:
    """A turn that the test lets come."""

    queued = 0.0
    go_on: Callable[[], None]

    def release(self) -> None:
        return


class Scripted:
    """A judge that says what it was told to, and remembers what it heard."""

    def __init__(
        self,
        verdict: Allow | Deny | Answer | NeedBody | Wait,
        of_body: Allow | Deny | None = None,
        meter: Meter | None = None,
        *,
        then: Allow | Deny | NeedBody | None = None,
        body_max: int | None = None,
    ) -> None:
        self.verdict = verdict
        self.of_body = of_body or Allow()
        self.then = then or Allow()
        self.body_max = body_max
        self.watching = meter
        self.bodies: list[bytes] = []
        self.exchanges: list[Exchange] = []

    def admit(self, exchange: Exchange) -> Deny | Answer | Wait | None:
        exchange.body.most = self.body_max
        return self.verdict if isinstance(self.verdict, Answer | Wait) else None

    def judge(self, exchange: Exchange) -> Allow | Deny | NeedBody:
        return self.then if isinstance(self.verdict, Answer | Wait) else self.verdict

    def judge_body(self, exchange: Exchange, body: bytes) -> Allow | Deny:
        self.bodies.append(body)
        return self.of_body

    def tell(self, exchange: Exchange, deny: Deny) -> Answer:
        return refuse(Dialect.OPENAI, deny)

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        return self.watching

    def over(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


class Counting:
    """A meter."""

    def __init__(self) -> None:
        self.seen = b""

    def feed(self, data: bytes) -> None:
        self.seen += data

    def facts(self) -> Mapping[str, str]:
        return {"tokens": str(len(self.seen))}
