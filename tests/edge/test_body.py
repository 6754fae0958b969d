"""Bodies: exact ends at every cut, and chunks read as h11 reads them or not at all."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.edge.body import Chunked, Sized, UntilClose, chunk, last_chunk
from hushgate.edge.parser import BadMessage

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def by_us(data: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """The body, and what follows it; None when it is refused or not complete."""
    reader, body, at = Chunked(), b"", 0
    try:
        for cut in sorted({*cuts, len(data)}):
            if cut <= at or cut > len(data):
                continue
            pieces, used = reader.feed(data[at:cut])
            body += b"".join(pieces)
            if reader.done:
                return body, data[at + used :]
            assert used == cut - at
            at = cut
    except BadMessage:
        return None
    return None


def by_h11(data: bytes) -> tuple[bytes, bytes] | None:
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(HEAD + data)
    body = b""
    try:
        while True:
            event = oracle.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.EndOfMessage):
                return body, oracle.trailing_data[0]
    except h11.RemoteProtocolError:
        return None


PIECES = st.sampled_from(
    [
        b"",
        b"a",
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r",
        b"x" * 300,
        b"\x00\xff",
    ]
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(st.lists(PIECES, max_size=6), PIECES, CUTS, st.booleans())
def test_good_bodies_end_where_they_end(pieces: list[bytes], after: bytes, cuts: list[int], trailer: bool) -> None:
    data = b"".join(b"".join(chunk([piece])) for piece in pieces if piece)
    data += last_chunk([(b"X-Sum", b"1")] if trailer else [])
    assert by_us(data + after, cuts) == (b"".join(pieces), after) == by_h11(data + after)


TOKENS = st.sampled_from(
    [
        b"0",
        b"1",
        b"2",
        b"a",
        b"A",
        b"00",
        b"5",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b";",
        b"=",
        b'"',
        b" ",
        b"x",
        b"x:",
        b":",
        b"x: y",
        b"\t",
        b"-",
        b"+",
        b"0x1",
        b"\x00",
        b"ffffffffffffffff1",
        b"1\r\nx\r\n",
        b"0\r\n\r\n",
    ]
)


@given(st.lists(TOKENS, max_size=14).map(b"".join), CUTS)
def test_h11_reads_the_same_or_nothing_is_read(data: bytes, cuts: list[int]) -> None:
    ours = by_us(data, cuts)
    if ours is not None:
        assert ours == by_h11(data)


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n",
        b"f" * 20 + b"\r\n",
        b"-1\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n",
        b"5;" + b"x" * 40000,
        b"0\r\nX: " + b"x" * 40000,
    ],
)
def test_malformed_chunks(data: bytes) -> None:
    reader = Chunked()
    with pytest.raises(BadMessage):
        reader.feed(data)


def test_many_extensions_without_a_byte_are_no_body() -> None:
    reader = Chunked()
    reader.feed(b"5;")
    with pytest.raises(BadMessage):
        for _ in range(100):
            reader.feed(b"x" * 1000)


def test_trailers() -> None:
    reader = Chunked()
    assert reader.feed(b"1\r\na\r\n0\r\nX: y \r\nZ:\r\n\r\nrest") == ([b"a"], 22)
    assert reader.trailers == [(b"X", b"y"), (b"Z", b"")]


def test_sized() -> None:
    reader = Sized(5)
    assert (reader.done, reader.feed(b"hel"), reader.done) == (False, ([b"hel"], 3), False)
    assert (reader.feed(b"lo!"), reader.done) == (([b"lo"], 2), True)
    assert Sized(0).done


def test_until_close() -> None:
    reader = UntilClose()
    assert (reader.feed(b"abc"), reader.feed(b""), reader.done) == (([b"abc"], 3), ([], 0), False)


def test_a_chunk_holds_all_pieces_of_one_read() -> None:
    assert b"".join(chunk([b"ab", b"c" * 14])) == b"10\r\nab" + b"c" * 14 + b"\r\n"
