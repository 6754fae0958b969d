"""The states of a stream's halves: the tables, and that real frames walk through them."""

import pytest

from hushgate.errors import LocalProtocolError
from hushgate.protocol import frames
from hushgate.protocol.frames import COUNTED, FIN, HEADER, Code, Open, Type
from hushgate.protocol.stream import RECEIVE, SEND, Event, Half, Stream, window_mark
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair
from tests.protocol.specification import section, table

SEND_EVENTS = {Event.DATA, Event.FINISH, Event.WINDOW, Event.RESET, Event.PEER_RESET}
RECEIVE_EVENTS = {Event.PEER_DATA, Event.PEER_FINISH, Event.RESET, Event.PEER_RESET}


def specified(half: str) -> dict[tuple[Half, Event], Half]:
    rows = [row for row in table(section(6)) if row.get("half") == half]
    return {(Half(row["state"]), Event(row["event"])): Half(row["next"]) for row in rows}


def test_the_tables_are_those_of_the_specification() -> None:
    assert specified("send") == SEND
    assert specified("receive") == RECEIVE


@pytest.mark.parametrize("state", Half)
@pytest.mark.parametrize("event", Event)
def test_every_pair_of_state_and_event(state: Half, event: Event) -> None:
    for half, step, tabled in (("send", "step_send", SEND), ("receive", "step_receive", RECEIVE)):
        stream = Pair().open().stream
        setattr(stream, half, state)
        if (state, event) in tabled:
            getattr(stream, step)(event)
            assert getattr(stream, half) is tabled[state, event]
        else:
            with pytest.raises(LocalProtocolError):
                getattr(stream, step)(event)
            assert getattr(stream, half) is state


class Walk:
    """One stream whose other direction stays open, so that it is not gone before we look."""

    def __init__(self, send: Half, receive: Half) -> None:
        self.pair = Pair()
        self.pair.owners[1].ends = False
        self.near = self.pair.open(ends=False)
        self.pair.pump()
        self.stream: Stream = self.pair.acceptor.streams[1]
        self.far: Memory = self.pair.far(self.near)
        if send is Half.FINISHED:
            self.far.ends = True
        if receive is Half.FINISHED:
            self.near.ends = True
        self.pair.pump()
        if Half.RESET in (send, receive):
            self.near.close()
            self.pair.step(0)
        self.sent_before = len(self.pair.history[-1][1])

    def happen(self, event: Event) -> bool:
        """Makes `event` happen at the acceptor's end by real frames. False: the user cannot even try."""
        alive, stream = self.stream.send is Half.OPEN, self.stream
        if event in (Event.DATA, Event.FINISH):
            self.far.out += b"data" if event is Event.DATA else b""
            self.far.ends = event is Event.FINISH
            stream.ready()
            self.pair.load(1)
            return alive
        if event is Event.RESET:
            stream.reset(Code.ABORTED)
            self.pair.load(1)
            return True
        raw = {
            Event.WINDOW: frames.window(1, 1_000_000),
            Event.PEER_DATA: HEADER.pack(Type.DATA, COUNTED, 4, 1) + b"data",
            Event.PEER_FINISH: HEADER.pack(Type.DATA, COUNTED | FIN, 0, 1),
            Event.PEER_RESET: frames.reset(1, Code.REFUSED),
        }[event]
        self.pair.acceptor.receive(memoryview(raw), self.pair.now)
        self.pair.load(1)
        return True


@pytest.mark.parametrize("state", Half)
@pytest.mark.parametrize("event", sorted(SEND_EVENTS, key=str))
def test_the_sending_half_walks_its_table_by_real_frames(state: Half, event: Event) -> None:
    walk = Walk(send=state, receive=Half.RESET if state is Half.RESET else Half.OPEN)
    assert walk.stream.send is state
    tried = walk.happen(event)
    assert walk.stream.send is SEND.get((state, event), state)
    assert tried or (state, event) not in SEND
    sent = bytes(walk.pair.history[-1][1][walk.sent_before :])
    kinds = [] if not sent else [frames.describe(sent).split(" ")[0]]
    if state is Half.OPEN or (state, event) == (Half.FINISHED, Event.RESET):
        expected = {Event.DATA: ["DATA"], Event.FINISH: ["DATA"], Event.RESET: ["RESET"]}.get(event, [])
        assert [kind for kind in kinds if kind != "ACK"] == expected
    if event is Event.PEER_RESET and state is not Half.RESET:
        assert walk.far.was_reset is Code.REFUSED
    assert not walk.pair.acceptor.failed
    check(walk.pair.acceptor)


@pytest.mark.parametrize("state", Half)
@pytest.mark.parametrize("event", sorted(RECEIVE_EVENTS, key=str))
def test_the_receiving_half_walks_its_table_by_real_frames(state: Half, event: Event) -> None:
    walk = Walk(send=Half.RESET if state is Half.RESET else Half.OPEN, receive=state)
    assert walk.stream.receive is state
    walk.happen(event)
    violation = state is Half.FINISHED and event in (Event.PEER_DATA, Event.PEER_FINISH)
    assert walk.stream.receive is (Half.RESET if violation else RECEIVE[state, event])
    if violation:
        assert walk.far.was_reset is Code.PROTOCOL
    elif state is Half.OPEN:
        assert bytes(walk.far.got) == (b"data" if event is Event.PEER_DATA else b"")
        assert walk.far.finished == (event is Event.PEER_FINISH)
    assert not walk.pair.acceptor.failed
    check(walk.pair.acceptor)


def test_a_stream_is_gone_when_both_halves_ended_and_all_was_handed_on() -> None:
    pair = Pair()
    pair.owners[1].room = 0
    near = pair.open(b"bytes")
    pair.pump()
    far = pair.far(near)
    assert not far.stream.gone and not far.finished and far.stream in pair.acceptor.streams.values()
    far.room = None
    far.stream.drain()
    assert far.stream.gone and far.finished == 1 and not pair.acceptor.streams


def test_read_pulls_what_waits() -> None:
    pair = Pair()
    pair.owners[1].room = 0
    near = pair.open(b"0123456789")
    pair.pump()
    stream = pair.far(near).stream
    assert stream.read(4) == b"0123" and stream.read(100) == b"456789" and stream.read(1) == b""
    assert pair.far(near).finished == 1
    check(*pair.muxes)


def test_accept_says_so_once_and_only_for_the_peers_streams() -> None:
    pair = Pair()
    near = pair.open(ends=False)
    near.stream.accept()
    pair.pump()
    pair.far(near).stream.accept()
    pair.pump()
    assert near.was_opened == 1 and not pair.acceptor.failed


def test_window_mark_is_a_quarter_of_the_window_but_not_too_little() -> None:
    assert window_mark(100, 1 << 20) == 100 + (1 << 18)
    assert window_mark(100, 1 << 16) == 100 + (1 << 14)


def test_repr_tells_the_state_and_no_bytes() -> None:
    stream = Pair().dialler.open(Open("ssh"), 100.0)
    assert repr(stream) == "<Stream 1 ssh send=open 0/65536 receive=open 0/0/65536>"
