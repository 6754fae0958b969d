"""A service with an `e2e_key`: the server that relays its streams reads nothing, and changes nothing unnoticed."""

import asyncio
import contextlib
import random
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from hushgate.config.model import Secret
from hushgate.log import Seldom, logger
from hushgate.protocol.e2e import OVERHEAD
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.relay import RelayEnd
from hushgate.protocol.stream import Stream
from tests.aio import run
from tests.laptops import Laptop, laptop
from tests.protocol.pair import Memory
from tests.tunnel import Tunnel, ending, leave, say, tunnel, until

HOME, LAPTOP = Secret("what laptop and home share"), Secret("what laptop and home share")
OTHER = Secret("what somebody else made up")
TEXT = b"a line that nobody in between may read"


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test hears what is said once in ten seconds."""
    monkeypatch.setattr("hushgate.link.telling._seldom", Seldom(logger("access")))
    monkeypatch.setattr("hushgate.link.sealing._log", Seldom(logger("e2e")))


@contextlib.asynccontextmanager
async def scene(
    home: Secret | None = HOME, own: Secret | None = LAPTOP
) -> AsyncIterator[tuple[Tunnel, Laptop, bytearray]]:
    """A tunnel and a laptop with these keys, and all bytes that reached the service."""
    heard = bytearray()

    async def service(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                heard.extend(data)
                writer.write(data)
                await writer.drain()
        await leave(writer)

    async with tunnel(handler=service) as made, laptop(made) as one:
        offered = made.client.config.services["echo"]
        made.client.reload(replace(made.client.config, services={"echo": replace(offered, e2e_key=home)}))
        wanted = one.access.config.services["echo"]
        one.access.reload(replace(one.access.config, services={"echo": replace(wanted, e2e_key=own)}))
        yield made, one, heard


def relay(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[RelayEnd, bytes], bytes]) -> None:
    """Whatever the server relays passes through `meddle`, with the end that sends it on."""
    take = RelayEnd.take

    def taking(self: RelayEnd, n: int) -> bytes | None:
        data = take(self, n)
        return meddle(self, data) if data else data

    monkeypatch.setattr(RelayEnd, "take", taking)


def homewards(end: RelayEnd) -> bool:
    return end._near.what.hop == 1


def test_the_server_sees_no_plaintext(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = bytearray()

    def spy(_: RelayEnd, data: bytes) -> bytes:
        seen.extend(data)
        return data

    relay(monkeypatch, spy)

    async def main() -> None:
        async with scene() as (_, one, heard):
            visitor = await one.visit()
            await say(visitor, TEXT)
            await leave(visitor[1])
            await until(lambda: one.empty, "every stream to be gone")
            assert heard == TEXT and len(seen) > 2 * len(TEXT)
            assert b"nobody" not in seen

    run(main())


def test_much_passes_both_ways_over_links_that_are_cut() -> None:
    async def main() -> None:
        async with scene() as (made, one, heard):
            reader, writer = await one.visit()
            sent = random.Random(3).randbytes(3_000_000)

            async def write() -> None:
                for at in range(0, len(sent), 50_000):
                    writer.write(sent[at : at + 50_000])
                    await writer.drain()
                    if at % 500_000 == 0:
                        (one.cutter if at % 1_000_000 else made.cutter).cut()
                writer.write_eof()

            _, back = await asyncio.gather(write(), asyncio.wait_for(reader.read(), 40))
            assert back == sent == heard
            await leave(writer)
            await until(lambda: one.empty, "every stream to be gone")
            assert not made.lines("encrypted stream given up")

    run(main(), 60)


@pytest.mark.parametrize(
    ("home", "own", "said"),
    [
        (HOME, None, "home takes only what is encrypted with its e2e_key"),
        (None, LAPTOP, "home has no e2e_key for it"),
        (HOME, OTHER, "the other end has another e2e_key"),
    ],
    ids=["laptop without", "home without", "another key"],
)
def test_ends_that_do_not_agree(home: Secret | None, own: Secret | None, said: str) -> None:
    async def main() -> None:
        async with scene(home, own) as (made, one, heard):
            reader, writer = await one.visit()
            writer.write(TEXT)
            assert await ending(reader) == "reset"
            await leave(writer)
            await until(lambda: one.empty, "every stream to be gone")
            assert made.service.visits == 0 and not heard
            assert made.lines("stream refused", said) or made.lines("encrypted stream given up", said)
            assert made.lines("stream reset", "denied", said)

    run(main())


def test_visitors_of_the_public_port_do_not_encrypt() -> None:
    async def main() -> None:
        async with scene() as (made, _, heard):
            reader, writer = await made.visit()
            writer.write(TEXT)
            assert await ending(reader) == "reset"
            await leave(writer)
            assert made.service.visits == 0 and not heard

    run(main())


@pytest.mark.parametrize("towards", ["home", "laptop"])
def test_a_changed_byte_ends_the_stream(towards: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddle(end: RelayEnd, data: bytes) -> bytes:
        hello = len(data) == OVERHEAD + 32
        return data if hello or homewards(end) is not (towards == "home") else data[:-1] + bytes((data[-1] ^ 1,))

    relay(monkeypatch, meddle)

    async def main() -> None:
        async with scene() as (made, one, heard):
            reader, writer = await one.visit()
            writer.write(TEXT)
            assert await ending(reader) == "reset"
            await leave(writer)
            await until(lambda: one.empty, "every stream to be gone")
            assert heard == (b"" if towards == "home" else TEXT)
            assert made.lines("encrypted stream given up", "a record was altered on the way")

    run(main())


def test_a_stream_that_is_played_again_says_nothing_to_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = bytearray()

    def record(end: RelayEnd, data: bytes) -> bytes:
        if homewards(end):
            recorded.extend(data)
        return data

    relay(monkeypatch, record)

    async def main() -> None:
        async with scene() as (made, one, heard):
            visitor = await one.visit()
            await say(visitor, TEXT)
            await leave(visitor[1])
            await until(lambda: one.empty, "every stream to be gone")
            assert heard == TEXT
            session = made.server.registry.find("echo")
            assert session is not None
            stream: Stream = session.mux.open(Open("echo", e2e=1), time.monotonic())
            replayed = Memory(stream, bytes(recorded))
            stream.ready()
            await until(lambda: replayed.was_reset, "home to notice")
            assert replayed.was_reset is Code.ABORTED and heard == TEXT

    run(main())


def test_a_stream_that_the_server_cuts_short_does_not_look_complete() -> None:
    async def main() -> None:
        async with scene() as (made, one, _):
            reader, writer = await one.visit()
            await say((reader, writer), TEXT)
            (own,) = (session for session in made.server.sessions.table.sessions if session is not made.route())
            (stream,) = own.mux.streams.values()
            # The relay says FIN in place of home.
            stream.endpoint = Memory(stream)
            stream.ready()
            assert await ending(reader) == "reset"
            await leave(writer)
            assert made.lines("encrypted stream given up", "the stream was cut on the way")

    run(main())
