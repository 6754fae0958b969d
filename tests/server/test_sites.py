"""Which HTTP service a request at the door is for, and the names that a service goes by."""

import pytest

from hushgate.config.model import Address, Http, OllamaRules, Secret, ServerConfig, ServerService
from hushgate.edge.exchange import Exchange, Outcome
from hushgate.edge.parser import read_request
from hushgate.edge.profile import Deny
from hushgate.edge.rewrite import Peer
from hushgate.edge.room import Room
from hushgate.server.sites import Sites, build_site
from hushgate.server.turns import Turns

TURNS = Turns(lambda: 0.0, lambda call: call())
SITES = Sites(
    [
        ("", "/x", "any /x"),
        ("a.org", "", "a.org"),
        ("a.org", "/x", "a.org/x"),
        ("a.org", "/x/y", "a.org/x/y"),
        ("b.org", "/x", "b.org/x"),
    ]
)


@pytest.mark.parametrize(
    ("name", "target", "front"),
    [
        (b"a.org", b"/", "a.org"),
        (b"a.org", b"/x", "a.org/x"),
        (b"a.org", b"/x?q", "a.org/x"),
        (b"a.org", b"/x/z", "a.org/x"),
        (b"a.org", b"/x/y/z", "a.org/x/y"),
        (b"a.org", b"/xy", "a.org"),
        (b"b.org", b"/x", "b.org/x"),
        (b"b.org", b"/y", None),
        (b"c.org", b"/x/", "any /x"),
        (b"c.org", b"/X", None),
        (b"", b"/x", "any /x"),
        (b"a.org.evil", b"/", None),
    ],
)
def test_places(name: bytes, target: bytes, front: str | None) -> None:
    assert SITES.find(name, target) == front


def test_without_places_there_is_nothing_to_ask() -> None:
    assert SITES and not Sites()


@pytest.mark.parametrize(
    ("name", "method", "path", "looks"),
    [
        (b"b.org", b"GET", b"/.well-known/oauth-protected-resource/x", True),
        (b"b.org", b"GET", b"/.well-known/oauth-protected-resource", True),
        (b"b.org", b"POST", b"/register", True),
        (b"b.org", b"GET", b"/register", False),
        (b"b.org", b"GET", b"/.well-known/oauth-protected-resource/y", False),
        (b"c.org", b"GET", b"/.well-known/oauth-protected-resource", False),
        (b"c.org", b"POST", b"/register", False),
    ],
)
def test_oauth_is_looked_for_where_a_path_is(name: bytes, method: bytes, path: bytes, looks: bool) -> None:
    sites = Sites([("b.org", "/x", None), ("c.org", "", None)])
    assert sites.looks_for_oauth(name, method, path) == looks


@pytest.mark.parametrize(
    ("bind", "hostnames", "names", "host", "passes"),
    [
        ("0.0.0.0", (), (), b"anything.org", True),
        ("127.0.0.1", (), (), b"anything.org", False),
        ("127.0.0.1", (), (), b"localhost:11434", True),
        ("127.0.0.1", (), (), b"127.0.0.1:11434", True),
        ("0.0.0.0", ("a.org",), (), b"a.org", True),
        ("0.0.0.0", ("a.org",), (), b"b.org", False),
        ("0.0.0.0", ("a.org",), ("b.org",), b"b.org", True),
        ("0.0.0.0", ("a.org",), (), b"203.0.113.7", True),
        (None, (), (), b"anything.org", True),
    ],
)
def test_names(bind: str | None, hostnames: tuple[str, ...], names: tuple[str, ...], host: bytes, passes: bool) -> None:
    http = Http(hostnames, "/p")
    address = Address(bind, 1) if bind else None
    service = ServerService("s", (Secret("t"),), bind=address, http=http)
    site = build_site(service, http, ServerConfig(Address("127.0.0.1", 2), {"s": service}, names=names), TURNS, Room())
    request = read_request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (site.judge.admit(Exchange(request, Peer("192.0.2.1"), Outcome(0.0))) is None) == passes
    assert (site.service, site.prefix, site.timing.head) == ("s", b"/p", 60.0)


def test_a_profile_judges() -> None:
    http = Http(rules=OllamaRules())
    service = ServerService("s", (Secret("t"),), http=http)
    site = build_site(service, http, ServerConfig(Address("127.0.0.1", 2), {"s": service}), TURNS, Room())
    request = read_request(b"POST /api/pull HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    verdict = site.judge.judge(Exchange(request, Peer("192.0.2.1"), Outcome(0.0)))
    assert isinstance(verdict, Deny) and verdict.reason == "endpoint"
