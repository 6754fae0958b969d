"""The pace on simulated paths: it fills them, and not the queue before them."""

import pytest

from hushgate.protocol.limits import CAP_MIN, CAP_START, PAYLOAD_MAX, QUANTUM_MIN, QUANTUM_START, REPLAY_LIMIT
from hushgate.protocol.pace import Pace
from tests.protocol.path import Path

MBIT = 1e6


def test_before_the_first_acknowledgement() -> None:
    pace = Pace(0.0, REPLAY_LIMIT)
    assert (pace.cap, pace.quantum, pace.rate, pace.starting, pace.probing) == (
        CAP_START,
        QUANTUM_START,
        0,
        True,
        False,
    )
    assert Pace(0.0, 1000).cap == 1000


@pytest.mark.parametrize(
    ("rate", "rtt", "wait"),
    [(10, 0.02, 0.05), (20, 0.03, 0.05), (100, 0.05, 0.055), (300, 0.02, 0.04), (1000, 0.001, 0.03), (1000, 0.1, 0.06)],
)
def test_a_path_is_filled_and_its_queue_stays_short(rate: float, rtt: float, wait: float) -> None:
    path = Path(rate * MBIT, rtt)
    assert path.run(2).rate >= 0.5 * rate * MBIT
    path.run(2)
    seen = path.run(25)
    assert seen.rate >= 0.95 * rate * MBIT
    # The flight that a look at the minimum took away comes back little by little.
    assert seen.median_wait < wait and seen.longest_wait < max(wait / 2, 0.015 + rtt / 2)
    assert not path.pace.starting


def test_the_start_is_quick_on_a_long_fat_path() -> None:
    path = Path(1000 * MBIT, 0.1)
    path.run(1.5)
    assert path.run(1).rate >= 0.8 * 1000 * MBIT


def bulk_after_keystrokes(rate: float, rtt: float) -> Path:
    """A path that has carried little, at the moment from which on it has more to carry than it can."""
    path = Path(rate * MBIT, rtt, lambda now: 0.08 * MBIT if now < 101 else 4000 * MBIT)
    path.run(1)
    assert path.pace.starting
    return path


@pytest.mark.parametrize(("rate", "rtt", "wait"), [(10, 0.02, 0.04), (10, 0.04, 0.055), (20, 0.03, 0.065)])
def test_the_start_of_a_bulk_transfer_makes_no_long_queue(rate: float, rtt: float, wait: float) -> None:
    path = bulk_after_keystrokes(rate, rtt)
    seen = path.run(0.3)
    assert seen.longest_wait < wait and seen.rate >= 0.8 * rate * MBIT
    seen = path.run(0.7)
    assert seen.longest_wait < 0.02 and seen.rate >= 0.95 * rate * MBIT


@pytest.mark.parametrize(("rate", "rtt", "seconds"), [(100, 0.1, 0.5), (100, 0.05, 0.25), (1000, 0.02, 0.25)])
def test_the_start_of_a_bulk_transfer_is_quick(rate: float, rtt: float, seconds: float) -> None:
    path = bulk_after_keystrokes(rate, rtt)
    path.run(seconds)
    assert path.run(0.5).rate >= 0.9 * rate * MBIT


@pytest.mark.parametrize("rtt", [0.02, 0.2])
def test_a_slow_path(rtt: float) -> None:
    path = Path(MBIT, rtt)
    assert path.run(3).longest_wait < 1.2
    path.run(4)
    seen = path.run(20)
    assert seen.rate >= 0.9 * MBIT and seen.median_wait < 0.2
    assert path.pace.quantum == QUANTUM_MIN


def test_the_rate_of_the_path_falls_and_rises() -> None:
    path = Path(20 * MBIT, 0.03)
    path.run(5)
    path.rate = 5 * MBIT
    path.run(5)
    seen = path.run(5)
    assert seen.rate >= 0.9 * path.rate and seen.median_wait < 0.1
    path.rate = 50 * MBIT
    path.run(2)
    seen = path.run(5)
    assert seen.rate >= 0.9 * path.rate and seen.median_wait < 0.06


def test_a_path_that_becomes_longer_keeps_its_throughput() -> None:
    path = Path(20 * MBIT, 0.02)
    path.run(5)
    path.rtt = 0.12
    assert path.run(3).rate >= 0.4 * path.rate
    seen = path.run(10)
    assert seen.rate >= 0.9 * path.rate and seen.median_wait < 0.1
    path.rtt = 0.02
    path.run(2)
    assert path.run(5).median_wait < 0.06


def test_little_to_send_neither_lowers_the_cap_nor_ends_the_start() -> None:
    path = Path(50 * MBIT, 0.04, lambda now: 1000 * MBIT if now < 110 or now > 140 else MBIT)
    path.run(10)
    cap = path.pace.cap
    path.run(30)
    assert path.pace.cap >= 0.8 * cap
    assert path.run(1).rate >= 0.85 * 50 * MBIT
    keystrokes = Path(50 * MBIT, 0.04, lambda now: 0.1 * MBIT if now < 130 else 1000 * MBIT)
    keystrokes.run(30)
    assert keystrokes.pace.starting and keystrokes.pace.cap >= CAP_START
    keystrokes.run(1)
    assert keystrokes.run(1).rate >= 0.85 * 50 * MBIT


def test_bounds() -> None:
    pace = Pace(0.0, 100_000)
    now = 0.0
    for _ in range(50):
        snapshot = pace.snapshot(now, flight=0, limited=True)
        now += 1e-6
        pace.acked(10**9, snapshot, 0.5, now)
        assert CAP_MIN <= pace.cap <= 100_000 and QUANTUM_MIN <= pace.quantum <= PAYLOAD_MAX
    for _ in range(50):
        snapshot = pace.snapshot(now, flight=0, limited=True)
        now += 5
        pace.acked(1, snapshot, 0, now)
        assert CAP_MIN <= pace.cap <= 100_000 and QUANTUM_MIN <= pace.quantum <= PAYLOAD_MAX
    assert pace.quantum == QUANTUM_MIN
