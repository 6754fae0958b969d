"""The judge of a service without keys: its names, and its profile."""

import pytest

from hushgate.config.model import HttpRules, McpRules, OllamaRules
from hushgate.edge.exchange import Exchange, Outcome
from hushgate.edge.heads import UNREAD
from hushgate.edge.judge import Rules, name_of
from hushgate.edge.parser import read_request
from hushgate.edge.profile import Allow, Deny, Dialect, NeedBody, NoRules
from hushgate.edge.profiles import profile_of
from hushgate.edge.rewrite import Peer

NAMES = frozenset((b"example.org", b"localhost"))


def exchange(host: bytes) -> Exchange:
    return Exchange(read_request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), Peer("192.0.2.7"), Outcome(0.0))


@pytest.mark.parametrize(
    ("host", "names", "passes"),
    [
        (b"example.org", NAMES, True),
        (b"Example.ORG.:443", NAMES, True),
        (b"localhost:11434", NAMES, True),
        (b"127.0.0.1:11434", NAMES, True),
        (b"[::1]:11434", NAMES, True),
        (b"evil.example.org", NAMES, False),
        (b"127.0.0.1.evil.org", NAMES, False),
        (b"anything.org", frozenset(), True),
    ],
)
def test_names(host: bytes, names: frozenset[bytes], passes: bool) -> None:
    verdict = Rules("mcp", names).admit(exchange(host))
    if passes:
        assert verdict is None
    else:
        assert isinstance(verdict, Deny) and verdict.status == 421 and "hostname = " in verdict.message


@pytest.mark.parametrize("host", [b"evil.example.org", b"evil.example.org:11434"])
def test_a_laptops_port_needs_a_good_name_always(host: bytes) -> None:
    laptop = Peer("192.0.2.7", proved=True)
    evil, good = exchange(host), exchange(b"localhost:11434")
    evil.peer = good.peer = laptop
    verdict = Rules("ollama").admit(evil)
    assert isinstance(verdict, Deny) and verdict.status == 421
    assert Rules("ollama").admit(good) is None


def test_who_came_by_the_door_was_found_by_name() -> None:
    ask = exchange(b"anything.org")
    ask.peer = Peer("192.0.2.7", placed=True)
    assert isinstance(Rules("mcp", NAMES).judge(ask), Allow)


def test_1_0_may_have_no_host() -> None:
    ask = Exchange(read_request(b"GET / HTTP/1.0\r\n\r\n"), Peer("192.0.2.7"), Outcome(0.0))
    assert Rules("mcp", NAMES).admit(ask) is None


def test_then_the_profile_judges() -> None:
    class Careful(NoRules):
        upgrades = False

        def judge(self, request: object) -> Allow | Deny | NeedBody:
            return NeedBody(10)

        def judge_body(self, request: object, body: bytes) -> Allow | Deny:
            return Deny(403, "word", "no")

        def dialect(self, request: object) -> Dialect:
            return Dialect.OLLAMA

    rules, ask = Rules("ollama", NAMES, Careful()), exchange(b"localhost")
    assert rules.judge(ask) == NeedBody(10)
    assert rules.judge_body(ask, b"") == Deny(403, "word", "no")
    assert rules.tell(ask, Deny(503, "away", "no")).body == b'{"error": "no"}\n'
    assert dict(rules.tell(ask, Deny(503, "away", "no")).headers)[b"Retry-After"] == b"5"
    assert rules.tell(Exchange(UNREAD, Peer("192.0.2.7"), Outcome(0.0)), Deny(400, "malformed", "no")).status == 400


@pytest.mark.parametrize("rules", [OllamaRules(), McpRules(), None])
@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_another_protocol_is_taken_out_where_it_would_not_be_read(rules: HttpRules | None, protocol: bytes) -> None:
    ask = exchange(b"localhost")
    ask.request.upgrade = protocol
    assert isinstance(Rules("s", NAMES, profile_of(rules)).judge(ask), Allow)
    assert ask.request.upgrade == (protocol if rules is None else b"")


def test_name_of() -> None:
    assert [name_of(host) for host in (b"A.b:1", b"[::1]:2", b"a.")] == [b"a.b", b"[::1]", b"a"]
