"""Requests are read as nginx reads them, wherever the network cuts them (compared with it in test_stranger.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.edge.http import BadRequest, RequestReader, normalise, valid_host
from tests.server.probes import PROBES, request


def head_of(pieces: list[bytes]) -> tuple[object, ...]:
    """What a reader makes of `pieces`: the head, or the status of the page."""
    reader = RequestReader()
    try:
        for piece in pieces:
            reader.read(piece)
    except BadRequest as bad:
        return "bad", bad.status, reader.head.method == b"HEAD"
    head = reader.head
    return head.done, head.method, head.path, head.version, head.headers, head.length, head.chunked


@pytest.mark.parametrize("name", PROBES)
def test_one_byte_at_a_time_makes_no_difference(name: str) -> None:
    data = PROBES[name]
    assert head_of([data[i : i + 1] for i in range(len(data))]) == head_of([data])


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_input_gets_out_of_hand(data: bytes, cut: int) -> None:
    assert head_of([data[:cut], data[cut:]]) == head_of([data])


def test_reading_stops_at_the_end_of_the_head() -> None:
    reader = RequestReader()
    data = request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\nGET /next")
    used = reader.read(data)
    assert data[used:].startswith(b"3\r\n")
    assert not reader.finished
    body = reader.skip(data[used:])
    assert body is not None
    assert data[used + body :] == b"GET /next"
    assert reader.finished


def test_a_malformed_chunk_is_told() -> None:
    reader = RequestReader()
    reader.read(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"))
    assert reader.skip(b"3\r\na") == 4
    assert reader.skip(b"bcXX") is None


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/a//b/./c/../d?x#y", b"/a/b/d"),
        (b"/%61%2Fb", b"/a/b"),
        (b"/a/..", b"/"),
        (b"/a/.", b"/a/"),
        (b"/%3f", b"/?"),
        (b"/..", None),
        (b"/%2e%2e/", None),
        (b"/%4", None),
        (b"/%00", None),
    ],
)
def test_paths(target: bytes, path: bytes | None) -> None:
    assert normalise(target) == path


def test_hosts() -> None:
    assert all(valid_host(host) for host in (b"a", b"a:80", b"a.", b"[::1]:80", b"a_b"))
    assert not any(valid_host(host) for host in (b"", b".", b":80", b"a..b", b"a b", b"a/b"))
