"""Which pages may ask, and what browsers are told."""

import pytest

from hushgate.edge.heads import RequestHead
from hushgate.edge.origin import Origins, for_page
from hushgate.edge.rewrite import Peer

PEER = Peer("192.0.2.7", tls=True)
LISTED = Origins(frozenset({"https://app.example", "chrome-extension://abc"}))


def ask(*origins: bytes, method: bytes = b"POST", more: tuple[tuple[bytes, bytes], ...] = ()) -> RequestHead:
    headers = [*((b"Origin", origin) for origin in origins), *more]
    return RequestHead(method, b"/api/chat", headers, host=b"ollama.example.org")


@pytest.mark.parametrize(
    "origin",
    [
        b"https://app.example",
        b"chrome-extension://abc",
        b"https://ollama.example.org",
        b"https://ollama.example.org:443",
    ],
)
def test_admitted(origin: bytes) -> None:
    assert LISTED.admits(origin, ask(origin), PEER)


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"null",
        b"",
        b"https://app.example.evil.example",
        b"http://app.example",
        b"https://app.example:8443",
        b"http://ollama.example.org",
        b"https://ollama.example.org:8443",
        b"https://ollama.example.org/",
        b"https://ollama.example.org@evil.example",
        b"https://user@ollama.example.org",
        b"https://ollama.example.org:port",
        b"https://app.example, https://evil.example",
        b"https://\xff",
    ],
)
def test_foreign_pages(origin: bytes) -> None:
    assert not LISTED.admits(origin, ask(origin), PEER)


def test_everybody_when_the_owner_says_so() -> None:
    assert Origins(frozenset({"*"})).admits(b"https://any.example", ask(), PEER)


@pytest.mark.parametrize(
    ("told", "origin", "admitted"),
    [
        ((), b"https://ollama.example.org", True),
        ((), b"http://ollama.example.org", True),
        ((), b"https://evil.example", False),
        (((b"X-Forwarded-Proto", b"https"),), b"https://ollama.example.org", True),
        (((b"X-Forwarded-Proto", b"https"),), b"http://ollama.example.org", False),
        (((b"X-Forwarded-Proto", b"http"),), b"https://ollama.example.org", False),
        (((b"X-Forwarded-Host", b"public.example"), (b"X-Forwarded-Proto", b"https")), b"https://public.example", True),
    ],
)
def test_behind_a_proxy(told: tuple[tuple[bytes, bytes], ...], origin: bytes, admitted: bool) -> None:
    assert LISTED.admits(origin, ask(origin, more=told), Peer("127.0.0.1", trusted=True)) == admitted


def test_a_visitor_is_not_believed() -> None:
    told = ((b"X-Forwarded-Host", b"evil.example"),)
    assert not LISTED.admits(b"https://evil.example", ask(b"https://evil.example", more=told), PEER)


def test_a_preflight_is_answered_here() -> None:
    asked = (
        (b"Access-Control-Request-Method", b"POST"),
        (b"Access-Control-Request-Headers", b"x-api-key, mcp-param-region, x-evil"),
    )
    headers = dict(LISTED.preflight(ask(b"https://app.example", method=b"OPTIONS", more=asked)) or [])
    assert headers[b"Access-Control-Allow-Origin"] == b"https://app.example" and headers[b"Vary"] == b"Origin"
    allowed = headers[b"Access-Control-Allow-Headers"].split(b", ")
    assert {b"authorization", b"x-api-key", b"anthropic-version", b"mcp-session-id", b"mcp-param-region"} <= set(
        allowed
    )
    assert b"x-evil" not in allowed


@pytest.mark.parametrize(
    "request_",
    [
        ask(b"https://app.example", method=b"OPTIONS"),
        ask(b"https://app.example", more=((b"Access-Control-Request-Method", b"POST"),)),
        ask(method=b"OPTIONS", more=((b"Access-Control-Request-Method", b"POST"),)),
    ],
)
def test_what_is_no_preflight_goes_on(request_: RequestHead) -> None:
    assert LISTED.preflight(request_) is None


def test_the_page_sees_its_own_origin() -> None:
    headers = [(b"access-control-allow-origin", b"http://127.0.0.1:11434"), (b"Mcp-Session-Id", b"1")]
    told = for_page(headers, b"https://app.example")
    assert told[0] == (b"Mcp-Session-Id", b"1") and (b"Access-Control-Allow-Origin", b"https://app.example") in told
    assert (b"Access-Control-Expose-Headers", b"mcp-session-id, retry-after") in told
    assert not any(b"127.0.0.1" in value for _, value in told)
