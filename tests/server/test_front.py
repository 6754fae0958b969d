"""HTTP visitors of a whole tunnel: their requests, their clocks, and what becomes of them when somebody leaves."""

import asyncio
import contextlib
import time
from asyncio import StreamReader, StreamWriter
from dataclasses import replace
from typing import cast

import pytest

from hushgate.config.model import Http
from tests.aio import run
from tests.patience import in_time
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.tunnel import until

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Slow(Handler):
    """Answers with a head and one chunk, and goes on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()

    async def reply(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        while not self.go_on.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    if await reader.read(1) == b"":
                        self.left.set()
                        return
        writer.write(b"0\r\n\r\n")


def test_requests_reach_home_and_share_one_connection() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), Http())) as made:
            visitor = await Visitor.come(made.port())
            for _ in range(3):
                assert (await visitor.ask(GET)).endswith(b"\r\n\r\nok")
            assert made.service.visits == 1
            assert handler.heads[0].startswith(f"GET /a HTTP/1.1\r\nHost: 127.0.0.1:{made.service.port}\r\n".encode())
            assert len(made.front.visitors) == 1
            await visitor.leave()
            await gone(made)
            assert len(made.front.visitors) == 0

    run(main())


def test_the_visitors_end_reaches_home_within_a_second() -> None:
    async def main() -> float:
        handler = Slow()
        async with web(Web(handler, Http())) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(GET)
            await visitor.reader.readuntil(b"one\r\n")
            left = time.monotonic()
            visitor.writer.transport.abort()
            await asyncio.wait_for(handler.left.wait(), 10)
            took = time.monotonic() - left
            await gone(made)
            return took

    in_time(lambda: run(main()), 1.0)


def test_homes_end_in_the_middle_of_a_body_is_a_reset() -> None:
    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, Http())) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(GET)
            await visitor.reader.readuntil(b"one\r\n")
            for writer in made.service.writers:
                writer.transport.abort()
            assert await asyncio.wait_for(visitor.ending(), 10) == "reset"
            await visitor.leave()
            await gone(made)

    run(main())


def test_home_that_dies_in_the_middle_of_a_body_is_a_reset() -> None:
    async def main() -> None:
        async with web(Web(Slow(), Http())) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(GET)
            await visitor.reader.readuntil(b"one\r\n")
            await made.client.stop()
            assert await visitor.ending() == "reset"
            await visitor.leave()

    run(main())


def test_a_service_that_is_down_is_told_as_such() -> None:
    async def main() -> None:
        async with web(Web(Handler(), Http())) as made:
            await made.service.stop()
            visitor = await Visitor.come(made.port())
            assert (await visitor.ask(GET)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            await visitor.leave()

    run(main())


def test_a_link_that_is_cut_in_the_middle_of_a_stream_is_not_noticed() -> None:
    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, Http())) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(GET)
            await visitor.reader.readuntil(b"one\r\n")
            made.cutter.cut()
            handler.go_on.set()
            assert await asyncio.wait_for(visitor.reader.readuntil(b"0\r\n\r\n"), 20) == b"0\r\n\r\n"
            await visitor.leave()

    run(main())


@pytest.mark.parametrize("head", [b"", b"GET / HT"])
def test_slow_heads(head: bytes) -> None:
    async def main() -> None:
        async with web(Web(Handler(), Http(head=0.2, keepalive=0.2))) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(head)
            answer = await asyncio.wait_for(visitor.reader.read(), 10)
            assert answer.startswith(b"HTTP/1.1 408 ") if head else answer == b""
            await visitor.leave()

    run(main())


def test_a_slow_body() -> None:
    async def main() -> None:
        async with web(Web(Handler(), Http(body=0.2))) as made:
            visitor = await Visitor.come(made.port())
            post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"
            assert (await visitor.ask(post)).startswith(b"HTTP/1.1 408 ")
            await visitor.leave()
            await gone(made)

    run(main())


def test_a_changed_file_holds_for_the_next_request() -> None:
    async def main() -> None:
        async with web(Web(Handler(), Http())) as made:
            visitor = await Visitor.come(made.port())
            assert b" 200 " in await visitor.ask(GET)
            config = made.server.config
            offered = config.services["echo"]
            named = replace(offered, http=Http(("only.example.org",)))
            made.server.reload(replace(config, services={"echo": named}))
            assert b" 200 " in await visitor.ask(GET)
            assert b" 421 " in await visitor.ask(GET.replace(b"localhost", b"elsewhere.org"))
            made.server.reload(replace(config, services={"echo": replace(offered, http=None)}))
            assert await visitor.ending() == "closed"
            await visitor.leave()

    run(main())


def test_draining_ends_idle_connections_and_lets_the_others_finish() -> None:
    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, Http())) as made:
            busy, idle = await Visitor.come(made.port()), await Visitor.come(made.port())
            busy.writer.write(GET)
            await busy.reader.readuntil(b"one\r\n")
            await until(lambda: len(made.front.visitors) == 2, "both visitors")
            made.server.drain()
            assert await idle.ending() == "closed"
            assert not made.server.quiet.is_set()
            handler.go_on.set()
            assert await asyncio.wait_for(busy.reader.read(), 10) == b"0\r\n\r\n"
            await asyncio.wait_for(made.server.quiet.wait(), 10)
            for visitor in (busy, idle):
                await visitor.leave()

    run(main())


def test_a_visitor_that_does_not_read_holds_back_home_alone() -> None:
    async def main() -> None:
        handler = Handler()
        size = 30_000_000
        handler.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
        async with web(Web(handler, Http())) as made:
            lazy, other = await Visitor.come(made.port()), await Visitor.come(made.port())
            lazy.writer.write(GET)
            await lazy.reader.readuntil(b"\r\n\r\n")
            transport = cast(asyncio.Transport, lazy.writer.transport)
            transport.pause_reading()
            [session] = made.server.sessions.table.sessions
            await until(lambda: any(stream.backlog for stream in session.mux.streams.values()), "back-pressure")
            handler.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            assert (await other.ask(GET)).endswith(b"ok")
            transport.resume_reading()
            assert len(await asyncio.wait_for(lazy.reader.readexactly(size), 20)) == size
            for visitor in (lazy, other):
                await visitor.leave()

    run(main(), timeout=50)
