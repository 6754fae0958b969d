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
