"""Visitors who come while home is away, visitors who never read, and services at home that misbehave."""

import asyncio
import contextlib
import socket
import time
from asyncio import StreamReader, StreamWriter
from dataclasses import replace

import pytest

from hushgate.config.model import Limits
from hushgate.link.endpoint import reset_on_close
from hushgate.protocol.limits import WINDOW_MAX
from tests.aio import run
from tests.deaf import deaf
from tests.tunnel import QUICK, Handler, exchange, knock, leave, say, tunnel, until

MIB = 1024 * 1024
_ROUNDS = 40
"""What a busy machine adds to a time is not the product's: the shortest of so many has none of it."""


def test_visitors_wait_for_home_up_to_the_limits_and_are_served_when_it_returns() -> None:
    async def main() -> None:
        limits = Limits(visitors_waiting=6, visitors_waiting_address=6)
        async with tunnel(limits=limits) as made:
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: not made.route(), "the link to be gone")
            visitors = [await made.visit() for _ in range(6)]
            await until(lambda: made.server.lobbies["echo"].waiting == 6, "visitors in the waiting room")
            assert await knock(made) == "reset", "one too many"
            made.cutter.refusing = False
            await asyncio.gather(*(say(visitor, b"patience") for visitor in visitors))
            for _, writer in visitors:
                await leave(writer)
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


def test_one_address_takes_eight_places_at_most() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            visitors = [await made.visit() for _ in range(8)]
            await until(lambda: made.server.lobbies["echo"].waiting == 8, "visitors in the waiting room")
            assert await knock(made) == "reset"
            for _, writer in visitors:
                await leave(writer)

    run(main())


def test_a_visitor_whose_patience_is_over_is_closed_in_order() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, visitor_wait=0.2), up=False) as made:
            start = time.monotonic()
            assert await knock(made) == "closed"
            assert 0.2 <= time.monotonic() - start < 2
            assert made.server.lobbies["echo"].waiting == 0

    run(main())


def test_visitors_who_gave_up_leave_their_places_to_others() -> None:
    async def main() -> None:
        limits = Limits(visitors_waiting=2, visitors_waiting_address=2)
        async with tunnel(limits=limits, up=False) as made:
            for _ in range(10):
                _, writer = await made.visit()
                await until(lambda: made.server.lobbies["echo"].waiting >= 1, "the visitor")
                reset_on_close(writer.get_extra_info("socket"))
                await leave(writer)
            visitor = await made.visit()
            await made.client.start()
            await say(visitor, b"still served")
            await leave(visitor[1])
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


def test_one_visitor_who_never_reads_neither_stops_nor_slows_anybody_else() -> None:
    async def main() -> None:
        answer = bytes(200_000)

        async def pour(reader: StreamReader, writer: StreamWriter) -> None:
            if await reader.readexactly(4) == b"pour":
                with contextlib.suppress(OSError):
                    while True:
                        writer.write(bytes(65_536))
                        await writer.drain()
            else:
                writer.write(answer)
                await writer.drain()
            await leave(writer)

        async with tunnel(handler=pour) as made:

            async def served() -> None:
                reader, writer = await made.visit()
                writer.write(b"text")
                assert len(await asyncio.wait_for(reader.readexactly(len(answer)), 20)) == len(answer)
                await leave(writer)

            async def fifty() -> float:
                start = time.monotonic()
                await asyncio.gather(*(served() for _ in range(50)))
                return time.monotonic() - start

            (session,) = made.server.sessions.table.sessions

            async def fifty_beside() -> float:
                with socket.socket() as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    sock.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", made.port()))
                    sock.send(b"pour")
                    await until(lambda: any(stream.backlog for stream in session.mux.streams.values()), "unread bytes")
                    seconds = await fifty()
                    (stream,) = session.mux.streams.values()
                    assert sum(map(len, stream.backlog)) <= stream.limit - stream.taken
                    assert stream.limit - stream.taken <= WINDOW_MAX
                await until(lambda: made.empty, "every stream to be gone")
                return seconds

            alone, beside = [await fifty()], [await fifty_beside()]
            while len(alone) < 3 or (min(beside) >= 1.5 * min(alone) and len(alone) < _ROUNDS):
                alone.append(await fifty())
                beside.append(await fifty_beside())
            assert min(beside) < 1.5 * min(alone)

    run(main())


def test_both_ends_write_a_lot_through_small_buffers_without_a_deadlock() -> None:
    async def main() -> None:
        async with tunnel() as made:
            await asyncio.gather(*(exchange(made, 20 * MIB, seed) for seed in range(5)))

    run(main(), 60)


async def reset(reader: StreamReader, writer: StreamWriter) -> None:
    reset_on_close(writer.get_extra_info("socket"))
    writer.transport.abort()


async def close(reader: StreamReader, writer: StreamWriter) -> None:
    await leave(writer)


@pytest.mark.parametrize(("handler", "end"), [(reset, "reset"), (close, "closed")])
def test_the_visitor_sees_how_the_local_service_ends(handler: Handler, end: str) -> None:
    async def main() -> None:
        async with tunnel(handler=handler) as made:
            for _ in range(5):
                assert await knock(made) == end
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


def test_a_local_service_that_is_down_refuses_visitors_and_is_told_once_also_when_it_is_back() -> None:
    async def main() -> None:
        async with tunnel() as made:
            port = made.service.port
            await made.service.stop()
            assert [await knock(made) for _ in range(20)] == ["reset"] * 20
            assert len(made.lines("cannot be reached", "echo")) == 1
            await made.service.start(port)
            visitor = await made.visit()
            await say(visitor, b"back")
            await leave(visitor[1])
            assert len(made.lines("is back", "echo")) == 1
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


def test_a_local_service_that_does_not_answer_costs_the_visitor_its_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.local._WAIT", 0.3)

    async def main() -> None:
        with deaf() as (_, port):
            async with tunnel() as made:
                made.client.reload(made.home({"echo": port}))
                assert [await knock(made) for _ in range(3)] == ["reset"] * 3
                assert len(made.lines("cannot be reached", "no answer")) == 1
                await until(lambda: made.empty, "every stream to be gone")

    run(main(), 30)
