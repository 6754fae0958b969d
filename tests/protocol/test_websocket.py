"""Our frames against websockets' sans-IO protocol, in both directions, in any chunks; and every rule we enforce."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame
from websockets.frames import Opcode as Theirs
from websockets.protocol import OPEN, Protocol, Side

from hushgate.protocol.limits import MESSAGE_MAX
from hushgate.protocol.websocket import (
    ZERO_KEY,
    CloseCode,
    Decoder,
    Opcode,
    Violation,
    accept_key,
    close_payload,
    encode,
    header,
    parse_close,
)

SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536])
KEYS = st.none() | st.just(ZERO_KEY) | st.binary(min_size=4, max_size=4)


def read_all(decoder: Decoder, data: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    """What the decoder makes of `data` when it arrives in pieces that end at `cuts`."""
    found, pending = [], b""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    for start, stop in itertools.pairwise(edges):
        pending += data[start:stop]
        at = 0
        while (frame := decoder.parse(memoryview(pending), at)) is not None:
            at, opcode, payload = frame
            found.append((opcode, bytes(payload)))
        pending = pending[at:]
    assert not pending
    return found


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[bool, Theirs, bytes]]:
    """Frames of binary messages, some fragmented, with control frames anywhere."""
    frames: list[tuple[bool, Theirs, bytes]] = []
    for _ in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.integers(0, 300), min_size=1, max_size=3)) if draw(st.booleans()) else [draw(SIZES)]
        for index, size in enumerate(parts):
            if draw(st.booleans()):
                frames.append((True, draw(st.sampled_from([Theirs.PING, Theirs.PONG])), draw(st.binary(max_size=125))))
            opcode = Theirs.CONT if index else Theirs.BINARY
            frames.append((index == len(parts) - 1, opcode, bytes([index + 1]) * size))
    return frames


@settings(deadline=None)
@given(messages(), st.booleans(), st.lists(st.integers(0, 400_000), max_size=8))
def test_we_read_what_they_write(frames: list[tuple[bool, Theirs, bytes]], masked: bool, cuts: list[int]) -> None:
    wire = b"".join(Frame(opcode, data, fin=final).serialize(mask=masked) for final, opcode, data in frames)
    expected = [(Opcode.BINARY if opcode == Theirs.CONT else int(opcode), data) for _, opcode, data in frames]
    assert read_all(Decoder(masked=masked), wire, cuts) == expected


@settings(deadline=None)
@given(st.lists(st.lists(SIZES, min_size=1, max_size=3), max_size=4), KEYS, st.integers(1, 9999))
def test_they_read_what_we_write(plan: list[list[int]], key: bytes | None, piece: int) -> None:
    reader = Protocol(Side.CLIENT if key is None else Side.SERVER, state=OPEN, max_size=None)
    ours = [[bytes([size % 251]) * size for size in sizes] for sizes in plan]
    wire = b"".join(b"".join(encode(message, key)) for message in ours)
    wire += b"".join(encode([b"hi"], key, Opcode.PING))
    for at in range(0, len(wire), piece):
        reader.receive_data(wire[at : at + piece])
    frames = [event for event in reader.events_received() if isinstance(event, Frame)]
    assert [bytes(frame.data) for frame in frames] == [b"".join(message) for message in ours] + [b"hi"]
    assert {frame.opcode for frame in frames[:-1]} <= {Theirs.BINARY}


@settings(deadline=None, max_examples=300)
@given(st.binary(min_size=2, max_size=40), st.booleans())
def test_we_refuse_what_they_refuse(data: bytes, masked: bool) -> None:
    """Whatever websockets calls a violation is one to us; we may be stricter (text, lengths, sizes)."""
    side = Side.SERVER if masked else Side.CLIENT
    theirs = Protocol(side, state=OPEN, max_size=MESSAGE_MAX)
    theirs.receive_data(data)
    if isinstance(theirs.parser_exc, ProtocolError):
        with pytest.raises(Violation):
            decoder, at = Decoder(masked=masked), 0
            while (frame := decoder.parse(memoryview(data), at)) is not None:
                at = frame[0]
                if frame[1] == Opcode.CLOSE:
                    parse_close(frame[2])


def test_nothing_is_copied_without_a_key() -> None:
    parts = [b"head", b"x" * 40_000]
    for key in (None, ZERO_KEY):
        buffers = encode(parts, key)
        assert buffers[1] is parts[0]
        assert buffers[2] is parts[1]
    received = memoryview(b"".join(encode(parts, ZERO_KEY)))
    frame = Decoder(masked=True).parse(received, 0)
    assert frame is not None
    assert isinstance(frame[2], memoryview)
    assert frame[2].obj is received.obj


def frame(first: int, second: int, rest: bytes = b"") -> bytes:
    return bytes((first, second)) + rest


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0xC2, 0), CloseCode.VIOLATION),
        (frame(0xA2, 0), CloseCode.VIOLATION),
        (frame(0x92, 0), CloseCode.VIOLATION),
        (frame(0x83, 0), CloseCode.VIOLATION),
        (frame(0x8B, 0), CloseCode.VIOLATION),
        (frame(0x82, 0x80, bytes(4)), CloseCode.VIOLATION),
        (frame(0x82, 126, struct.pack("!H", 125)), CloseCode.VIOLATION),
        (frame(0x82, 127, struct.pack("!Q", 65_535)), CloseCode.VIOLATION),
        (frame(0x82, 127, struct.pack("!Q", 1 << 63)), CloseCode.VIOLATION),
        (frame(0x89, 126, struct.pack("!H", 126)), CloseCode.VIOLATION),
        (frame(0x09, 0), CloseCode.VIOLATION),
        (frame(0x80, 0), CloseCode.VIOLATION),
        (frame(0x02, 0) + frame(0x82, 0), CloseCode.VIOLATION),
        (frame(0x81, 2, b"hi"), CloseCode.UNSUPPORTED),
        (frame(0x01, 0), CloseCode.UNSUPPORTED),
        (frame(0x82, 127, struct.pack("!Q", 65_537)), CloseCode.TOO_BIG),
        (frame(0x02, 126, b"\xff\xff" + bytes(65_535)) + frame(0x80, 2), CloseCode.TOO_BIG),
    ],
)
def test_violations(data: bytes, code: CloseCode) -> None:
    with pytest.raises(Violation) as caught:
        read_all(Decoder(masked=False), data, [])
    assert caught.value.code == code


def test_a_client_must_mask() -> None:
    with pytest.raises(Violation):
        Decoder(masked=True).parse(memoryview(frame(0x82, 0)), 0)


@pytest.mark.parametrize(
    "payload", [b"\x03", b"\x03\xec", b"\x03\xed", b"\x03\xee", b"\x03\xf7", b"\x00\x00", b"\x13\x88"]
)
def test_close_codes_that_may_not_be_sent(payload: bytes) -> None:
    with pytest.raises(Violation):
        parse_close(payload)


def test_close_payloads() -> None:
    assert parse_close(b"") == (CloseCode.NONE, "")
    assert parse_close(close_payload(CloseCode.GOING_AWAY)) == (1001, "")
    assert parse_close(memoryview(b"\x0b\xb8caf\xc3\xa9")) == (3000, "café")
    assert close_payload(CloseCode.NONE) == b""
    with pytest.raises(Violation):
        parse_close(b"\x03\xe8\xff")


def test_accept_key() -> None:
    """The example of RFC 6455 §1.3."""
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_headers_have_the_shortest_form() -> None:
    assert [len(header(2, size, None)) for size in (0, 125, 126, 65_535, 65_536)] == [2, 2, 4, 4, 10]
    assert len(header(2, 65_536, ZERO_KEY)) == 14
