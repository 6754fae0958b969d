"""The link is lost in the middle of transfers: no byte is missing, none comes twice, and one link serves all."""

import asyncio
import random
from dataclasses import replace

import pytest

from hushgate.protocol.limits import STREAM_ID_MAX
from tests.aio import run
from tests.cutter import How
from tests.tunnel import QUICK, Tunnel, ending, exchange, knock, leave, say, tunnel, until

MIB = 1024 * 1024


def test_one_websocket_carries_every_visitor() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            visitors = [await made.visit() for _ in range(100)]
            await asyncio.gather(*(say(visitor, b"hello") for visitor in visitors))
            assert len(made.client.uplink.streams) == made.server.streams == 100
            assert made.cutter.accepted == made.cutter.open == 1
            for _, writer in visitors:
                await leave(writer)
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


@pytest.mark.parametrize("streams", [1, 50])
def test_every_byte_arrives_once_across_many_cuts(streams: int) -> None:
    async def main() -> None:
        async with tunnel() as made:
            dice = random.Random(streams)
            made.cutter.after = [dice.randrange(MIB // 4, 2 * MIB) for _ in range(25)]
            size = 32 * MIB // streams
            await asyncio.gather(*(exchange(made, size, seed) for seed in range(streams)))
            assert made.cutter.cuts >= 20
            assert made.cutter.accepted > 20
            await until(lambda: made.empty, "every stream to be gone")

    run(main(), 60)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("how", ["rst", "fin", "stall"])
def test_a_quiet_stream_goes_on_over_the_next_link(how: How) -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"before")
            made.cutter.cut(how)
            await say(visitor, b"after")
            assert made.cutter.accepted == 2
            assert made.lines("connected", "resumed")
            await leave(visitor[1])

    run(main())


def test_when_the_grace_is_over_streams_are_reset_and_everything_is_freed() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, grace=0.5)) as made:
            visitors = [await made.visit() for _ in range(10)]
            await asyncio.gather(*(say(visitor, b"hello") for visitor in visitors))
            made.cutter.refusing = True
            made.cutter.cut()
            for reader, writer in visitors:
                assert await ending(reader) == "reset"
                await leave(writer)
            await until(lambda: made.empty and not made.server.sessions.table.sessions, "everything to be freed")
            assert made.lines("session ended", "grace")
            assert made.lines("streams ended", "did not come back")
            assert await asyncio.wait_for(knock(made), 1) == "reset", "nobody waits for a home away so long"
            made.cutter.refusing = False
            await until(made.route, "home")
            visitor = await made.visit()
            await say(visitor, b"new session")
            await leave(visitor[1])

    run(main())


def test_a_restarted_server_is_told_apart_from_a_lost_link() -> None:
    async def main() -> None:
        async with tunnel() as made:
            reader, writer = await made.visit()
            await say((reader, writer), b"hello")
            await made.restart_server()
            assert await ending(reader) == "reset"
            await leave(writer)
            await until(made.route, "home")
            assert made.lines("goodbye", "shutdown")
            await fresh(made)

    run(main())


def test_a_crashed_server_is_told_apart_from_a_lost_link() -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"hello")
            crashed, ports = made.server, {name: port.address.port for name, port in made.server.ports.items()}
            made.cutter.refusing = True
            made.cutter.cut()
            await crashed.stop()
            await made.start_server(ports)
            made.cutter.refusing = False
            await until(lambda: made.lines("connected", "the old one is lost"), "home, in a new session")
            assert made.lines("streams ended", "no longer knows")
            await leave(visitor[1])
            await fresh(made)

    run(main())


def test_the_session_after_a_crash_of_the_server_is_resumed_at_the_first_attempt() -> None:
    async def main() -> None:
        async with tunnel() as made:
            ports = {name: port.address.port for name, port in made.server.ports.items()}
            crashed = made.server
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: len(made.lines("not connected")) >= 4, "attempts in vain")
            await crashed.stop()
            await made.start_server(ports)
            made.cutter.refusing = False
            await until(lambda: made.lines("connected", "the old one is lost"), "home, in a new session")
            visitor = await made.visit()
            await say(visitor, b"before")
            made.cutter.cut()
            await say(visitor, b"after")
            assert not made.lines("stale")
            await leave(visitor[1])

    run(main())


def test_a_session_whose_stream_ids_are_used_up_before_another_stands_is_replaced() -> None:
    async def main() -> None:
        async with tunnel() as made:
            (session,) = made.server.sessions.table.sessions
            session.mux.next_id = STREAM_ID_MAX - 1
            made.cutter.refusing = True
            last = await made.visit()
            await say(last, b"the last id")
            assert await knock(made) == "reset"
            assert await ending(last[0]) == "reset"
            await leave(last[1])
            made.cutter.refusing = False
            await until(made.route, "the next session")
            assert made.lines("session ended", "ids are used up")
            await fresh(made)

    run(main())


def test_a_restarted_client_starts_clean() -> None:
    async def main() -> None:
        async with tunnel() as made:
            reader, writer = await made.visit()
            await say((reader, writer), b"hello")
            await made.client.stop()
            assert await ending(reader) == "reset"
            await leave(writer)
            await until(lambda: made.empty and not made.server.sessions.table.sessions, "the old session to end")
            [line] = made.lines("session ended")
            assert line["reason"] == "shutdown (its program ends)"
            made.client = type(made.client)(made.client.config)
            await made.up()
            await fresh(made)

    run(main())


async def fresh(made: Tunnel) -> None:
    visitor = await made.visit()
    await say(visitor, b"clean start")
    await leave(visitor[1])
    await until(lambda: made.empty, "every stream to be gone")
