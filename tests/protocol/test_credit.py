"""Windows that grow and give back, and the cap over all that lies unread."""

from hushgate.protocol.credit import Buffered, Growth
from hushgate.protocol.frames import Open
from hushgate.protocol.limits import GROWTH_BUDGET, GROWTH_IDLE, WINDOW_INITIAL, WINDOW_MAX
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Pair, pattern

KIB = 1024


def stream(window: int = WINDOW_INITIAL) -> Stream:
    return Stream(Pair().dialler, 1, Open("x"), WINDOW_INITIAL, window, 100.0)


def take(growth: Growth, stream: Stream, n: int, rtt: float, now: float) -> None:
    stream.taken += n
    growth.consider(stream, rtt, now)
    stream.limit = max(stream.limit, stream.taken + stream.window)


def test_a_window_doubles_when_half_of_it_was_taken_within_two_round_trips() -> None:
    growth, one = Growth(), stream()
    take(growth, one, 32 * KIB, 0.05, 100.099)
    assert one.window == 128 * KIB and growth.used == 64 * KIB
    take(growth, one, 32 * KIB, 0.05, 100.099 + 0.051)
    assert one.window == 128 * KIB
    take(growth, one, 32 * KIB, 0.05, 100.099 + 0.051 + 0.049)
    assert one.window == 256 * KIB and growth.used == 192 * KIB


def test_slow_or_small_takes_do_not_grow_a_window() -> None:
    growth, one = Growth(), stream()
    take(growth, one, 32 * KIB, 0.05, 100.2)
    take(growth, one, 32 * KIB, float("inf"), 100.3)
    assert one.window == WINDOW_INITIAL and growth.used == 0


def test_growth_stops_at_the_largest_window_and_at_the_budget() -> None:
    growth, now = Growth(), 100.0
    grown = [stream() for _ in range(6)]
    for one in grown:
        for _ in range(12):
            take(growth, one, one.window, 0.1, now)
    assert grown[0].window == WINDOW_MAX
    assert growth.used == sum(one.window - WINDOW_INITIAL for one in grown) <= GROWTH_BUDGET
    assert grown[-1].window < WINDOW_MAX
    for one in grown:
        growth.leave(one)
    assert growth.used == 0


def test_growth_is_counted_from_the_window_of_the_session() -> None:
    big = 4 * WINDOW_INITIAL
    growth, one = Growth(big), stream(big)
    growth.leave(one)
    assert growth.used == 0 and one.window == big
    take(growth, one, big, 0.1, 100.0)
    growth.leave(one)
    growth.leave(one)
    assert growth.used == 0 and one.window == big


def test_an_idle_stream_gives_its_growth_back_and_may_use_what_it_holds() -> None:
    pair = Pair()
    near = pair.open(pattern(1_000_000), ends=False)
    pair.pump()
    far = pair.far(near).stream
    assert far.window > WINDOW_INITIAL and pair.acceptor.growth.used
    check(*pair.muxes)
    limit = far.limit
    for _ in range(30):
        pair.tick(1.0)
        check(*pair.muxes)
    assert pair.acceptor.growth.used == 0 and far.window == WINDOW_INITIAL and far.limit == limit
    near.out += pattern(3_000_000)
    pair.pump()
    assert pair.far(near).got == pattern(1_000_000) + pattern(3_000_000)
    assert not Growth().idle(stream(), 100.0 + 2 * GROWTH_IDLE)


def test_many_grown_streams_stay_within_the_budget_and_all_go_on() -> None:
    pair = Pair()
    bulks = [pair.open(pattern(400_000, i)) for i in range(30)]
    while any(bulk.out for bulk in bulks):
        pair.step(0), pair.step(1)
        pair.tick(0.0005)
        check(*pair.muxes)
    pair.pump()
    assert all(pair.far(bulk).got == pattern(400_000, i) for i, bulk in enumerate(bulks))
    assert pair.acceptor.growth.used == 0


def test_the_victim_is_who_stalled_longest() -> None:
    buffered, (a, b, c) = Buffered(limit=100), [stream() for _ in range(3)]
    for one in (a, b):
        one.backlog.append(memoryview(bytes(40)))
        assert buffered.add(one, 40) is None
    buffered.remove(a, 10)
    c.backlog.append(memoryview(bytes(40)))
    assert buffered.add(c, 40) is b
    b.backlog.clear()
    buffered.remove(b, 40)
    assert buffered.used == 70 and buffered.add(c, 40) is a
    buffered.remove(a, 0)
    assert buffered.add(c, 0) is a
