"""The handshake is cut at every byte of each side, up to the first bytes that the new link carries: for a new session,
and for one that is resumed in the midst of transfers.

Everything is the product's own. The client dials through a relay that ends one connection at the given byte; the next
attempt comes through the same relay, waits there until the server has been looked at, and passes.
"""

import asyncio
import contextlib
import gc
import os
from asyncio import StreamReader, StreamWriter

import pytest

from hushgate.protocol.frames import Code, Type
from hushgate.protocol.websocket import Decoder
from tests.aio import run
from tests.tunnel import Tunnel, leave, say, tunnel, until

Cut = tuple[int, int]
"""A side, 0 for the client, and how many bytes of it arrive."""
_GREETING = b"who is there?"
_PARTS = 4
"""Every test takes every fourth cut, so that none takes long on a busy machine."""
_REPLAYED = 24
"""Bytes that each side has in flight when its link is lost."""


@pytest.fixture(autouse=True)
def quick_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this file: the next attempt comes at once, and no link is given up on a busy machine."""
    monkeypatch.setattr("hushgate.uplink.backoff.RETRY_FIRST", 0.0)
    monkeypatch.setattr("hushgate.uplink.backoff.RETRY_BASE", 0.0)


class Script:
    """What both sides say on a link that is not cut, up to the first `replayed` messages behind START."""

    def __init__(self, made: Tunnel, replayed: int) -> None:
        client = messages(made.cutter.heard[0], (Type.LOGIN, Type.START), replayed)
        server = messages(made.cutter.heard[1], (Type.CHALLENGE, Type.WELCOME, Type.START), replayed)
        self._logged_in, self._challenged = client[0], server[0]
        self.cuts: list[Cut] = [(0, at) for at in range(client[-1] + 1)] + [(1, at) for at in range(server[-1] + 1)]

    def logged_in(self, cut: Cut) -> bool:
        """Whether LOGIN arrives whole before this cut: the server's answer to it shows that it did."""
        side, at = cut
        return at > self._challenged if side else at >= self._logged_in


def messages(said: bytes, types: tuple[Type, ...], more: int) -> list[int]:
    """Where the messages end that begin with frames of these types, and as many more."""
    at = said.index(b"\r\n\r\n") + 4
    decoder, ends = Decoder(masked=said.startswith(b"GET ")), []
    for type in (*types, *[Type.DATA] * more):
        message = decoder.parse(memoryview(said), at)
        assert message is not None and message[2][0] == type
        ends.append(at := message[0])
    return ends


async def is_cut(made: Tunnel, standing: int) -> None:
    """Waits until the cut has happened and the server has let go of all but `standing` connections."""
    await until(lambda: not made.cutter.gate.is_set(), "the cut")
    await until(lambda: made.cutter.held == standing, "the server to close the connection")
    assert made.server.sessions.handshakes == made.server._door.strangers == 0


def held() -> tuple[int, int]:
    """The descriptors and the tasks of this process, without those that earlier tests left to the collector."""
    gc.collect()
    return len(os.listdir("/dev/fd")), len(asyncio.all_tasks())


async def greet(made: Tunnel, cut: Cut | None) -> None:
    """A visitor comes, and then home, whose first attempt is cut: the visitor is served over the second."""
    visitor = await made.visit()
    await until(lambda: made.server.lobbies["echo"].waiting == 1, "the visitor to wait")
    made.cutter.at = cut
    made.cutter.gate.set()
    if cut:
        await is_cut(made, 0)
        unheard_of = [session for session in made.server.sessions.table.sessions if not session.taken_up]
        assert not any(session.mux.streams for session in unheard_of)
        made.cutter.gate.set()
    await say(visitor, _GREETING)
    await leave(visitor[1])
    await until(lambda: made.empty, "the stream to be gone")


async def begin_anew(made: Tunnel) -> None:
    """The only session ends, and home's attempt to begin another waits."""
    made.cutter.gate.clear()
    (session,) = made.server.sessions.table.sessions
    session.mux.close(Code.SHUTDOWN)
    await until(lambda: not made.server.sessions.table.sessions and not made.cutter.held, "the session to end")


