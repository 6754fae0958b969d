"""Lines, however the bytes are cut."""

import pytest

from hushgate.mcp.lines import Lines


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_any_cut_gives_the_same_lines(size: int) -> None:
    text, lines = b"one\r\n\n\ntwo\nthree", Lines(5)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert [line for piece in pieces for line in lines.feed(piece)] == [b"one", b"two"]
    assert list(lines.feed(b"\n")) == [b"three"]
    assert not lines.overlong


@pytest.mark.parametrize("size", [1, 100])
def test_a_line_too_long(size: int) -> None:
    text, strict, cutting = b"good\n123456789\nnext\n", Lines(6), Lines(6, cut=True)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert [line for piece in pieces for line in cutting.feed(piece)] == [b"good", b"123456", b"next"]
    found = []
    for piece in pieces:
        if not strict.overlong:
            found += list(strict.feed(piece))
    assert found == [b"good"]
    assert strict.overlong
