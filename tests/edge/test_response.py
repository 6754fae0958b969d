"""One response: interim ones before it, its end, and what it may not be."""

import pytest

from hushgate.edge.heads import ResponseHead
from hushgate.edge.parser import BadMessage, read_request
from hushgate.edge.response import RESPONSE_HEAD_MAX, ResponseRelay
from hushgate.edge.rewrite import Mapping, Peer


def relay(line: bytes = b"GET / HTTP/1.1") -> tuple[ResponseRelay, list[ResponseHead]]:
    heads: list[ResponseHead] = []
    request = read_request(line + b"\r\nHost: a\r\n\r\n")
    made = ResponseRelay(request, Peer("192.0.2.7"), Mapping(), heads.append, keep=True)
    return made, heads


def test_interim_responses_come_before_the_final_one() -> None:
    made, heads = relay()
    data = b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore"
    assert made.feed(data) == len(data) - 4
    assert b"".join(made.out).startswith(b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert (made.done, made.size, [head.status for head in heads]) == (True, 2, [200])


def test_a_head_in_parts_stays_unused() -> None:
    made, heads = relay()
    assert made.feed(b"HTTP/1.1 200 OK\r\nContent-Len") == 0
    assert (heads, made.out, made.end()) == ([], [], False)


def test_an_endless_head_is_refused() -> None:
    made, _ = relay()
    with pytest.raises(BadMessage):
        made.feed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * RESPONSE_HEAD_MAX)


def test_only_a_body_that_ends_with_the_connection_is_whole_then() -> None:
    until, _ = relay()
    until.feed(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert until.end() and until.out[-1] == b"0\r\n\r\n" and until.keep
    for head in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
        cut, _ = relay()
        cut.feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n3\r\n")
        assert not cut.end()


EVENTS = b"event: endpoint\ndata: /messages?id=1\n\ndata: /messages\n\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def below(path: bytes, head: bytes, method: bytes = b"GET", data: bytes = EVENTS) -> bytes:
    """The body that reaches the visitor of a service below `path`."""
    made = ResponseRelay(
        read_request(method + b" /sse HTTP/1.1\r\nHost: vps.example\r\n\r\n"),
        Peer("192.0.2.7", tls=True),
        Mapping(b"127.0.0.1:3000", path),
        lambda _: None,
        keep=True,
    )
    made.feed(head + b"\r\n" + data)
    assert made.end() == (b"Length" not in head)
    return b"".join(made.out).partition(b"\r\n\r\n")[2]


def chunked(*bodies: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in (*bodies, b""))


def test_the_place_for_calls_gets_its_prefix_back() -> None:
    assert below(b"/mcp", STREAM) == chunked(EVENTS.replace(b"/", b"/mcp/", 1))
    absolute = EVENTS.replace(b"/messages?", b"http://127.0.0.1:3000/messages?")
    public = EVENTS.replace(b"/messages?", b"https://vps.example/mcp/messages?")
    assert below(b"/mcp", STREAM, data=absolute) == chunked(public)
    foreign = EVENTS.replace(b"/messages?", b"https://other.example/messages?")
    assert below(b"/mcp", STREAM, data=foreign) == chunked(foreign)


def test_what_was_kept_of_a_stream_goes_on_at_its_end() -> None:
    assert below(b"/mcp", STREAM, data=b"event: endpoint\ndata: /m") == chunked(b"event: endpoint\n", b"data: /m")


@pytest.mark.parametrize(
    ("path", "head", "method"),
    [
        (b"", STREAM, b"GET"),
        (b"/mcp", STREAM, b"POST"),
        (b"/mcp", STREAM + b"Content-Encoding: gzip\r\n", b"GET"),
        (b"/mcp", STREAM.replace(b"200", b"404"), b"GET"),
        (b"/mcp", STREAM.replace(b"event-stream", b"plain"), b"GET"),
        (b"/mcp", STREAM + b"Content-Length: 99\r\n", b"GET"),
    ],
)
def test_nothing_else_is_changed(path: bytes, head: bytes, method: bytes) -> None:
    assert below(path, head, method) == (EVENTS if b"Length" in head else chunked(EVENTS))
