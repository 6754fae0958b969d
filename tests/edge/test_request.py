"""A request's bytes before anybody knows what they say."""

import tracemalloc

import pytest

from hushgate.edge.parser import BadMessage
from hushgate.edge.request import HeadFinder, RequestBody
from hushgate.protocol.limits import REQUEST_HEAD_MAX

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_end_of_a_head_byte_by_byte() -> None:
    finder = HeadFinder()
    for size in range(1, len(HEAD)):
        assert (finder.find(HEAD[:size]), finder.begun) == (0, True)
    assert (finder.find(HEAD + b"more"), finder.begun) == (len(HEAD), False)


def test_what_will_never_be_a_head() -> None:
    assert HeadFinder().find(b"x" * REQUEST_HEAD_MAX) == 0
    for data in (b"x" * (REQUEST_HEAD_MAX + 1), b"x" * REQUEST_HEAD_MAX + b"\r\n\r\n"):
        with pytest.raises(BadMessage) as bad:
            HeadFinder().find(data)
        assert bad.value.status == 431
    finder = HeadFinder()
    finder.find(b"GET / HTTP/1.1\r")
    assert finder.find(b"GET / HTTP/1.1\r\nX: a") == 0
    with pytest.raises(BadMessage):
        finder.find(b"GET / HTTP/1.1\r\nX: a\n")


def test_a_body_is_framed_anew() -> None:
    body = RequestBody(5)
    assert (body.forward(b"hel"), body.done) == (([b"hel"], 3), False)
    assert (body.forward(b"lo!"), body.done, body.size) == (([b"lo"], 2), True, 5)
    chunked = RequestBody(None)
    pieces, used = chunked.forward(b"1\r\na\r\n1\r\nb\r\n0\r\nX: y\r\nHost: z\r\n\r\nrest")
    assert (b"".join(pieces), used, chunked.size) == (b"2\r\nab\r\n0\r\nX: y\r\n\r\n", 32, 2)
    assert RequestBody(0).done


def test_a_body_is_gathered_without_its_framing() -> None:
    body = RequestBody(None)
    assert body.gather(b"1\r\na\r\n") == 6
    assert body.gather(b"1\r\nb\r\n0\r\n\r\nrest") == 11
    assert (body.done, body.size, body.gathered(), body.gathered()) == (True, 2, b"ab", b"")


def test_a_body_of_tiny_chunks_takes_little_more_than_its_bytes() -> None:
    data, body = b"2\r\nab\r\n" * 1000, RequestBody(None)
    tracemalloc.start()
    for _ in range(100):
        body.gather(data)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert body.size == 200_000 and kept < 2 * body.size
