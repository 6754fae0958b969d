"""Turnstiles that outlive a configuration, and turns that come after the call that gave them."""

from collections.abc import Callable

from hushgate.config.model import Quota
from hushgate.server.turns import Turn, Turns, by_address


class Desk:
    def __init__(self) -> None:
        self.time = 10.0
        self.soon: list[Callable[[], None]] = []
        self.turns = Turns(lambda: self.time, self.soon.append)
        self.gone_on: list[str] = []

    def turn(self, name: str, quota: Quota) -> Turn:
        turnstile = self.turns.of("key", quota)
        assert turnstile is not None
        turn = Turn(self.turns, turnstile)
        turn.go_on = lambda: self.gone_on.append(f"{name} after {turn.queued:g} s")
        return turn


ONE = Quota(concurrent=1, queue=5)


def test_who_has_no_limits_has_no_turnstile() -> None:
    turns = Desk().turns
    assert turns.of("a", Quota()) is None and turns.of("a", Quota(body=5)) is None
    assert turns.of("a", ONE) is turns.of("a", ONE) is not turns.of("b", ONE)


def test_a_turn_comes_later_and_once() -> None:
    desk = Desk()
    first, second = desk.turn("first", ONE), desk.turn("second", ONE)
    assert (first.call(), second.call()) == ("go", "wait")
    desk.time += 3
    first.release()
    first.release()
    assert not desk.gone_on and len(desk.soon) == 1
    desk.soon[0]()
    assert desk.gone_on == ["second after 3 s"]


def test_a_turn_that_nobody_takes_is_the_next_ones() -> None:
    desk = Desk()
    first, second, third = (desk.turn(name, ONE) for name in ("first", "second", "third"))
    assert [turn.call() for turn in (first, second, third)] == ["go", "wait", "wait"]
    first.release()
    second.release()
    for call in desk.soon:
        call()
    assert desk.gone_on == ["third after 0 s"]


def test_who_was_turned_away_gives_nothing_back() -> None:
    desk = Desk()
    quota = Quota(concurrent=1, streams=0)
    turns = [desk.turn("x", quota) for _ in range(3)]
    assert turns[0].call() == "go" and turns[1].call() == "full" and not turns[2].open_stream()
    turns[1].release()
    turns[2].release()
    assert desk.turn("x", quota).call() == "full"


def test_labels_that_are_gone_are_forgotten_and_limits_follow() -> None:
    desk = Desk()
    desk.turn("first", ONE).call()
    desk.turns.keep({"key"})
    assert desk.turn("second", Quota(concurrent=2)).call() == "go"
    unlimited = desk.turns.of("key", Quota())
    assert unlimited is not None and unlimited.calls == 2, "those who are under way are still counted"
    desk.turns.keep(())
    assert desk.turns.of("key", Quota()) is None


def test_addresses_are_forgotten_when_they_stop_nobody() -> None:
    desk = Desk()
    quota = Quota(per_minute=60)
    for number in range(5000):
        turnstile = desk.turns.of(by_address(f"192.0.{number // 250}.{number % 250}"), quota)
        assert turnstile is not None and turnstile.charge(desk.time) == 0
        desk.time += 0.001
    assert len(desk.turns._turnstiles) < 2200, "a second of a thousand, and what is swept next"
    last = desk.turns.of(by_address("192.0.19.249"), quota)
    desk.turns.keep(["key"])
    assert desk.turns.of(by_address("192.0.19.249"), quota) is last, "a reload does not forget them"
