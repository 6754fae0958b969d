"""A laptop's streams across lost links, at either side of the server or at both, and what a hostile laptop gets."""

import asyncio
import contextlib
import hashlib
import os
import random
from asyncio import StreamReader, StreamWriter
from dataclasses import replace

import pytest

from hushgate.guard.keyring import Keyring
from tests.aio import run
from tests.cutter import How
from tests.laptops import Laptop, laptop
from tests.tunnel import QUICK, Tunnel, ending, leave, say, tunnel, until

MIB = 1024 * 1024


async def exchange(visitor: tuple[StreamReader, StreamWriter], size: int, seed: int) -> None:
    """Sends random bytes through the echo service while reading; ends by half-close."""
    reader, writer = visitor
    data = random.Random(seed).randbytes(size)

    async def write() -> None:
        for at in range(0, size, 50_000):
            writer.write(data[at : at + 50_000])
            await writer.drain()
        writer.write_eof()

    _, back = await asyncio.gather(write(), reader.read())
    await leave(writer)
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("streams", [1, 20])
@pytest.mark.parametrize("where", ["laptop", "home", "both"])
def test_every_byte_arrives_once_whichever_link_is_cut(where: str, streams: int) -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            dice = random.Random(streams)
            for name, cutter in (("laptop", one.cutter), ("home", made.cutter)):
                if where in (name, "both"):
                    cutter.after = [dice.randrange(MIB // 4, MIB) for _ in range(8)]
            size = 16 * MIB // streams
            visitors = [await one.visit() for _ in range(streams)]
            await asyncio.gather(*(exchange(visitor, size, seed) for seed, visitor in enumerate(visitors)))
            cuts = [one.cutter.cuts, made.cutter.cuts]
            assert [count >= 5 for count in cuts] == [where != "home", where != "laptop"]
            await until(lambda: one.empty, "every stream to be gone")

    run(main(), 60)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("how", ["rst", "fin", "stall"])
@pytest.mark.parametrize("where", ["laptop", "home", "both"])
def test_a_quiet_stream_goes_on_over_the_next_links(where: str, how: How) -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            visitor = await one.visit()
            await say(visitor, b"before")
            if where != "home":
                one.cutter.cut(how)
            if where != "laptop":
                made.cutter.cut(how)
            await say(visitor, b"after")
            await leave(visitor[1])

    run(main())


def test_a_restarted_server_ends_streams_and_ports_stay() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            reader, writer = await one.visit()
            await say((reader, writer), b"before")
            await made.restart_server()
            one.cutter.target = made.server.door.port
            assert await ending(reader) == "reset"
            await leave(writer)
            visitor = await one.visit()
            await say(visitor, b"after")
            await leave(visitor[1])

    run(main())


def test_who_comes_while_home_is_away_waits_for_it() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: not made.route(), "home to be away")
            visitor = await one.visit()
            await until(lambda: made.server.lobbies["echo"].waiting == 1, "the stream to wait")
            made.cutter.refusing = False
            await say(visitor, b"hello")
            await leave(visitor[1])

    run(main())


def test_when_home_has_been_away_too_long_its_streams_end_at_the_laptop() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, grace=0.5)) as made, laptop(made) as one:
            reader, writer = await one.visit()
            await say((reader, writer), b"before")
            made.cutter.refusing = True
            made.cutter.cut()
            assert await ending(reader) == "reset"
            await leave(writer)
            assert one.access.uplink.link

    run(main())


def test_when_the_laptop_has_been_away_too_long_home_is_left_without_a_trace() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, grace=0.5)) as made, laptop(made) as one:
            reader, writer = await one.visit()
            await say((reader, writer), b"before")
            one.cutter.refusing = True
            one.cutter.cut()
            await until(lambda: made.empty, "home to be left")
            assert await ending(reader) == "reset"
            await leave(writer)
            one.cutter.refusing = False
            again = await one.visit()
            await say(again, b"a new session")
            await leave(again[1])

    run(main())


async def revoked(made: Tunnel, one: Laptop, seconds: float) -> None:
    """The key of `echo` is removed, and its stream ends within `seconds`."""
    reader, writer = await one.visit()
    await say((reader, writer), b"before")
    config = made.server.config
    echo = replace(config.services["echo"], access_keys=())
    made.server.reload(replace(config, services={**config.services, "echo": echo}))
    assert await asyncio.wait_for(ending(reader), seconds) == "reset"
    await leave(writer)


def test_a_removed_key_ends_its_streams_within_a_second_and_no_others() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made, laptop(made, ["echo", "other"]) as one:
            made.client.reload(made.home({"echo": made.service.port, "other": made.service.port}))
            await until(lambda: made.route("other"), "the second service")
            kept, public = await one.visit("other"), await made.visit()
            await say(kept, b"before")
            await revoked(made, one, 1.0)
            await say(kept, b"after")
            await say(public, b"whoever comes to the public port needs no key")
            for _, writer in (kept, public):
                await leave(writer)

    run(main())


def test_a_removed_key_ends_the_streams_of_a_laptop_that_is_away_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """At both ends, the laptop's when it comes back and is refused, long before the grace is over."""
    monkeypatch.setattr("hushgate.uplink.uplink._RETRY_REFUSED", 0.3)

    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            reader, writer = await one.visit()
            await say((reader, writer), b"before")
            one.cutter.refusing = True
            one.cutter.cut()
            config = made.server.config
            echo = replace(config.services["echo"], access_keys=())
            made.server.reload(replace(config, services={"echo": echo}))
            await until(lambda: made.empty, "home to be left", 1.0)
            one.cutter.refusing = False
            assert await ending(reader) == "reset"
            assert made.lines("streams ended", "the server does not know our access key any more")
            await leave(writer)

    run(main())


def test_one_refusal_ends_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a server that was started this moment."""
    monkeypatch.setattr("hushgate.uplink.uplink._RETRY_REFUSED", 0.3)

    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            visitor = await one.visit()
            await say(visitor, b"before")
            sessions = made.server.sessions
            keyring = sessions.keyring
            for _ in range(2):
                made.log.clear()
                sessions.keyring = Keyring({})
                one.cutter.cut()
                await until(lambda: made.lines("not connected", "no access key of ours"), "the refusal")
                sessions.keyring = keyring
                await say(visitor, b"after")
            await leave(visitor[1])

    run(main())


def test_programs_that_have_ended_leave_no_descriptor_behind() -> None:
    def descriptors() -> list[str]:
        found = []
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/self/fd/{number}").split("[")[0])
        return sorted(found)

    async def main() -> None:
        async with tunnel():
            pass
        before = descriptors()  # With what a process keeps for all its ports.
        async with tunnel() as made, laptop(made) as one:
            for visitor in (await made.visit(), await one.visit()):
                await say(visitor, b"hello")
                await leave(visitor[1])
            assert len(descriptors()) > len(before)
        await until(lambda: descriptors() == before, "everything to be closed")

    run(main())
