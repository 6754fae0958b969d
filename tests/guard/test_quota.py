"""Turns, queues and rates of one key."""

import pytest

from hushgate.config.model import Quota
from hushgate.guard.quota import Turnstile, whose


def test_without_limits_everybody_goes_on() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(), 0.0)
    assert [turnstile.charge(0.0) for _ in range(1000)] == [0.0] * 1000
    assert [turnstile.enter("x") for _ in range(1000)] == ["go"] * 1000
    assert all(turnstile.open_stream() for _ in range(1000))


def test_some_at_a_time_some_wait_the_rest_is_told() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(concurrent=2, queue=2), 0.0)
    assert [turnstile.enter(name) for name in "abcde"] == ["go", "go", "wait", "wait", "full"]
    assert [turnstile.leave() for _ in range(2)] == [["c"], ["d"]]
    assert turnstile.calls == 2
    assert [turnstile.leave() for _ in range(2)] == [[], []]
    assert turnstile.calls == 0


def test_who_gives_up_waiting_frees_its_place() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(concurrent=1, queue=1), 0.0)
    assert [turnstile.enter(name) for name in "ab"] == ["go", "wait"]
    turnstile.abandon("b")
    turnstile.abandon("b")
    assert turnstile.enter("c") == "wait" and turnstile.leave() == ["c"]


def test_a_minute_holds_so_many() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(per_minute=3), 100.0)
    assert [turnstile.charge(100.0) for _ in range(3)] == [0.0] * 3
    assert turnstile.charge(100.0) == pytest.approx(20.0)
    assert turnstile.charge(110.0) == pytest.approx(10.0)
    assert turnstile.charge(120.1) == 0.0
    assert turnstile.charge(120.1) > 0
    assert [turnstile.charge(10_000.0) for _ in range(4)][:3] == [0.0] * 3


def test_streams_are_counted_apart() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(concurrent=1, streams=2), 0.0)
    assert [turnstile.open_stream() for _ in range(3)] == [True, True, False]
    assert turnstile.enter("a") == "go"
    turnstile.close_stream()
    assert turnstile.open_stream() and turnstile.streams == 2


def test_a_quota_that_changes_holds_for_those_who_wait() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(concurrent=1, queue=9), 0.0)
    assert [turnstile.enter(name) for name in "abcde"] == ["go", "wait", "wait", "wait", "wait"]
    turnstile.quota = Quota(concurrent=3, queue=9)
    assert turnstile.enter("f") == "wait", "nobody overtakes"
    assert turnstile.leave() == ["b", "c", "d"]
    turnstile.quota = Quota(concurrent=1, queue=9)
    assert [turnstile.leave() for _ in range(3)] == [[], [], ["e"]]


def test_idle_is_who_stands_as_at_the_beginning() -> None:
    turnstile: Turnstile[str] = Turnstile(Quota(per_minute=60, concurrent=1, queue=1), 0.0)
    assert turnstile.idle(0.0)
    turnstile.charge(0.0)
    assert (turnstile.idle(0.9), turnstile.idle(1.0)) == (False, True)
    assert [turnstile.enter(name) for name in "ab"] == ["go", "wait"]
    turnstile.leave()
    assert not turnstile.idle(9.0)
    turnstile.leave()
    assert turnstile.idle(9.0) and turnstile.open_stream() and not turnstile.idle(9.0)


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_whose_an_address_is(address: str, who: str) -> None:
    assert whose(address) == who
