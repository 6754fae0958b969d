"""A local socket that is reset unseen: half-closed, without credit, or while the link is away.

The visitor's socket is the server's, the service's the client's: both programs must free what is dead, and only that.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hushgate.link.endpoint import reset_on_close
from hushgate.protocol.stream import Half, Stream
from tests.aio import run
from tests.tunnel import Tunnel, ending, leave, tunnel, until

WHO = pytest.mark.parametrize("who", ["visitor", "service"])


@dataclass
class Scene:
    """`dying` is the end that will be reset, `other` the one that shall hear of it; `stream` is the dying end's."""

    tunnel: Tunnel
    dying: tuple[StreamReader, StreamWriter]
    other: tuple[StreamReader, StreamWriter]
    stream: Stream

    def reset(self) -> None:
        reset_on_close(self.dying[1].get_extra_info("socket"))
        self.dying[1].transport.abort()


@contextlib.asynccontextmanager
async def scene(who: str) -> AsyncIterator[Scene]:
    visits: list[tuple[StreamReader, StreamWriter]] = []

    async def hold(reader: StreamReader, writer: StreamWriter) -> None:
        visits.append((reader, writer))
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with tunnel(handler=hold) as made:
        visitor = await made.visit()
        await until(lambda: visits and made.client.uplink.streams, "the visit")
        (session,) = made.server.sessions.table.sessions
        if who == "visitor":
            (stream,) = session.mux.streams.values()
            yield Scene(made, visitor, visits[0], stream)
        else:
            (stream,) = made.client.uplink.streams.values()
            yield Scene(made, visits[0], visitor, stream)
        visits[0][1].transport.abort()
        await leave(visitor[1])
        await until(lambda: made.empty, "every stream to be gone")


@WHO
def test_a_socket_that_is_watched_and_idle(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reset is all there is to say; it does not wait for a ping to go along with."""
    monkeypatch.setattr("hushgate.link.link._BEAT", 3600)

    async def main() -> None:
        async with scene(who) as made:
            outbox = made.stream.mux.outbox
            await until(lambda: outbox.ack_at is None and not outbox.replay.kept, "all to be acknowledged")
            made.reset()
            assert await asyncio.wait_for(ending(made.other[0]), 5) == "reset"

    run(main())


@WHO
def test_after_its_end_a_reset_is_noticed(who: str) -> None:
    async def main() -> None:
        async with scene(who) as made:
            made.dying[1].write_eof()
            assert await made.other[0].read() == b""
            made.reset()
            await until(lambda: made.tunnel.empty, "everything to be freed", 4.0)

    run(main())


@WHO
def test_without_credit_a_reset_is_noticed(who: str) -> None:
    async def main() -> None:
        async with scene(who) as made:
            made.dying[1].write(bytes(1 << 26))
            await until(lambda: made.stream.starved, "the credit to be used up")
            made.reset()
            await until(lambda: made.tunnel.empty, "everything to be freed", 4.0)

    run(main())


@WHO
@pytest.mark.parametrize("said", [b"", b"last words"])
def test_while_the_link_is_away_a_reset_is_noticed(who: str, said: bytes) -> None:
    async def main() -> None:
        async with scene(who) as made:
            made.tunnel.cutter.refusing = True
            made.tunnel.cutter.cut()
            await until(lambda: not made.tunnel.route() and not made.tunnel.client.uplink.link, "the link to be gone")
            made.dying[1].write(said)
            made.reset()
            await until(lambda: made.stream.id not in made.stream.mux.streams, "the dead end to be freed", 4.0)
            made.tunnel.cutter.refusing = False
            assert await ending(made.other[0]) == "reset"

    run(main())


@WHO
def test_who_only_half_closed_lives(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.patrol.PATROL_EVERY", 0.01)

    async def main() -> None:
        async with scene(who) as made:
            made.dying[1].write_eof()
            assert await made.other[0].read() == b""
            assert made.stream.send is Half.FINISHED
            await asyncio.sleep(0.1)
            made.other[1].write(b"answer")
            assert await asyncio.wait_for(made.dying[0].readexactly(6), 5) == b"answer"

    run(main())
