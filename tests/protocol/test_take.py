import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import HEADER, Code, Type, frame
from hushgate.protocol.limits import PAYLOAD_MAX
from hushgate.protocol.take import take_frame


def test_whole_and_part() -> None:
    raw = frame(Type.DATA, 3, b"hello") + b"next"
    for size in range(13):
        assert take_frame(memoryview(raw)[:size]) is None
    taken = take_frame(memoryview(raw))
    assert taken is not None
    kind, flags, stream_id, payload, size = taken
    assert (kind, flags, stream_id, bytes(payload), size) == (Type.DATA, 0x80, 3, b"hello", 13)
    assert payload.obj is raw


def test_empty_payload() -> None:
    taken = take_frame(memoryview(frame(Type.CHANGED)))
    assert taken is not None
    assert taken[3:] == (memoryview(b""), 8)


@pytest.mark.parametrize("length", range(PAYLOAD_MAX, 0x10000))
def test_limit_is_seen_in_the_header(length: int) -> None:
    header = memoryview(HEADER.pack(Type.DATA, 0, length, 1))
    if length == PAYLOAD_MAX:
        assert take_frame(header) is None
        return
    with pytest.raises(ProtocolError) as caught:
        take_frame(header)
    assert caught.value.code == Code.PROTOCOL


@given(st.binary(max_size=200))
def test_random_bytes(raw: bytes) -> None:
    try:
        taken = take_frame(memoryview(raw))
    except ProtocolError:
        return
    if taken is not None:
        assert 8 <= taken[4] <= len(raw)
        assert len(taken[3]) == taken[4] - 8
