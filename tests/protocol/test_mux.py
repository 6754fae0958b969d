"""The multiplexer as a whole: links cut anywhere, streams that disturb each other, users that call back."""

import random

import pytest

from hushgate.errors import LocalProtocolError
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, Kind, Mode, Open, Type
from hushgate.protocol.limits import STREAM_ID_MAX, STREAMS_MAX, WINDOW_INITIAL
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern
from tests.protocol.scripted import Scripted, interesting, spans


def test_cut_at_every_byte() -> None:
    whole = Scripted(big=400)
    whole.run([])
    whole.verify()
    for side in (0, 1):
        for offset in range(len(whole.pair.history[0][side])):
            again = Scripted(big=400)
            again.run([(side, offset)])
            again.verify()


def test_cut_around_the_frames_of_a_stream_that_renews_its_window() -> None:
    whole = Scripted()
    whole.run([])
    assert Type.WINDOW in [transcript[at] for transcript in whole.pair.history[0] for at, _ in spans(transcript)]
    for side in (0, 1):
        for offset in interesting(whole.pair.history[0][side]):
            again = Scripted()
            again.run([(side, offset)])
            again.verify()


def test_cut_again_during_the_replay() -> None:
    """After cuts spread over the session, at the first bytes of what follows and at some drawn from the rest of it."""
    dice = random.Random(1)
    whole = Scripted()
    whole.run([])
    for side in (0, 1):
        offsets = interesting(whole.pair.history[0][side])
        for first in offsets[:: len(offsets) // 5]:
            once = Scripted()
            once.run([(side, first)])
            for second_side in (0, 1):
                replayed = interesting(once.pair.history[1][second_side])
                for second in replayed[:50] + sorted(dice.sample(replayed[50:], min(50, len(replayed[50:])))):
                    twice = Scripted()
                    twice.run([(side, first), (second_side, second)])
                    twice.verify()


def test_a_bulk_stream_that_nobody_reads_does_not_hold_back_the_others() -> None:
    pair = Pair()
    pair.owners[1].room = 0
    stuck = pair.open(pattern(1_000_000))
    pair.pump()
    pair.owners[1].room = None
    others = [pair.open(pattern(200_000, i)) for i in range(50)]
    pair.pump()
    check(*pair.muxes)
    for other in others:
        assert pair.far(other).got == pattern(200_000, others.index(other))
    assert not pair.far(stuck).got and stuck.stream.sent == WINDOW_INITIAL
    far = pair.far(stuck)
    far.room = None
    far.stream.drain()
    pair.pump()
    assert far.got == pattern(1_000_000) and far.finished == 1


def test_both_ends_write_much_and_take_little() -> None:
    pair = Pair()
    size = 3_000_000
    pair.owners[1].reply = pattern(size, 1)
    pair.owners[1].room = 0
    near = pair.open(pattern(size))
    near.room = 0
    pair.pump()
    far = pair.far(near)
    turns = 0
    while len(near.got) < size or len(far.got) < size:
        for memory in (near, far):
            memory.room = 7_001
            memory.stream.drain()
        pair.step(turns % 2)
        pair.step(1 - turns % 2)
        pair.tick(0.0001)
        turns += 1
        assert turns < 3 * size // 7_001
    for memory in (near, far):
        memory.room = None
    pair.pump()
    check(*pair.muxes)
    assert near.got == pattern(size, 1) and far.got == pattern(size)
    assert not pair.dialler.streams and not pair.acceptor.streams


def test_unread_bytes_are_capped_by_resetting_the_longest_stalled() -> None:
    buffered = Buffered(limit=3 * WINDOW_INITIAL)
    pair = Pair(buffered=buffered)
    pair.owners[1].room = 0
    first, second, third = (pair.open(pattern(WINDOW_INITIAL)) for _ in range(3))
    pair.pump()
    far = pair.far(first)
    far.room = 10
    far.stream.drain()
    pair.open(pattern(WINDOW_INITIAL))
    pair.pump()
    assert second.was_reset is Code.LIMIT and first.was_reset is None and third.was_reset is None
    assert buffered.used <= 3 * WINDOW_INITIAL
    check(*pair.muxes)


def test_single_bytes_that_wait_do_not_cost_an_object_each() -> None:
    pair = Pair()
    pair.owners[1].room = 0
    near = pair.open(ends=False)
    for _ in range(9000):
        near.out += b"x"
        pair.step(0)
        pair.step(1)
    backlog = pair.far(near).stream.backlog
    assert sum(map(len, backlog)) == 9000 and len(backlog) <= 3
    check(*pair.muxes)


def test_credit_of_the_handshake_reaches_streams_opened_before() -> None:
    pair = Pair(window=8 * WINDOW_INITIAL)
    near = pair.open(pattern(1_000_000))
    pair.pump()
    assert near.stream.starved and near.stream.sent == WINDOW_INITIAL
    pair.dialler.peer_window = 8 * WINDOW_INITIAL
    pair.pump()
    assert pair.far(near).got == pattern(1_000_000)
    check(*pair.muxes)


def test_open_raises_when_nothing_more_can_be_opened() -> None:
    pair = Pair(streams_max=2)
    pair.open(), pair.open()
    with pytest.raises(LocalProtocolError):
        pair.open()
    pair = Pair()
    pair.dialler.next_id = STREAM_ID_MAX
    last = pair.open(b"last")
    pair.pump()
    assert pair.owners[1].memories[last.stream.id].got == b"last"
    with pytest.raises(LocalProtocolError):
        pair.open()
    with pytest.raises(ValueError):
        pair.acceptor.open(Open("x" * 256), pair.now)
    pair.dialler.close(Code.SHUTDOWN)
    with pytest.raises(LocalProtocolError):
        pair.open()
    check(*pair.muxes)


def test_the_peer_may_not_open_more_streams_than_agreed() -> None:
    pair = Pair(streams_max=2)
    pair.dialler.streams_max = STREAMS_MAX
    near = [pair.open(ends=False) for _ in range(3)]
    pair.pump()
    assert [memory.was_reset for memory in near] == [None, None, Code.LIMIT]


def test_close_tells_the_peer_and_ends_everything() -> None:
    pair = Pair()
    near, other = pair.open(ends=False), pair.open(ends=False, side=1)
    pair.pump()
    pair.dialler.close(Code.SHUTDOWN, "bye", 100, 200)
    check(*pair.muxes)
    assert near.was_reset is Code.SHUTDOWN
    pair.pump()
    assert pair.acceptor.failed == (Code.SHUTDOWN, "bye") and other.was_reset is Code.SHUTDOWN
    assert pair.owners[1].aways == [frames.GoAway(Mode.CLOSE, Code.SHUTDOWN, 100, 200, "bye")]
    check(*pair.muxes)


def test_what_a_finished_stream_received_is_handed_on_after_the_session() -> None:
    pair = Pair()
    pair.owners[1].reply = b""
    pair.owners[1].room = 5
    near, unfinished = pair.open(b"last words"), pair.open(b"last words", ends=False)
    pair.pump()
    far, lost = pair.far(near), pair.far(unfinished)
    assert not pair.dialler.streams.keys() - {unfinished.stream.id} and far.got == b"last "
    pair.dialler.close(Code.SHUTDOWN)
    pair.pump()
    assert (far.was_reset, lost.was_reset) == (None, Code.SHUTDOWN)
    far.room = None
    far.stream.drain()
    assert far.got == b"last words" and far.finished == 1
    assert not pair.acceptor.streams
    check(*pair.muxes)


def test_a_session_that_ended_without_a_link_says_so_on_the_next() -> None:
    pair = Pair()
    pair.open(ends=False)
    pair.pump()
    pair.detach()
    pair.dialler.close(Code.WITHDRAWN, "no more")
    pair.attach()
    pair.pump()
    assert pair.acceptor.failed == (Code.WITHDRAWN, "no more")


class Resetter(Memory):
    """Resets `victims` from inside the method that `when` names."""

    victims: list[Stream]
    when: str

    def _act(self, name: str) -> None:
        if name == self.when:
            for victim in self.victims:
                if isinstance(victim.endpoint, Memory):
                    victim.endpoint.close()

    def take(self, n: int) -> bytes | None:
        self._act("take")
        return b"" if self.dead else super().take(n)

    def data(self, view: memoryview) -> int:
        n = super().data(view)
        self._act("data")
        return n

    def finish(self) -> None:
        super().finish()
        self._act("finish")

    def reset(self, code: Code, text: str) -> None:
        super().reset(code, text)
        self._act("reset")


@pytest.mark.parametrize("when", ["take", "data", "finish", "reset"])
@pytest.mark.parametrize("room", [None, 0])
@pytest.mark.parametrize("own", [True, False])
def test_streams_reset_from_inside_the_methods_of_an_endpoint(when: str, room: int | None, own: bool) -> None:
    if own and when == "reset":
        return
    pair = Pair()
    pair.owners[1].room = room
    others = [pair.open(pattern(100_000, i), ends=False, side=1) for i in range(3)]
    near = pair.open(pattern(100_000))
    pair.pump()
    far = pair.owners[1].memories[near.stream.id]
    if near.stream.id in pair.acceptor.streams:
        actor = Resetter(far.stream, b"some", ends=True, room=room)
        actor.got = far.got
        actor.when = when
        actor.victims = [actor.stream] if own else [other.stream for other in others]
        if when == "reset":
            pair.acceptor.withdraw({"ssh"}, Code.WITHDRAWN)
        actor.room = None
        actor.stream.drain()
        actor.stream.ready()
        check(*pair.muxes)
    pair.pump()
    pair.detach()
    pair.attach()
    pair.pump()
    check(*pair.muxes)
    assert not pair.dialler.failed and not pair.acceptor.failed


class Closer(Resetter):
    """Ends its whole session from inside the method that `when` names."""

    def _act(self, name: str) -> None:
        if name == self.when:
            self.stream.mux.close(Code.SHUTDOWN)


@pytest.mark.parametrize("when", ["take", "data", "finish", "reset"])
def test_sessions_closed_from_inside_the_methods_of_an_endpoint(when: str) -> None:
    pair = Pair()
    pair.owners[1].ends = False
    near, other = pair.open(b"bytes", ends=False), pair.open(b"other", ends=False)
    pair.pump()
    actor = Closer(pair.far(near).stream, b"some")
    actor.when = when
    if when == "reset":
        near.close()
    else:
        near.out += b"more"
        near.ends = True
    pair.pump()
    for mux in pair.muxes:
        assert mux.failed == (Code.SHUTDOWN, "") and not mux.streams
    assert other.was_reset is Code.SHUTDOWN and pair.far(other).was_reset is Code.SHUTDOWN
    check(*pair.muxes)
    pair.detach()
    pair.attach()
    pair.pump()
    check(*pair.muxes)


def test_withdrawal_calls_no_endpoint_twice_when_one_resets_the_next() -> None:
    pair = Pair()
    memories = [pair.open(ends=False) for _ in range(3)]
    first = Resetter(memories[0].stream, ends=False)
    first.when, first.victims = "reset", [memories[1].stream]
    pair.pump()
    pair.dialler.withdraw({"ssh"}, Code.WITHDRAWN)
    assert memories[1].was_reset is None and memories[1].dead and memories[2].was_reset is Code.WITHDRAWN
    pair.pump()
    check(*pair.muxes)
    assert not pair.acceptor.streams


def test_ready_during_the_own_turn_is_not_lost() -> None:
    class Prompt(Memory):
        def take(self, n: int) -> bytes | None:
            data = self.out[:3]
            del self.out[:3]
            self.stream.ready()
            return bytes(data) if data else None

    pair = Pair()
    stream = pair.dialler.open(Open("ssh"), pair.now)
    prompt = Prompt(stream, b"0123456789")
    prompt.ends = False
    stream.ready()
    while message := pair.dialler.pull(pair.now):
        pair.acceptor.receive(memoryview(b"".join(message)), pair.now)
        check(*pair.muxes)
    assert pair.far(prompt).got == b"0123456789" and pair.far(prompt).finished == 1


def test_data_never_leaves_before_its_open() -> None:
    pair = Pair()
    service = "s" * 255
    for i in range(400):
        pair.open(pattern(20, i), service=service)
        if i % 3 == 0:
            pair.open(pattern(700, i), service=service)
    pair.pump()
    assert not pair.acceptor.failed and not pair.dialler.streams


def test_data_waits_when_its_open_does_not_fit_the_message() -> None:
    for full in range(58, 64):
        pair = Pair()
        for _ in range(full):
            pair.open(service="s" * 255, ends=False)
        last = pair.open(b"data", service="s" * 255, ends=False)
        last.stream.ready()
        while message := pair.dialler.pull(pair.now):
            pair.acceptor.receive(memoryview(b"".join(message)), pair.now)
            assert not pair.acceptor.failed
        assert pair.far(last).got == b"data"


def test_datagrams_stay_behind_their_open_and_die_with_their_flow() -> None:
    pair = Pair()
    stream = pair.dialler.open(Open("dns", kind=Kind.DATAGRAMS), pair.now)
    Memory(stream, ends=False)
    stream.send_datagram(b"first")
    pair.pump()
    far = pair.owners[1].memories[stream.id]
    assert far.datagrams == [b"first"]
    far.stream.send_datagram(b"answer")
    stream.send_datagram(b"second")
    stream.reset(Code.DONE)
    pair.pump()
    assert far.datagrams == [b"first"] and far.was_reset is Code.DONE
    check(*pair.muxes)
    stream = pair.dialler.open(Open("dns", kind=Kind.DATAGRAMS), pair.now)
    memory = Memory(stream, b"never sent", ends=True)
    pair.detach()
    stream.send_datagram(b"no link")
    pair.attach()
    stream.send_datagram(b"with the replay")
    pair.pump()
    assert pair.owners[1].memories[stream.id].datagrams == [b"with the replay"] and memory.out == b"never sent"
