"""What changes between the two sides of the gateway, and that nothing else does (H1, H3, H4)."""

import pytest

from hushgate.edge.heads import RequestHead
from hushgate.edge.parser import read_request, read_response
from hushgate.edge.rewrite import Mapping, Peer, forwardable, inner_target, request_bytes, response_bytes

LOCAL = Mapping(b"127.0.0.1:3000")
VISITOR = Peer("192.0.2.7", tls=True)
NGINX = Peer("127.0.0.1", trusted=True)


def read(*lines: bytes, line: bytes = b"GET /mcp HTTP/1.1") -> RequestHead:
    return read_request(b"\r\n".join((line, b"Host: mcp.example.org", *lines)) + b"\r\n\r\n")


def home(*lines: bytes, peer: Peer = VISITOR, mapping: Mapping = LOCAL, line: bytes = b"GET /mcp HTTP/1.1") -> bytes:
    return request_bytes(read(*lines, line=line), peer, mapping)


def public(*lines: bytes, request: RequestHead | None = None, peer: Peer = VISITOR, mapping: Mapping = LOCAL) -> bytes:
    head = read_response(b"\r\n".join((b"HTTP/1.1 200 Fine", *lines)) + b"\r\n\r\n", b"GET")
    return response_bytes(head, request or read(), peer, mapping, chunked=True, keep=True)


def test_a_request_line_by_line() -> None:
    assert home(
        b"X-One: 1",
        b"accept:  a , b",
        b"Connection: keep-alive, x-hop",
        b"Keep-Alive: timeout=5",
        b"X-Hop: gone",
        b"TE: trailers",
        b"Proxy-Connection: x",
        b"X-One: 2",
        b"Upgrade: h2c",
        b"Mcp-Session-Id: a\xe9B",
        b"Content-Length: 005",
        line=b"POST /a?b HTTP/1.1",
    ) == (
        b"POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nX-One: 1\r\naccept: a , b\r\nX-One: 2\r\n"
        b"Mcp-Session-Id: a\xe9B\r\nContent-Length: 5\r\nX-Forwarded-For: 192.0.2.7\r\n"
        b"X-Forwarded-Host: mcp.example.org\r\nX-Forwarded-Proto: https\r\n\r\n"
    )


def test_a_host_may_be_preserved() -> None:
    assert b"\r\nHost: mcp.example.org\r\n" in home(mapping=Mapping())


def test_a_request_without_a_host_gets_one() -> None:
    request = read_request(b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nHost: 127.0.0.1:3000\r\n" in request_bytes(request, VISITOR, LOCAL)
    assert b"\r\nHost: localhost\r\n" in request_bytes(request, VISITOR, Mapping())


@pytest.mark.parametrize("peer", [VISITOR, NGINX])
def test_what_says_who_the_visitor_is_holds_from_a_trusted_peer_only(peer: Peer) -> None:
    claims = (
        b"X-Forwarded-For: 203.0.113.9",
        b"X-Real-IP: 203.0.113.9",
        b"Forwarded: for=203.0.113.9",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Port: 443",
    )
    got = home(*claims, peer=peer)
    for claim in claims:
        assert (claim in got) == (peer.trusted or claim == b"X-Forwarded-Proto: https")
    assert got.count(b"X-Forwarded-For: ") == 1
    assert (b"X-Forwarded-For: 192.0.2.7" in got) == (not peer.trusted)
    assert b"X-Forwarded-Host: mcp.example.org\r\n" in got


def test_the_framing_of_a_body_is_ours() -> None:
    chunked = read(b"transfer-encoding: chunked", line=b"POST / HTTP/1.1")
    assert b"\r\ntransfer-encoding: chunked\r\n" in request_bytes(chunked, VISITOR, LOCAL)
    chunked.length = 7
    got = request_bytes(chunked, VISITOR, LOCAL)
    assert b"\r\nContent-Length: 7\r\n" in got and b"transfer-encoding" not in got
    chunked.length, chunked.headers = 7, []
    assert b"\r\nContent-Length: 7\r\n" in request_bytes(chunked, VISITOR, LOCAL)
    assert b"\r\nContent-Length: 0\r\n" in home(b"Content-Length: 0", line=b"POST / HTTP/1.1")
    assert b"Content-Length" not in home()


def test_an_upgrade_is_asked_for_anew() -> None:
    assert home(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x").endswith(
        b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("target", "inner"),
    [
        (b"/m", b"/"),
        (b"/m/", b"/"),
        (b"/m/a?b", b"/a?b"),
        (b"/m?b", b"/?b"),
        (b"/m/m", b"/m"),
        (b"/m//a", b"//a"),
        (b"/mn", b"/mn"),
        (b"*", b"*"),
    ],
)
def test_the_prefix_is_the_public_sides(target: bytes, inner: bytes) -> None:
    assert inner_target(target, b"/m") == inner
    assert inner_target(target, b"") == target


def test_a_response_line_by_line() -> None:
    assert public(
        b"Server: uvicorn",
        b"set-cookie: a=1",
        b"Connection: x-hop",
        b"X-Hop: gone",
        b"Keep-Alive: timeout=5",
        b"Set-Cookie: a=2",
        b"Content-Length: 5",
        b"Mcp-Session-Id:  a",
    ) == (
        b"HTTP/1.1 200 Fine\r\nServer: uvicorn\r\nset-cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 5\r\n"
        b"Mcp-Session-Id: a\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((b"Content-Length: 5",), False),
        ((b"Transfer-Encoding: chunked",), True),
        ((b"Content-Type: text/event-stream; charset=utf-8", b"Content-Length: 5"), True),
        ((b"Content-Type: application/x-ndjson",), True),
        ((b"Transfer-Encoding: chunked", b"x-accel-buffering: yes"), False),
    ],
)
def test_nginx_is_told_not_to_hold_streams_back(lines: tuple[bytes, ...], told: bool) -> None:
    assert (b"X-Accel-Buffering: no\r\n" in public(*lines)) == told


