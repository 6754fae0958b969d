"""Reading frames: what is refused, what is ignored, and that nothing a peer sends makes it raise."""

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hushgate.protocol import frames
from hushgate.protocol.frames import COUNTED, FIN, HEADER, IGNORABLE, Code, GoAway, Kind, Mode, Open, Type
from hushgate.protocol.limits import STREAMS_MAX
from hushgate.protocol.stream import Half
from tests.protocol.invariants import check
from tests.protocol.pair import Event, Memory, Pair, pattern
from tests.protocol.scripted import Scripted


def test_an_order_flood_of_a_peer_that_does_not_read_ends_the_session() -> None:
    pair = Pair()
    id = 1
    while not pair.acceptor.failed:
        pair.acceptor.receive(memoryview(frames.open_stream(id, Open("x")) + frames.reset(id, Code.DONE)), pair.now)
        if id == 1:
            pair.step(0)
            id = 3
        id += 2
        assert id < 10 * STREAMS_MAX
    check(*pair.muxes)


VIOLATIONS = {
    "data on stream 0": HEADER.pack(Type.DATA, COUNTED, 1, 0) + b"x",
    "data of a stream never opened": HEADER.pack(Type.DATA, COUNTED, 1, 77) + b"x",
    "data of our stream never opened": HEADER.pack(Type.DATA, COUNTED, 1, 78) + b"x",
    "uncounted data": HEADER.pack(Type.DATA, 0, 1, 1) + b"x",
    "empty data": HEADER.pack(Type.DATA, COUNTED, 0, 1),
    "too long": HEADER.pack(Type.DATA, COUNTED, 65_528, 1) + bytes(65_528),
    "too long, header only": HEADER.pack(Type.DATA, COUNTED, 65_535, 1),
    "open again": frames.open_stream(1, Open("ssh")),
    "open of our id": frames.open_stream(2, Open("ssh")),
    "open beyond the ids": frames.open_stream(2**31 + 1, Open("ssh")),
    "malformed open": frames.frame(Type.OPEN, 3, b"\x81"),
    "unknown type": HEADER.pack(0x7F, 0, 0, 0),
    "window of a stream never opened": frames.window(77, 1),
    "reset of our stream never opened": frames.reset(78, Code.DONE),
    "start twice": frames.start(0),
    "ack beyond what was sent": frames.ack(1000, 0),
    "void with payload": frames.frame(Type.VOID, 0, b"x"),
    "ping on a stream": frames.frame(Type.PING, 1, bytes(8)),
    "short ping": frames.frame(Type.PING, 0, bytes(7)),
    "goaway of unknown mode": frames.frame(Type.GOAWAY, 0, bytes(11)),
    "long reset text": frames.frame(Type.RESET, 1, bytes(203)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_ends_the_session_and_never_raises(name: str) -> None:
    pair = Pair()
    near = pair.open(b"x", ends=False)
    pair.pump()
    pair.acceptor.receive(memoryview(VIOLATIONS[name]), pair.now)
    assert pair.acceptor.failed
    expected = Code.MISMATCH if name.startswith("ack") else Code.PROTOCOL
    assert pair.acceptor.failed[0] is expected
    check(*pair.muxes)
    pair.step(1)
    assert pair.dialler.failed and pair.dialler.failed[0] is expected and near.was_reset is expected


def test_counted_frames_before_start_are_a_violation() -> None:
    pair = Pair()
    pair.acceptor.receive(memoryview(frames.open_stream(1, Open("ssh"))), pair.now)
    assert pair.acceptor.failed


def test_violations_of_one_stream_reset_only_that_stream() -> None:
    def sent(*raw: bytes) -> tuple[Memory, Memory, Pair]:
        pair = Pair()
        pair.owners[1].ends = False
        near, other = pair.open(ends=False), pair.open(ends=False)
        pair.pump()
        for frame in raw:
            pair.acceptor.receive(memoryview(frame), pair.now)
            pair.dialler.outbox.replay.next += frame[1] >> 7
        assert not pair.acceptor.failed and len(pair.acceptor.streams) == 1
        check(pair.acceptor)
        assert other.was_reset is None
        return pair.owners[1].memories[near.stream.id], near, pair

    fin = HEADER.pack(Type.DATA, COUNTED | FIN, 0, 1)
    far, near, pair = sent(fin, HEADER.pack(Type.DATA, COUNTED, 1, 1) + b"x")
    assert far.was_reset is Code.PROTOCOL
    pair.step(1)
    assert near.was_reset is Code.PROTOCOL
    assert sent(fin, fin)[0].was_reset is Code.PROTOCOL
    assert sent(frames.frame(Type.OPEN_OK, 1))[0].was_reset is Code.PROTOCOL
    assert sent(frames.frame(Type.DATAGRAM, 1, b"x"))[0].was_reset is Code.PROTOCOL
    big = HEADER.pack(Type.DATA, COUNTED, 65_000, 1) + bytes(65_000)
    pair = Pair()
    pair.owners[1].room = 0
    near = pair.open(ends=False)
    pair.pump()
    for _ in range(2):
        pair.acceptor.receive(memoryview(big), pair.now)
    assert pair.owners[1].memories[1].was_reset is Code.FLOW and not pair.acceptor.failed
    check(pair.acceptor)


def test_frames_of_streams_that_are_gone_are_ignored() -> None:
    pair = Pair()
    near = pair.open(b"x")
    pair.pump()
    assert not pair.acceptor.streams
    for frame in (frames.window(1, 10**9), frames.reset(1, Code.DONE), frames.frame(Type.DATAGRAM, 1, b"x")):
        pair.acceptor.receive(memoryview(frame), pair.now)
    pair.acceptor.receive(memoryview(HEADER.pack(Type.DATA, COUNTED, 1, 1) + b"x"), pair.now)
    assert not pair.acceptor.failed and near.stream.send is Half.FINISHED


def test_ignorable_frames_are_skipped_and_counted() -> None:
    pair = Pair()
    pair.step(0)
    raw = HEADER.pack(0x7F, 0xC0, 3, 5) + b"new" + HEADER.pack(0x7E, 0x40, 0, 0)
    assert pair.acceptor.receive(memoryview(raw), pair.now) == len(raw)
    assert not pair.acceptor.failed and pair.acceptor.outbox.received == 1


def test_a_stream_opened_with_what_we_do_not_know_is_reset() -> None:
    pair = Pair()
    pair.step(0)
    unknown = frames.frame(Type.OPEN, 1, b"\x81\x01x\xc0\x00") + frames.frame(Type.OPEN, 3, b"\x81\x01x\x83\x01\x09")
    pair.acceptor.receive(memoryview(unknown), pair.now)
    assert not pair.acceptor.failed and not pair.acceptor.streams
    assert [frames.describe(order) for order in pair.acceptor.outbox._orders] == [
        "RESET #1 30 bytes",
        "RESET #3 18 bytes",
    ]


def test_the_owner_hears_once_a_link_that_the_peer_goes_on() -> None:
    pair = Pair()
    assert [owner.starts for owner in pair.owners] == [0, 0]
    pair.pump()
    pair.detach()
    pair.attach()
    pair.pump()
    assert [owner.starts for owner in pair.owners] == [2, 2]


def test_handshake_frames_reach_the_owner() -> None:
    pair = Pair()
    pair.dialler.outbox.say(frames.frame(Type.PROVE, 0, b"payload"))
    pair.pump()
    assert pair.owners[1].handshakes == [(Type.PROVE, b"payload")]


def test_pings_are_answered_and_a_flood_of_them_is_not() -> None:
    pair = Pair()
    pair.dialler.outbox.say(frames.ping(42))
    pair.step(0)
    pair.now += 0.5
    message = pair.acceptor.pull(pair.now)
    assert message and frames.pong(42, 0.5) in message
    for _ in range(101):
        pair.acceptor.receive(memoryview(frames.ping(1)), pair.now)
    assert pair.acceptor.failed and pair.acceptor.failed[0] is Code.FLOOD


class Pieces(Pair):
    """Shows what arrives in pieces of `sizes`, which are used again and again; None: whole."""

    def __init__(self, sizes: list[int] | None) -> None:
        self._sizes = itertools.cycle(sizes) if sizes else itertools.repeat(1 << 20)
        super().__init__()

    def deliver(self, side: int, part: bytes) -> int:
        view, shown, used = memoryview(part), 0, 0
        while shown < len(part):
            shown = min(len(part), shown + next(self._sizes))
            used += self.muxes[1 - side].receive(view[used:shown], self.now)
            check(*self.muxes)
        return used


class Played(NamedTuple):
    """What both sides hear, and what they say, link by link."""

    events: list[list[Event]]
    history: list[tuple[bytearray, bytearray]]


def played(sizes: list[int] | None) -> Played:
    """A session with frames of every type, whose link is lost three times on the way."""
    pair = Pieces(sizes)
    scripted = Scripted(big=2_000, pair=pair)
    scripted.run([(0, 900), (1, 1200)])
    scripted.verify()
    pair.open(pattern(20_000), ends=False)
    flow = Memory(pair.dialler.open(Open("dns", kind=Kind.DATAGRAMS), pair.now), ends=False)
    flow.stream.send_datagram(b"question")
    for mux in pair.muxes:
        for frame in (
            frames.ping(7),
            frames.frame(Type.PROVE, 0, b"a proof"),
            frames.goaway(GoAway(Mode.DRAIN, Code.SHUTDOWN, 1, 2, "soon")),
            HEADER.pack(0x7F, IGNORABLE, 3, 9) + b"new",
        ):
            mux.outbox.say(frame)
    pair.pump()
    pair.open(b"of a service that is withdrawn before it arrives", service="web")
    pair.load(0)
    pair.detach()
    pair.dialler.withdraw({"web"}, Code.WITHDRAWN)
    pair.attach()
    pair.pump()
    assert not pair.dialler.failed and not pair.acceptor.failed
    return Played([owner.events for owner in pair.owners], pair.history)


@pytest.fixture(scope="module")
def whole() -> Played:
    return played(None)


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=60).filter(any))
def test_any_chunking_gives_the_same_events_and_the_same_answers(whole: Played, sizes: list[int]) -> None:
    assert played(sizes) == whole


