"""When a side pings, and when it gives its link up."""

from functools import partial

from hushgate.protocol import frames
from hushgate.protocol.limits import PING_AFTER, PINGS_PER_SECOND, SILENCE_MAX
from hushgate.protocol.liveness import Liveness
from tests.protocol.pair import Pair


def test_a_ping_is_due_after_silence_of_our_own_with_jitter() -> None:
    for random, after in ((0.0, 18.0), (0.5, 20.0), (0.999999, 21.99)):
        liveness = Liveness(100.0, partial(float, random))
        assert not liveness.ping_due(100.0 + after - 0.01) and liveness.ping_due(100.0 + after + 0.02)
        liveness.sent_at = 110.0
        assert not liveness.ping_due(110.0 + after - 0.01)


def test_more_pings_than_allowed_in_a_second_are_a_flood() -> None:
    liveness = Liveness(0.0, lambda: 0.5)
    for second in (0.0, 1.5):
        assert not any(liveness.flooded(second) for _ in range(PINGS_PER_SECOND))
        assert liveness.flooded(second + 0.9)


def test_a_link_is_dead_after_silence_or_without_progress() -> None:
    liveness = Liveness(100.0, lambda: 0.5)
    assert liveness.dead(145.0, 100.0, in_flight=False, srtt=0) is None
    assert "nothing heard for 46 s" == liveness.dead(146.0, 100.0, in_flight=False, srtt=0)
    assert liveness.dead(110.0, 110.0, in_flight=True, srtt=0) is None
    assert "nothing acknowledged for 11 s" == liveness.dead(111.0, 111.0, in_flight=True, srtt=0)
    assert liveness.dead(111.0, 111.0, in_flight=True, srtt=3.0) is None
    assert liveness.dead(111.0, 111.0, in_flight=False, srtt=0) is None


def test_idle_sessions_ping_each_other_and_live() -> None:
    pair = Pair()
    pair.pump()
    for _ in range(200):
        pair.now += 1
        for mux in pair.muxes:
            assert mux.tick(pair.now) is None
        pair.pump()
    sent = bytes(pair.history[0][0] + pair.history[0][1])
    assert 8 <= sent.count(frames.HEADER.pack(frames.Type.PING, 0, 8, 0)) <= 12


def test_data_after_a_long_idle_time_is_not_taken_for_a_stall() -> None:
    pair = Pair()
    memory = pair.open(b"x", ends=False)
    pair.pump()
    for _ in range(100):
        pair.now += 1
        assert pair.dialler.tick(pair.now) is None and pair.acceptor.tick(pair.now) is None
        pair.pump()
    memory.out += b"y"
    pair.load(0)
    assert pair.dialler.tick(pair.now + 5) is None
    pair.dialler.inbox.heard_at = pair.now + 11
    assert pair.dialler.tick(pair.now + 11) == "nothing acknowledged for 11 s"


def test_a_replay_makes_progress_frame_by_frame() -> None:
    pair = Pair()
    pair.open(bytes(10_000), ends=False)
    pair.load(0)
    pair.step(0)
    pair.now += 9
    pair.dialler.receive(memoryview(frames.start(0) + frames.ack(1, 0)), pair.now)
    assert pair.dialler.outbox.replay.flight and pair.dialler.tick(pair.now + 9) is None
    pair.dialler.inbox.heard_at = pair.now + 11
    assert pair.dialler.tick(pair.now + 11) is not None


def test_a_long_detachment_is_no_silence_of_the_next_link() -> None:
    pair = Pair()
    pair.open(b"x", ends=False)
    pair.load(0)
    pair.detach()
    pair.now += 10 * SILENCE_MAX
    assert pair.dialler.tick(pair.now) is None
    pair.attach()
    assert pair.dialler.tick(pair.now + 1) is None and pair.acceptor.tick(pair.now + 1) is None
    assert pair.dialler.tick(pair.now + SILENCE_MAX + 1)
    assert PING_AFTER < SILENCE_MAX / 2
