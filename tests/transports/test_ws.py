"""What WebSocketPipe does about control frames and violations; the bytes themselves are test_contract's."""

import pytest

from hushgate.protocol.websocket import ZERO_KEY, Opcode, encode, header
from hushgate.transports.base import Message
from hushgate.transports.memory import MemoryPipe, memory_pair
from hushgate.transports.ws import WebSocketPipe
from tests.transports.pairs import Probe


def server() -> tuple[MemoryPipe, Probe, WebSocketPipe, Probe]:
    """A raw peer on one end, our server on the other."""
    raw, inner = memory_pair()
    pipe = WebSocketPipe(inner, None)
    peer, user = Probe(), Probe()
    raw.switch(peer)
    pipe.switch(user)
    return raw, peer, pipe, user


def client_frame(opcode: int, payload: bytes) -> Message:
    return encode([payload], ZERO_KEY, opcode)


def test_pings_are_answered_by_one_pong_when_there_is_no_room() -> None:
    raw, peer, pipe, _user = server()
    raw.write([client_frame(Opcode.PING, b"one")])
    raw.settle()
    assert peer.got == b"\x8a\x03one"
    peer.got.clear()
    pipe.write([[b"x" * 200_000]])
    assert pipe.full
    raw.write([client_frame(Opcode.PING, bytes([number])) for number in range(50)])
    inner_path = raw.other.path
    inner_path.stalled = True
    raw.settle()
    inner_path.stalled = False
    raw.settle()
    assert peer.got[200_010:] == b"\x8a\x01\x31"


def test_pongs_and_empty_messages_mean_nothing() -> None:
    raw, peer, _pipe, user = server()
    raw.write([client_frame(Opcode.PONG, b"?"), client_frame(Opcode.BINARY, b""), client_frame(Opcode.BINARY, b"data")])
    raw.settle()
    assert user.got == b"data"
    assert user.views == 1
    assert peer.got == b""


@pytest.mark.parametrize(
    ("code", "orderly"), [(b"", True), (b"\x03\xe8", True), (b"\x03\xe9", True), (b"\x03\xf3", False)]
)
def test_the_peers_close_is_echoed(code: bytes, orderly: bool) -> None:
    raw, peer, pipe, user = server()
    raw.write([client_frame(Opcode.BINARY, b"last"), client_frame(Opcode.CLOSE, code), client_frame(2, b"beyond")])
    raw.settle()
    assert user.got == b"last"
    assert user.over.is_set()
    assert (user.error is None) == orderly
    assert peer.got == header(Opcode.CLOSE, len(code), None) + code
    assert peer.over.is_set()
    pipe.write([[b"too late"]])
    raw.settle()


def test_our_close_is_a_close_frame_and_the_end() -> None:
    raw, peer, pipe, user = server()
    pipe.write([[b"bye"]])
    pipe.close()
    pipe.close()
    raw.settle()
    assert peer.got == b"\x82\x03bye\x88\x02\x03\xe8"
    assert peer.over.is_set()
    assert user.error is None


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x82\x00", 1002), (b"\x81\x80" + bytes(4), 1003), (b"\x82\xff" + (65_537).to_bytes(8), 1009)],
)
def test_a_violation_is_answered_with_its_code(data: bytes, code: int) -> None:
    raw, peer, _pipe, user = server()
    raw.write([client_frame(Opcode.BINARY, b"fine"), [data]])
    raw.settle()
    assert user.got == b"fine"
    assert user.error is not None
    assert "RFC 6455" in user.error
    assert peer.got == b"\x88\x02" + code.to_bytes(2)


def test_an_end_without_close_is_an_error() -> None:
    raw, _peer, _pipe, user = server()
    raw.close()
    raw.settle()
    assert user.error == "the connection ended without a WebSocket close"


def test_a_frame_may_be_split_over_messages_and_fragments() -> None:
    raw, _peer, _pipe, user = server()
    user.use = lambda view: len(view) // 10 * 10
    text = bytes(range(100))
    for at in range(0, 100, 3):
        raw.write([client_frame(Opcode.BINARY, text[at : at + 3])])
    raw.settle()
    assert user.got == text


def test_random_keys_leave_the_buffers_alone() -> None:
    raw, inner = memory_pair()
    pipe = WebSocketPipe(inner, lambda: b"\x01\x02\x03\x04")
    peer, parts = Probe(), [b"\x00\x00", b"\x00\x00"]
    raw.switch(peer)
    pipe.switch(Probe())
    pipe.write([parts])
    raw.settle()
    assert peer.got == b"\x82\x84\x01\x02\x03\x04\x01\x02\x03\x04"
    assert parts == [b"\x00\x00", b"\x00\x00"]


def test_a_replay_right_behind_the_last_frame_of_the_handshake_waits_for_the_next_user() -> None:
    raw, _peer, pipe, user = server()
    user.use = lambda view: max(0, 10 - len(user.got))
    replay = bytes(200_000)
    raw.write([client_frame(Opcode.BINARY, bytes(10) + replay[:60_000])])
    raw.write([client_frame(Opcode.BINARY, replay[at : at + 60_000]) for at in range(60_000, 200_000, 60_000)])
    raw.settle()
    assert len(user.got) == 10
    link = Probe()
    pipe.switch(link)
    assert link.got == replay
    assert not link.over.is_set()
