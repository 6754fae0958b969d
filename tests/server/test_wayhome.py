"""Requests that wait for home (H7): parked, delivered once, and never again after a byte has left."""

import asyncio
import json
import time

import pytest

from hushgate.config.model import Http, Limits, Timing
from hushgate.edge.sides import Failure
from hushgate.link.lobby import Lobby
from hushgate.protocol.frames import Buffer, Code, Open
from hushgate.protocol.stream import Stream
from hushgate.server.wayhome import Destination, WayHome
from tests.aio import run
from tests.link.joined import Side
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.tunnel import until

POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"


class Home:
    """A route that the test plays: its streams are never taken from, or by hand (`take`)."""

    def __init__(self) -> None:
        self.up = True
        self.name = b"a:1"
        self.side = Side(dialler=False)
        self.streams: list[Stream] = []

    def open(self, what: Open) -> Stream:
        self.streams.append(self.side.mux.open(what, time.monotonic()))
        return self.streams[-1]

    def take(self) -> Buffer | None:
        return self.streams[-1].endpoint.take(65_536)


class Traveller:
    def __init__(self, home: Home, park: float = 9.0) -> None:
        self.home = home
        self.lobby = Lobby(lambda: home, lambda _now: 0.0, Timing(visitor_wait=park), Limits())
        self.destination = Destination("s", lambda: home, lambda: home.name, self.lobby)
        self.way = WayHome(self.destination, 5000)
        self.way.user = self
        self.opened: list[tuple[bytes, bool]] = []
        self.failures: list[Failure | None] = []
        self.got = b""

    def home_open(self, host: bytes, *, reused: bool) -> None:
        self.opened.append((host, reused))
        self.way.write([[b"request"]])

    def from_home(self, view: memoryview) -> int:
        self.got += view
        return len(view)

    def home_writable(self) -> None:
        return

    def home_ended(self, failure: Failure | None) -> None:
        self.failures.append(failure)

    def finish(self) -> None:
        self.way.drop()
        self.home.side.mux.end(Code.DONE, "")


def test_a_stream_that_ends_untouched_is_followed_by_another() -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.way.begin("192.0.2.7")
        assert one.home.streams[0].what.visitor == "192.0.2.7 5000"
        one.home.side.mux.lose(one.home.streams[0], Code.REPLACED, "")
        assert (len(one.home.streams), one.failures, one.home.take()) == (2, [], b"request")
        one.home.side.mux.lose(one.home.streams[1], Code.REPLACED, "")
        assert (len(one.home.streams), one.failures) == (2, [Failure.BROKEN])
        assert one.opened == [(b"a:1", False)]
        one.finish()
        await asyncio.sleep(0)

    run(main())


def test_what_was_not_sent_waits_in_the_lobby_again() -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.way.begin("192.0.2.7")
        one.home.up = False
        one.home.side.mux.lose(one.home.streams[0], Code.AWAY, "")
        assert (one.lobby.waiting, one.way.full) == (1, True)
        one.way.write([[b" and more"]])
        one.home.up = True
        one.lobby.open()
        assert one.home.take() == b"request and more"
        assert one.way.parked > 0
        one.finish()
        await asyncio.sleep(0)

    run(main())


def test_another_home_with_another_host_does_not_get_what_was_written_for_the_first() -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.way.begin("192.0.2.7")
        one.home.name = b"b:2"
        one.home.side.mux.lose(one.home.streams[0], Code.REPLACED, "")
        await asyncio.sleep(0)
        assert one.failures == [Failure.AWAY]
        one.finish()
        await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (Code.REFUSED, Failure.REFUSED),
        (Code.UNREACHABLE, Failure.REFUSED),
        (Code.UNKNOWN, Failure.REFUSED),
        (Code.LIMIT, Failure.FULL),
    ],
)
def test_home_says_no(code: Code, failure: Failure) -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.way.begin("192.0.2.7")
        one.home.side.mux.lose(one.home.streams[0], code, "")
        assert (len(one.home.streams), one.failures) == (1, [failure])
        one.finish()
        await asyncio.sleep(0)

    run(main())


def test_streams_that_end_at_once_are_not_opened_for_ever() -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.way.begin("192.0.2.7")
        for number in range(4):
            assert len(one.home.streams) == number + 1
            one.home.side.mux.lose(one.home.streams[-1], Code.REPLACED, "")
        assert (len(one.home.streams), one.failures) == (4, [Failure.AWAY])
        one.finish()
        await asyncio.sleep(0)

    run(main())


def test_who_has_left_is_not_served() -> None:
    async def main() -> None:
        one = Traveller(Home())
        one.home.up = False
        one.way.begin("192.0.2.7")
        one.way.drop()
        assert one.lobby.waiting == 0
        one.home.up = True
        one.lobby.open()
        assert (one.home.streams, one.opened) == ([], [])
        one.finish()

    run(main())


def test_no_parking_at_all() -> None:
    async def main() -> None:
        one = Traveller(Home(), park=0.0)
        one.home.up = False
        one.way.begin("192.0.2.7")
        assert one.failures == []
        await until(lambda: one.failures == [Failure.AWAY], "the refusal")
        one.finish()

    run(main())


def test_requests_wait_for_a_home_that_was_killed_and_are_delivered_once() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), Http())) as made:
            visitor = await Visitor.come(made.port())
            assert b" 200 " in await visitor.ask(POST)
            await made.client.stop()
            await until(lambda: made.route() is None, "home's end")
            visitor.writer.write(POST.replace(b"/a", b"/b"))
            await until(lambda: made.waiting == 1, "the request")
            made.client = type(made.client)(made.home({"echo": made.service.port}))
            await made.up()
            assert (await visitor.answer()).endswith(b"ok")
            assert [head.split()[1] for head in handler.heads] == [b"/a", b"/b"]
            assert handler.heads[1].endswith(b"\r\n\r\nhello")
            await visitor.leave()

    run(main())


def test_a_request_before_the_first_login_waits() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), Http()), up=False) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(POST)
            await until(lambda: made.waiting == 1, "the request")
            await made.up()
            assert (await visitor.answer()).endswith(b"ok")
            assert f"Host: 127.0.0.1:{made.service.port}".encode() in handler.heads[0]
            await visitor.leave()
            await gone(made)

    run(main())


def test_an_outage_that_is_too_long_is_a_503_that_names_the_service() -> None:
    async def main() -> None:
        async with web(Web(Handler(), Http(park=0.1)), up=False) as made:
            visitor = await Visitor.come(made.port())
            answer = await visitor.ask(POST)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nRetry-After: " in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"].startswith("echo: home is not connected")
            await visitor.leave()

    run(main())


def test_a_parked_visitor_that_leaves_gives_its_place_back() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), Http()), up=False) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: made.waiting == 1, "the request")
            await visitor.leave()
            await until(lambda: made.waiting == 0, "the place")
            await made.up()
            assert handler.heads == []

    run(main())


def test_a_full_lobby_is_told_at_once() -> None:
    async def main() -> None:
        made = Web(Handler(), Http())
        async with web(made, up=False):
            crowd = [await Visitor.come(made.port()) for _ in range(9)]
            for visitor in crowd[:8]:
                visitor.writer.write(POST)
            await until(lambda: made.waiting == 8, "the crowd")
            assert b"home is not connected" in await crowd[8].ask(POST)
            await made.up()
            for visitor in crowd[:8]:
                assert (await visitor.answer()).endswith(b"ok")
            for visitor in crowd:
                await visitor.leave()

    run(main())
