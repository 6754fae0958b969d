"""A visitor's way through the lobby, told by a visitor without a socket; tests/link/test_port.py has those with one."""

import asyncio
import math
import time
from dataclasses import replace
from typing import cast

import pytest

from hushgate.config.model import Limits
from hushgate.link.lobby import Lobby
from hushgate.link.routes import Route
from tests.aio import run
from tests.tunnel import QUICK, until


class Way:
    """A route, or none, which has been away for `seconds`."""

    def __init__(self, *, up: bool = False) -> None:
        self.up = up
        self.known = True
        self.seconds = 0.0

    def find(self) -> Route | None:
        return cast(Route, self) if self.known else None

    def away(self, now: float) -> float:
        return self.seconds


class Guest:
    """Remembers what it was told."""

    def __init__(self, *, left: bool = False) -> None:
        self.left = left
        self.told: list[str] = []

    def serve(self, route: Route) -> None:
        self.told.append("served")

    def refuse(self) -> None:
        self.told.append("refused")

    def dismiss(self) -> None:
        self.told.append("dismissed")


def lobby(way: Way, wait: float = 20.0, places: int = 64, per_address: int = 64) -> Lobby:
    limits = Limits(visitors_waiting=places, visitors_waiting_address=per_address)
    return Lobby(way.find, way.away, replace(QUICK, visitor_wait=wait), limits)


@pytest.mark.parametrize(
    ("up", "known", "seconds", "told"),
    [
        (True, True, 0.0, ["served"]),
        (False, True, QUICK.grace, []),
        (False, False, QUICK.grace, []),
        (False, True, math.nextafter(QUICK.grace, math.inf), ["refused"]),
    ],
)
def test_who_comes_is_served_waits_or_is_refused(up: bool, known: bool, seconds: float, told: list[str]) -> None:
    async def main() -> None:
        way, guest = Way(up=up), Guest()
        way.known, way.seconds = known, seconds
        made = lobby(way)
        made.enter(guest, "192.0.2.1")
        assert (guest.told, made.waiting) == (told, 0 if told else 1)
        made.close()
        assert guest.told == (told or ["dismissed"])

    run(main())


def test_places_count_in_all_and_for_each_address_and_those_who_left_make_room() -> None:
    async def main() -> None:
        made = lobby(Way(), places=3, per_address=2)
        guests = [Guest(left=number == 0) for number in range(5)]
        for guest, address in zip(guests, "aabab", strict=True):
            made.enter(guest, address)
        # The third of `a` makes the first one's leaving known, and the last finds all places taken.
        assert [guest.told for guest in guests] == [["dismissed"], [], [], [], ["refused"]]
        made.close()

    run(main())


def test_when_the_route_is_back_or_gone_for_good_those_who_wait_hear_of_it() -> None:
    async def main() -> None:
        way, first, second = Way(), Guest(), Guest()
        made = lobby(way)
        made.enter(first, "a")
        way.up = True
        made.open()
        way.up = way.known = False
        made.enter(second, "a")
        made.open()
        assert (first.told, second.told, made.waiting) == (["served"], ["refused"], 0)

    run(main())


def test_nobody_waits_longer_than_the_visitors_time() -> None:
    async def main() -> None:
        made = lobby(Way(), wait=0.05)
        stays: list[float] = []

        class Timed(Guest):
            def __init__(self) -> None:
                super().__init__()
                self.came = time.monotonic()

            def dismiss(self) -> None:
                super().dismiss()
                stays.append(time.monotonic() - self.came)

        first, second = Timed(), Timed()
        made.enter(first, "a")
        await asyncio.sleep(0.03)
        second.came = time.monotonic()
        made.enter(second, "a")
        await until(lambda: second.told, "the second to go")
        assert (first.told, second.told) == (["dismissed"], ["dismissed"])
        assert min(stays) > 0.049, "each has its own time"

    run(main())