def test_byte_by_byte_gives_the_same_events_and_the_same_answers(whole: Played) -> None:
    assert played([1]) == whole


def test_what_is_cut_up_has_frames_of_every_type_that_a_mux_says(whole: Played) -> None:
    said = b"".join(wire for link in whole.history for wire in link)
    types, at = set(), 0
    while at < len(said):
        types.add(said[at])
        at += HEADER.size + HEADER.unpack_from(said, at)[2]
    assert {*Type} - types == {Type.CHALLENGE, Type.LOGIN, Type.WELCOME, Type.PROVED, Type.CHANGED}


@pytest.fixture(scope="module")
def transcript() -> bytes:
    scripted = Scripted(big=2_000)
    scripted.run([])
    return bytes(scripted.pair.history[0][0])


def hostile(raw: bytes) -> None:
    """Feeds `raw` to an acceptor in the midst of things: it must not raise, and stay in order."""
    pair = Pair()
    pair.owners[1].ends = False
    pair.owners[1].room = 10
    pair.open(b"some bytes", ends=False), pair.open(ends=False, side=1)
    pair.pump()
    pair.acceptor.receive(memoryview(raw), pair.now)
    check(pair.acceptor)
    sent = 0
    while pair.acceptor.pull(pair.now) and sent < 50:
        sent += 1
    pair.acceptor.tick(pair.now + 1)
    check(pair.acceptor)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=300))
