"""Frames: what is packed is what is taken, byte for byte, and nothing malformed passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.errors import ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.frames import Code, GoAway, Kind, Mode, Open, Type


def payload(frame: bytes) -> memoryview:
    return memoryview(frame)[8:]


def test_bytes_on_the_wire() -> None:
    assert frames.start(5).hex() == "08000008000000000000000000000005"
    assert frames.ack(1, 0.5).hex() == "0900000c00000000" + "0000000000000001" + "0007a120"
    assert frames.ping(7).hex() == "0a000008000000000000000000000007"
    assert frames.pong(7, 0).hex() == "0b00000c00000000" + "0000000000000007" + "00000000"
    assert frames.window(3, 70_000).hex() == "13000008000000030000000000011170"
    assert frames.reset(3, Code.REFUSED, "no").hex() == "14800004000000030001" + b"no".hex()
    assert frames.frame(Type.OPEN_OK, 2).hex() == "1180000000000002"
    assert frames.frame(Type.VOID).hex() == "1580000000000000"
    assert frames.goaway(GoAway(Mode.DRAIN, Code.SHUTDOWN, 1, 2, "x")).hex() == "0c00000c00000000" + (
        "02" + "0008" + "00000001" + "00000002" + "78"
    )
    whole = frames.open_stream(1, Open("ssh", "1.2.3.4 5", Kind.DATAGRAMS, 2, "hub", 1))
    assert payload(whole).hex() == (
        "8103" + b"ssh".hex() + "0209" + b"1.2.3.4 5".hex() + "830101" + "840102" + "0503" + b"hub".hex() + "860101"
    )


text = st.text(max_size=100)
u8 = st.integers(0, 255)


@given(
    st.builds(
        Open, text.filter(bool).filter(lambda s: len(s.encode()) < 256), text, st.sampled_from(Kind), u8, text, u8
    )
)
def test_open_is_taken_as_it_was_packed(what: Open) -> None:
    short = what._replace(visitor=cut(what.visitor, 255), ingress=cut(what.ingress, 255))
    assert frames.take_open(payload(frames.open_stream(1, what))) == short


def cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


@given(st.sampled_from(Code), st.text(max_size=300))
def test_texts_are_cut_between_characters(code: Code, told: str) -> None:
    assert frames.take_reset(payload(frames.reset(1, code, told))) == (code, cut(told, 200))
    away = GoAway(Mode.MOVE, code, 2**32 - 1, 0, told)
    assert frames.take_goaway(payload(frames.goaway(away))) == away._replace(text=cut(told, 200))


@given(st.integers(0, 2**64 - 1), st.floats(0, 5000))
def test_counts_and_holds(count: int, hold: float) -> None:
    taken, held = frames.take_counted(payload(frames.ack(count, hold)))
    assert taken == count and held == pytest.approx(min(hold, 0xFFFFFFFF / 1e6), abs=2e-6)
    assert frames.take_u64(payload(frames.start(count))) == count


def test_a_hold_before_zero_is_zero() -> None:
    assert frames.take_counted(payload(frames.ack(1, -0.1))) == (1, 0.0)


def test_unknown_codes_are_internal() -> None:
    assert frames.take_reset(memoryview(b"\xff\xff")) == (Code.INTERNAL, "")


@pytest.mark.parametrize("service", ["", "x" * 256, "é" * 128])
def test_a_service_name_that_does_not_fit_is_refused(service: str) -> None:
    with pytest.raises(ValueError):
        frames.open_stream(1, Open(service))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x81",
        b"\x81\x04ssh",
        b"\x81\x00",
        b"\x02\x01x",
        b"\x81\x01x\x81\x01y",
        b"\x81\x01\xff",
        b"\x81\x01x\x84\x02\x00\x00",
        b"\x81\x01x\x83\x00",
    ],
)
def test_malformed_opens_are_protocol_errors(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        frames.take_open(memoryview(raw))
    assert caught.value.code == Code.PROTOCOL


@pytest.mark.parametrize("raw", [b"\x81\x01x\xc0\x00", b"\x81\x01x\x83\x01\x02"])
def test_mandatory_things_we_do_not_know_are_unsupported(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        frames.take_open(memoryview(raw))
    assert caught.value.code == Code.UNSUPPORTED


def test_optional_tags_we_do_not_know_are_skipped() -> None:
    assert frames.take_open(memoryview(b"\x81\x01x\x40\x02ab")) == Open("x")


@given(st.binary(max_size=260))
def test_takers_raise_nothing_but_protocol_errors(raw: bytes) -> None:
    view = memoryview(raw)
    for take in (frames.take_open, frames.take_reset, frames.take_goaway, frames.take_counted, frames.take_u64):
        try:
            take(view)
        except ProtocolError:
            pass


def test_describe() -> None:
    assert frames.describe(frames.frame(Type.DATA, 3, b"xx", frames.FIN)) == "DATA #3 2 bytes FIN"
    assert frames.describe(frames.start(0)) == "START 8 bytes"
    assert frames.describe(b"\x7f\x01\x00\x00\x00\x00\x00\x00") == "0x7f 0 bytes"
