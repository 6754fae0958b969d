"""A port, with its lobby, while the route is up, away, back, and gone for good."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hushgate.config.model import Address, Limits
from hushgate.errors import LocalProtocolError
from hushgate.link.lobby import Lobby
from hushgate.link.port import Port
from hushgate.link.routes import Route
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.stream import Stream
from tests.aio import run
from tests.link.joined import Side
from tests.tunnel import QUICK, ending, leave, until

Visitor = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Away:
    """The way home, which may be down (`up`) or not known at all (`known`); `seconds`: since when."""

    def __init__(self) -> None:
        self.up = False
        self.known = True
        self.full = False
        self.seconds = 0.0
        self.visitors: list[str] = []
        self.side = Side(dialler=False)

    def host(self, service: str) -> bytes:
        return b""

    def open(self, what: Open) -> Stream:
        if self.full:
            raise LocalProtocolError("no more streams fit")
        self.visitors.append(what.visitor)
        return self.side.mux.open(what, time.monotonic())

    def find(self) -> Route | None:
        return self if self.known else None

    def away(self, now: float) -> float:
        return self.seconds


class Scene:
    def __init__(self, wait: float, limits: Limits) -> None:
        self.home = Away()
        timing = replace(QUICK, visitor_wait=wait)
        self.lobby = Lobby(self.home.find, self.home.away, timing, limits)
        self.port = Port("echo", Address("127.0.0.1", 0), self.lobby, self.home.side.readiness)
        self.visitors: list[Visitor] = []

    async def visit(self) -> Visitor:
        """A visitor who has arrived."""
        before = self.lobby.waiting + self.port.total
        visitor = await asyncio.open_connection(*self.port.address)
        self.visitors.append(visitor)
        await until(lambda: self.lobby.waiting + self.port.total > before, "the visitor")
        return visitor

    async def refused(self) -> bool:
        """Whether a visitor is turned away with a reset, wherever it is that they notice."""
        try:
            visitor = await asyncio.open_connection(*self.port.address)
        except ConnectionResetError:
            return True
        self.visitors.append(visitor)
        return await ending(visitor[0]) == "reset"


@contextlib.asynccontextmanager
async def scene(wait: float = 20.0, limits: Limits | None = None) -> AsyncIterator[Scene]:
    made = Scene(wait, limits or Limits())
    try:
        yield made
    finally:
        made.port.close()
        made.lobby.close()
        made.home.side.mux.end(Code.DONE, "")
        for _, writer in made.visitors:
            await leave(writer)
        await until(lambda: not made.port.visitors, "everybody to leave")


def address(visitor: Visitor) -> str:
    host, port = visitor[1].get_extra_info("sockname")
    return f"{host} {port}"


def test_while_home_is_up_visitors_are_served_at_once() -> None:
    async def main() -> None:
        async with scene() as made:
            made.home.up = True
            visitor = await made.visit()
            assert made.home.visitors == [address(visitor)]
            assert (made.port.visitors, made.port.total, made.lobby.waiting) == (1, 1, 0)
        assert (made.port.visitors, made.port.total) == (0, 1)

    run(main())


def test_those_who_wait_go_on_in_the_order_they_came() -> None:
    async def main() -> None:
        async with scene() as made:
            visitors = [await made.visit() for _ in range(5)]
            assert (made.lobby.waiting, made.home.visitors) == (5, [])
            made.home.up = True
            made.lobby.open()
            assert made.home.visitors == [address(visitor) for visitor in visitors]
            assert (made.lobby.waiting, made.port.visitors) == (0, 5)

    run(main())


def test_who_has_waited_long_enough_is_let_go_and_the_others_wait_on() -> None:
    async def main() -> None:
        async with scene(wait=0.2) as made:
            first = await made.visit()
            await asyncio.sleep(0.1)
            came = time.monotonic()
            second = await made.visit()
            second[1].write(b"a first word")
            assert await ending(first[0]) == "closed"
            assert await ending(second[0]) == "closed", "unread bytes must not make a reset of it"
            assert time.monotonic() - came > 0.19, "not with the first"
            assert (made.lobby.waiting, made.home.visitors) == (0, [])

    run(main())


def test_when_nobody_can_say_that_home_comes_back_nobody_waits() -> None:
    async def main() -> None:
        async with scene() as made:
            made.home.known, made.home.seconds = False, math.nextafter(QUICK.grace, math.inf)
            assert await made.refused()
            made.home.seconds = QUICK.grace
            await made.visit()
            assert made.lobby.waiting == 1

    run(main())


def test_a_full_room_refuses_until_somebody_left_by_themselves() -> None:
    async def main() -> None:
        async with scene(limits=Limits(visitors_waiting=2)) as made:
            first, second = await made.visit(), await made.visit()
            assert await made.refused()
            await leave(first[1])
            third = await asyncio.open_connection(*made.port.address)
            made.visitors.append(third)
            assert await made.refused()
            made.home.up = True
            made.lobby.open()
            assert made.home.visitors == [address(second), address(third)]

    run(main())


def test_a_way_home_that_takes_no_more_or_is_lost_in_between_is_a_refusal() -> None:
    async def main() -> None:
        async with scene() as made:
            waiting = await made.visit()
            made.home.known = False
            made.lobby.open()
            assert await ending(waiting[0]) == "reset"
            made.home.known = made.home.up = made.home.full = True
            assert await made.refused()
            assert (made.port.visitors, made.port.total) == (0, 0)

    run(main())


def test_a_closed_port_and_lobby_leave_those_who_are_served_alone() -> None:
    async def main() -> None:
        async with scene() as made:
            made.home.up = True
            served = await made.visit()
            made.home.up = False
            waiting = await made.visit()
            made.port.close()
            assert made.lobby.waiting == 1
            made.lobby.close()
            assert await ending(waiting[0]) == "closed"
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*made.port.address)
            assert (made.port.visitors, served[0].at_eof()) == (1, False)

    run(main())


def test_a_change_holds_for_those_who_come_after_it() -> None:
    async def main() -> None:
        async with scene() as made:
            await made.visit()
            made.lobby.change(replace(QUICK, grace=0.0))
            made.home.seconds = 1.0
            assert await made.refused()
            assert made.lobby.waiting == 1

    run(main())