@pytest.mark.parametrize("part", range(_PARTS))
def test_the_login_of_a_new_session_cut_at_every_byte_serves_who_waits_over_the_next(part: int) -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            made.cutter.gate.clear()
            await made.client.start()
            await greet(made, None)
            script = Script(made, replayed=0)
            before = held()
            for cut in script.cuts[part::_PARTS]:
                await begin_anew(made)
                await greet(made, cut)
            await until(lambda: held() == before, "descriptors and tasks to be given back")

    run(main(), 60)


class Notes:
    """A service at home that writes down what comes and says only what it is told to."""

    def __init__(self) -> None:
        self.got = b""
        self.writer: StreamWriter

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.writer = writer
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.got += data
        await leave(writer)


class Transfer:
    """A stream that carries something in both directions all the time; nothing may get lost, doubled or reordered."""

    def __init__(self, made: Tunnel, visitor: tuple[StreamReader, StreamWriter], notes: Notes) -> None:
        self._reader, self._writer = visitor
        self._notes = notes
        self._said = b""
        (self.session,) = made.server.sessions.table.sessions
        (stream,) = made.client.uplink.streams.values()
        self._muxes = (self.session.mux, stream.mux)

    @property
    def in_flight(self) -> bool:
        return all(mux.outbox.replay.flight >= _REPLAYED for mux in self._muxes)

    @property
    def acknowledged(self) -> bool:
        return not any(mux.kept for mux in self._muxes)

    def say(self, number: int) -> bytes:
        """Both sides send the same, which is returned."""
        text = b"%0*d" % (_REPLAYED, number)
        self._said += text
        self._writer.write(text)
        self._notes.writer.write(text)
        return text

    async def arrives(self, text: bytes) -> None:
        assert await asyncio.wait_for(self._reader.readexactly(len(text)), 20) == text
        await until(lambda: len(self._notes.got) >= len(self._said), "the bytes to reach home")
        assert self._notes.got == self._said


async def resume(made: Tunnel, transfer: Transfer, number: int, cut: Cut | None, *, logs_in: bool) -> None:
    """The link is lost with bytes in flight both ways, of which only the client hears; its next attempt is cut, and the
    one after that goes on."""
    session, epoch, lines = transfer.session, transfer.session.epoch, len(made.log)
    made.cutter.lose()
    text = transfer.say(number)
    await until(lambda: transfer.in_flight, "bytes in flight both ways")
    older = session.link
    made.cutter.at = cut
    made.cutter.cut("client")
    if cut:
        await is_cut(made, 0 if logs_in else 1)
        assert (session.link is older, session.epoch) == ((False, epoch + 1) if logs_in else (True, epoch))
        made.cutter.gate.set()
    await transfer.arrives(text)
    attempts = 2 if cut else 1
    await until(lambda: made.client.uplink.link and session.epoch == epoch + attempts, "the last attempt to stand")
    logins = [line["epoch"] - epoch for line in made.log[lines:] if line["event"] == "client connected"]
    assert logins == list(range(1 if logs_in else 2, attempts + 1))
    assert (
        list(made.server.sessions.table.sessions) == [session]
        and made.server.streams == len(made.client.uplink.streams) == 1
    )


@pytest.mark.parametrize("part", range(_PARTS))
def test_a_resume_cut_at_every_byte_fences_no_link_before_login_and_loses_nothing(part: int) -> None:
    async def main() -> None:
        notes = Notes()
        async with tunnel(handler=notes) as made:
            visitor = await made.visit()
            await until(lambda: made.client.uplink.streams and made.service.visits, "the stream")
            transfer = Transfer(made, visitor, notes)
            await until(lambda: transfer.acknowledged, "nothing but what is said now to be in flight")
            await resume(made, transfer, 0, None, logs_in=True)
            script = Script(made, replayed=1)
            await until(lambda: transfer.acknowledged, "everything to be acknowledged")
            before = held()
            for number, cut in enumerate(script.cuts[part::_PARTS], 1):
                await resume(made, transfer, number, cut, logs_in=script.logged_in(cut))
            assert made.service.visits == 1
            await until(lambda: made.cutter.held == 1 and held() == before, "what belonged to older links to be freed")
            await leave(visitor[1])
            await until(lambda: made.empty, "the stream to be gone")

    run(main(), 60)