@pytest.mark.parametrize(
    ("location", "public_location"),
    [
        (b"http://127.0.0.1:3000/mcp/?a=b#c", b"https://mcp.example.org/mcp/?a=b#c"),
        (b"https://127.0.0.1:3000", b"https://mcp.example.org/"),
        (b"http://127.0.0.1:3000?x", b"https://mcp.example.org/?x"),
        (b"HTTP://127.0.0.1:3000/", b"https://mcp.example.org/"),
        (b"http://127.0.0.1/", b"http://127.0.0.1/"),
        (b"http://elsewhere.org/mcp/", b"http://elsewhere.org/mcp/"),
        (b"//elsewhere.org/", b"//elsewhere.org/"),
        (b"/mcp/", b"/mcp/"),
        (b"mcp/", b"mcp/"),
    ],
)
def test_redirects_to_the_local_origin_lead_to_the_public_one(location: bytes, public_location: bytes) -> None:
    assert b"\r\nLocation: " + public_location + b"\r\n" in public(b"Location: " + location)


def test_redirects_behind_nginx_and_below_a_prefix() -> None:
    request = read(b"X-Forwarded-Proto: https", b"X-Forwarded-Host: tunnel.example.org")
    mapping = Mapping(b"127.0.0.1:3000", b"/m")
    got = public(b"Location: http://127.0.0.1:3000/mcp/", request=request, peer=NGINX, mapping=mapping)
    assert b"\r\nLocation: https://tunnel.example.org/m/mcp/\r\n" in got
    assert b"\r\nLocation: /m/mcp/\r\n" in public(b"Location: /mcp/", request=request, peer=NGINX, mapping=mapping)
    assert NGINX.scheme(read()) == b"http"


def test_the_address_of_the_visitor() -> None:
    assert VISITOR.visitor(read(b"X-Real-IP: 203.0.113.9")) == "192.0.2.7"
    assert NGINX.visitor(read(b"X-Real-IP: 203.0.113.9")) == "203.0.113.9"
    assert NGINX.visitor(read(b"X-Forwarded-For: 203.0.113.9, 198.51.100.1")) == "198.51.100.1"
    assert NGINX.visitor(read()) == "127.0.0.1"


def test_trailers_that_would_change_the_reading_are_left_out() -> None:
    assert forwardable([(b"X-Sum", b"1"), (b"Host", b"x"), (b"transfer-encoding", b"x")]) == [(b"X-Sum", b"1")]
