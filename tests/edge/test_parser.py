"""Heads: what is read of good ones, and that everything smuggling lives on is refused; h11 is the oracle."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hushgate.edge.heads import RequestHead
from hushgate.edge.parser import BadMessage, read_request, read_response

GOOD = b"GET /a?b=c HTTP/1.1\r\nHost: Example.org:8080\r\nx-Y:  two words \t\r\nX-y:\r\n\r\n"


def status_of(head: bytes) -> int:
    """200, or what the reader refuses with."""
    try:
        read_request(head)
    except BadMessage as bad:
        return bad.status
    return 200


def request(*lines: bytes, line: bytes = b"POST / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join(filter(None, (line, host, *lines))) + b"\r\n\r\n"


def test_names_values_and_order_stay() -> None:
    head = read_request(GOOD)
    assert (head.method, head.target, head.path, head.minor, head.length) == (b"GET", b"/a?b=c", b"/a", 1, 0)
    assert head.headers == [(b"Host", b"Example.org:8080"), (b"x-Y", b"two words"), (b"X-y", b"")]
    assert (head.first(b"x-y"), list(head.all(b"x-y")), head.first(b"x")) == (b"two words", [b"two words", b""], None)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (request(b"Content-Length: 5", b"Content-Length: 5"), 400),
        (request(b"Content-Length: 5", b"Content-Length: 6"), 400),
        (request(b"Content-Length: 5, 5"), 400),
        (request(b"Content-Length: +5"), 400),
        (request(b"Content-Length: -5"), 400),
        (request(b"Content-Length: 0x5"), 400),
        (request(b"Content-Length: 5_0"), 400),
        (request(b"Content-Length:"), 400),
        (request(b"Content-Length: " + b"9" * 19), 400),
        (request(b"Content-Length: \xd9\xa5"), 400),
        (request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
        (request(b"Transfer-Encoding: chunked, chunked"), 400),
        (request(b"Transfer-Encoding: gzip, chunked"), 501),
        (request(b"Transfer-Encoding: xchunked"), 400),
        (request(b"Transfer-Encoding: identity"), 400),
        (request(b"Transfer-Encoding: \x0bchunked"), 400),
        (request(b"Transfer-Encoding : chunked"), 400),
        (request(b"Transfer-Encoding\t: chunked"), 400),
        (request(b"Transfer_Encoding: chunked\r\n Transfer-Encoding: x"), 400),
        (request(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"), 400),
        (request(b"X: a\r\n b"), 400),
        (request(b"X: a\r\n\tb"), 400),
        (request(b" X: a"), 400),
        (request(b"X: a\nY: b"), 400),
        (request(b"X: a\rY: b"), 400),
        (request(b"X: a\x00"), 400),
        (request(b"X: a\x7f"), 400),
        (request(b": a"), 400),
        (request(b"X"), 400),
        (request(b"X\xc3: a"), 400),
        (request(b"X(: a"), 400),
        (request(b"Host: a"), 400),
        (request(b"host: b"), 400),
        (request(host=b""), 400),
        (request(host=b"Host: "), 400),
        (request(host=b"Host: a b"), 400),
        (request(host=b"Host: a/b"), 400),
        (request(host=b"Host: user@a"), 400),
        (request(host=b"Host: a:80:80"), 400),
        (request(host=b"Host: a,b"), 400),
        (request(line=b"GET http://b/ HTTP/1.1"), 400),
        (request(line=b"GET http://a@b/ HTTP/1.1", host=b"Host: b"), 400),
        (request(line=b"GET http://a:80/ HTTP/1.1"), 400),
        (request(line=b"GET http:///x HTTP/1.1"), 400),
        (request(line=b"GET ftp://a/ HTTP/1.1"), 400),
        (request(line=b"GET a HTTP/1.1"), 400),
        (request(line=b"GET * HTTP/1.1"), 400),
        (request(line=b"GET /#a HTTP/1.1"), 400),
        (request(line=b"GET /a b HTTP/1.1"), 400),
        (request(line=b"GET  / HTTP/1.1"), 400),
        (request(line=b"GET\t/ HTTP/1.1"), 400),
        (request(line=b"GET / HTTP/1.1 "), 400),
        (request(line=b"GET /\xe9 HTTP/1.1"), 400),
        (request(line=b"GET /\x7f HTTP/1.1"), 400),
        (request(line=b"GET / HTTP/1.2"), 400),
        (request(line=b"GET / HTTP/2.0"), 400),
        (request(line=b"GET / http/1.1"), 400),
        (request(line=b"GET /"), 400),
        (request(line=b"G(T / HTTP/1.1"), 400),
        (request(line=b"GET / HTTP/1.1\r"), 400),
        (request(line=b"CONNECT a:80 HTTP/1.1"), 405),
        (request(line=b"TRACE / HTTP/1.1"), 405),
        (request(line=b"GET /" + b"x" * 9000 + b" HTTP/1.1"), 414),
        (request(b"Expect: everything"), 417),
    ],
)
def test_refused(head: bytes, status: int) -> None:
    assert status_of(head) == status


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (request(b"Content-Length: 007"), {"length": 7}),
        (request(b"transfer-encoding: Chunked"), {"length": None}),
        (request(line=b"GET / HTTP/1.0", host=b""), {"minor": 0, "host": b"", "persistent": False}),
        (request(b"Connection: Keep-Alive", line=b"GET / HTTP/1.0"), {"persistent": True}),
        (request(b"Connection: a, Close"), {"persistent": False, "connection": frozenset((b"a", b"close"))}),
        (request(b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: websocket"), {"upgrade": b"h2c, websocket"}),
        (request(b"Upgrade: websocket"), {"upgrade": b""}),
        (request(b"Expect: 100-Continue"), {"expects": True}),
        (request(b"Expect: 100-continue", line=b"POST / HTTP/1.0"), {"expects": False}),
        (request(line=b"OPTIONS * HTTP/1.1"), {"target": b"*"}),
        (request(line=b"GET HTTP://A/x?y HTTP/1.1"), {"target": b"/x?y", "host": b"a"}),
        (request(line=b"GET http://a?y HTTP/1.1"), {"target": b"/?y"}),
        (request(host=b"Host: [::1]:80"), {"host": b"[::1]:80"}),
        (request(line=b"PROPFIND / HTTP/1.1"), {"method": b"PROPFIND"}),
    ],
)
def test_read(head: bytes, expected: dict[str, object]) -> None:
    read = read_request(head)
    assert {name: getattr(read, name) for name in expected} == expected


TOKENS = st.sampled_from(
    [
        b"GET",
        b"POST",
        b" ",
        b"  ",
        b"\t",
        b"/",
        b"/a",
        b"*",
        b"http://a/",
        b"http://b",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"Host",
        b"host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Connection",
        b"X",
        b":",
        b": ",
        b" :",
        b"a",
        b"5",
        b"05",
        b"5, 5",
        b"chunked",
        b"Chunked",
        b"gzip",
        b"close",
        b",",
        b"\x00",
        b"\x0b",
        b"\xa0",
        b"#",
    ]
)
WILD = st.lists(TOKENS, max_size=16).map(b"".join)
LINES = st.sampled_from(
    [
        b"Host: a",
        b"Host: b",
        b"Host:a",
        b"Content-Length: 5",
        b"Content-Length: 6",
        b"content-length:5",
        b"X: y",
        b"X:",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding: CHUNKED",
        b"Transfer-Encoding: gzip",
        b"Connection: close",
        b" folded",
        b"X : y",
        b"X\x00: y",
        b"X: \x01",
        b"X: a\rb",
        b"X: a\nb",
        b"Transfer-Encoding:\tchunked",
        b"Expect: 9",
    ]
)
NEAR = st.lists(LINES, max_size=6).map(lambda lines: request(*lines, host=b"Host: a"))


@given(st.one_of(WILD.map(lambda text: text + b"\r\n\r\n"), NEAR, WILD.map(lambda text: request(text))))
@example(GOOD)
@example(request(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
def test_h11_reads_the_same_or_nothing_is_read(head: bytes) -> None:
    """Whatever we accept h11 accepts, too, and reads alike; we refuse more."""
    head = head[: head.index(b"\r\n\r\n") + 4]
    try:
        ours = read_request(head)
    except BadMessage:
        return
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(head)
    theirs = oracle.next_event()
    assert isinstance(theirs, h11.Request), theirs
    assert (ours.method, ours.minor) == (theirs.method, int(theirs.http_version[2:]))
    assert theirs.target.endswith(ours.target) or theirs.target in (b"http://a", b"http://b")
    assert [(name.lower(), value) for name, value in ours.headers if name.lower() != b"transfer-encoding"] == [
        (name, value) for name, value in theirs.headers if name != b"transfer-encoding"
    ]
    assert ours.length == _length_by_h11(theirs)


def _length_by_h11(read: h11.Request) -> int | None:
    headers = dict(read.headers)
    return None if b"transfer-encoding" in headers else int(headers.get(b"content-length", b"0"))


RESPONSE = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200\tOK\r\n\r\n",
        RESPONSE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        RESPONSE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        RESPONSE + b"Content-Length: x\r\n\r\n",
        RESPONSE + b"Transfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        RESPONSE + b"X: a\r\n b\r\n\r\n",
        RESPONSE + b"X: a\nY: b\r\n\r\n",
        RESPONSE + b"X : a\r\n\r\n",
    ],
)
def test_responses_that_are_refused(head: bytes) -> None:
    with pytest.raises(BadMessage) as bad:
        read_response(head, b"GET")
    assert bad.value.status == 502


@pytest.mark.parametrize(
    ("head", "method", "length", "chunked", "persistent"),
    [
        (RESPONSE + b"Content-Length: 5\r\n\r\n", b"GET", 5, False, True),
        (RESPONSE + b"Content-Length: 5\r\nConnection: close\r\n\r\n", b"GET", 5, False, False),
        (RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n", b"GET", None, True, True),
        (RESPONSE + b"\r\n", b"GET", None, False, False),
        (RESPONSE + b"Content-Length: 5\r\n\r\n", b"HEAD", 0, False, True),
        (RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n", b"HEAD", 0, False, True),
        (b"HTTP/1.1 204\r\n\r\n", b"GET", 0, False, True),
        (b"HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", b"GET", 0, False, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"GET", 0, False, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"GET", 5, False, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", b"GET", 5, False, True),
    ],
)
def test_responses(head: bytes, method: bytes, length: int | None, chunked: bool, persistent: bool) -> None:
    read = read_response(head, method)
    assert (read.length, read.chunked, read.persistent) == (length, chunked, persistent)


def test_a_head_is_a_value() -> None:
    assert RequestHead(b"GET", b"/", []) == RequestHead(b"GET", b"/", [])