def test_random_bytes_never_raise(raw: bytes) -> None:
    hostile(raw)


frame = st.builds(
    lambda type, flags, id, payload: HEADER.pack(type, flags, len(payload), id) + payload,
    st.sampled_from([*Type, 0x7F]),
    st.sampled_from([0, COUNTED, COUNTED | FIN, 0x40, 0xC0]),
    st.sampled_from([0, 1, 2, 3, 4, 5, 2**31 - 1, 2**31 + 1, 2**32 - 1]),
    st.one_of(
        st.binary(max_size=30),
        st.just(bytes(8)),
        st.just(bytes(12)),
        st.integers(0, 2**64 - 1).map(lambda n: n.to_bytes(8, "big")),
        st.just(b"\x81\x03ssh"),
        st.just(bytes(65_000)),
    ),
)


@settings(max_examples=400, deadline=None)
@given(raw=st.lists(frame, max_size=12).map(b"".join))
def test_random_frames_never_raise(raw: bytes) -> None:
    hostile(raw)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_bit_flips_cuts_and_wrong_orders_never_raise(transcript: bytes, data: st.DataObject) -> None:
    whole, at = [], 0
    while at < len(transcript):
        size = HEADER.size + HEADER.unpack_from(transcript, at)[2]
        whole.append(transcript[at : at + size])
        at += size
    raw = bytearray(b"".join(data.draw(st.permutations(whole)) if data.draw(st.booleans()) else whole))
    for bit in data.draw(st.lists(st.integers(0, len(raw) * 8 - 1), max_size=8)):
        raw[bit // 8] ^= 1 << bit % 8
    hostile(bytes(raw[data.draw(st.integers(0, 100)) :]))


@pytest.mark.parametrize(
    "flood",
    [
        frames.ping(1),
        frames.window(1, 0),
        frames.ack(0, 0),
        frames.pong(1, 0),
        frames.frame(Type.VOID),
        HEADER.pack(Type.DATA, COUNTED, 0, 1),
    ],
)
def test_floods_leave_little_behind(flood: bytes) -> None:
    pair = Pair()
    pair.open(ends=False)
    pair.step(0)
    for _ in range(20):
        pair.acceptor.receive(memoryview(flood * 1000), pair.now)
    check(pair.acceptor)
    outbox = pair.acceptor.outbox
    assert len(outbox._control) <= 2 and len(outbox._orders) <= 1 and len(outbox._windows) <= 1


def test_a_flood_of_open_and_reset_keeps_no_stream() -> None:
    pair = Pair()
    pair.owners[1].ends = False
    pair.step(0)
    for id in range(1, 20_001, 2):
        raw = frames.open_stream(id, Open("ssh")) + frames.reset(id, Code.DONE)
        pair.acceptor.receive(memoryview(raw), pair.now)
    check(pair.acceptor)
    assert not pair.acceptor.streams and not pair.acceptor.failed


def test_reset_of_an_id_whose_open_was_voided_uses_the_id_up() -> None:
    pair = Pair()
    pair.step(0)
    raw = frames.frame(Type.VOID) + frames.reset(5, Code.WITHDRAWN)
    pair.acceptor.receive(memoryview(raw), pair.now)
    assert not pair.acceptor.failed and pair.acceptor.inbox.peer_id == 5
    pair.acceptor.receive(memoryview(frames.open_stream(3, Open("ssh"))), pair.now)
    assert pair.acceptor.failed
