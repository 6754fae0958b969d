"""Peers who proved a token and then break the rules, over real sockets: their session ends with a reason in the log,
and the streams of another client do not notice."""

import asyncio
import contextlib
import os
import random
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

import pytest

from hushgate.client.app import derive
from hushgate.protocol import frames
from hushgate.protocol.frames import COUNTED, HEADER, Code, Open, Type
from hushgate.protocol.hello import Attach
from hushgate.protocol.limits import WINDOW_MAX
from hushgate.transports.base import Pipe
from hushgate.uplink.connect import Clock, connect
from tests.aio import run
from tests.faults.test_impostors import carrying
from tests.tunnel import Service, Tunnel, client_config, leave, tunnel, until

Frames = list[bytes]


class Rogue:
    """A home that logged in for the service `other` and now says whatever a test wants."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.heard = b""
        self.over = False
        pipe.switch(self)

    def received(self, view: memoryview) -> int:
        self.heard += view
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        self.over = True

    def say(self, *what: bytes) -> None:
        """Each in a message of its own, cut where it is longer than a message may be."""
        self.pipe.write([[piece[at : at + 65_536]] for piece in what for at in range(0, len(piece), 65_536)])


class OneWay:
    """A relay that, once `deaf`, brings nothing back from the server: its own buffers fill, then the server's."""

    def __init__(self, target: int) -> None:
        self.service = Service(self._relay)
        self.deaf = False
        self._target = target

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target)

        async def back() -> None:
            with contextlib.suppress(OSError):
                while not self.deaf and (data := await onward_reader.read(65_536)) and not writer.is_closing():
                    writer.write(data)

        try:
            async with asyncio.TaskGroup() as group:
                returning = group.create_task(back())
                with contextlib.suppress(OSError):
                    while data := await reader.read(65_536):
                        onward.write(data)
                        await onward.drain()
                returning.cancel()
        finally:
            for end in (writer, onward):
                end.transport.abort()
                await leave(end)


@contextlib.asynccontextmanager
async def rogue(*, deaf: bool = False) -> AsyncIterator[tuple[Tunnel, Rogue]]:
    """A tunnel whose client carries a visitor's stream that must go on, and a second client that misbehaves."""
    async with tunnel(services={"echo": 0, "other": 0}) as made, carrying(made):
        relay = OneWay(made.server.door.port)
        await relay.service.start()
        config = client_config({"other": 1}, relay.service.port if deaf else made.server.door.port)
        connected = await connect(config, None, derive(config), os.urandom(16), Clock(), None)
        assert connected.welcome.attach is Attach.NEW
        relay.deaf = deaf
        peer = Rogue(connected.pipe)
        try:
            yield made, peer
        finally:
            peer.pipe.abort("the test is over")
            await relay.service.stop()
        await until(lambda: peer.over and not made.route("other"), "the end of the other client's link")


def opens(count: int, first: int = 0) -> bytes:
    return b"".join(frames.open_stream(1 + 2 * n, Open("echo")) for n in range(first, first + count))


BREACHES: dict[str, tuple[Frames, str]] = {
    "a frame that is too long": ([frames.start(0), HEADER.pack(Type.DATA, COUNTED, 65_535, 1)], "65535 bytes"),
    "a counted frame before START": ([opens(1)], "before START"),
    "LOGIN again": ([frames.start(0), frames.frame(Type.LOGIN, 0, bytes(64))], "LOGIN out of turn"),
    "WELCOME": ([frames.start(0), frames.frame(Type.WELCOME, 0, bytes(64))], "WELCOME out of turn"),
    "a PROVE that is none": ([frames.start(0), frames.frame(Type.PROVE, 0, b"\xff" * 40)], "protocol"),
    "START twice": ([frames.start(0), frames.start(0)], "START twice"),
    "START from the future": ([frames.start(7)], "mismatch"),
    "an ACK of what was never sent": ([frames.start(0), frames.ack(10_000, 0)], "mismatch"),
    "data of no stream": ([frames.start(0), HEADER.pack(Type.DATA, COUNTED, 1, 77) + b"x"], "never opened"),
    "ids that go backwards": ([frames.start(0), frames.open_stream(3, Open("echo")), opens(1)], "out of order"),
    "a flood of PING": ([frames.start(0), *[frames.ping(n) for n in range(500)]], "flood"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_ends_the_session_with_its_reason_and_no_other(name: str) -> None:
    said, reason = BREACHES[name]

    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(*said)
            await until(lambda: made.lines("session ended", reason), f"the reason {reason!r} in the log")
            await until(lambda: peer.over, "the end of its connection")
            assert len(made.lines("session ended")) == 1
            assert len(made.server.sessions.table.sessions) == 1
            assert b"\x0c" in peer.heard, "a GOAWAY tells it why"

    run(main())


@pytest.mark.parametrize("seed", range(6))
def test_noise_behind_a_login_ends_the_session_and_no_other(seed: int) -> None:
    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(frames.start(0), random.Random(seed).randbytes(200_000))
            await until(lambda: made.lines("session ended"), "a line in the log")
            assert len(made.server.sessions.table.sessions) == 1

    run(main())


def test_half_a_frame_and_silence_is_a_lost_link() -> None:
    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(frames.start(0), opens(1)[:9])
            peer.pipe.close()
            await until(lambda: made.lines("link lost"), "a line in the log")
            assert len(made.lines("link lost")) == 1

    run(main())


def test_streams_that_a_home_opens_are_refused_and_leave_nothing() -> None:
    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(frames.start(0), *(opens(4000)[at : at + 60_000] for at in range(0, len(opens(4000)), 60_000)))
            refusal = frames.reset(7999, Code.DENIED, "a home client opens no streams")
            await until(lambda: refusal in peer.heard, "the last refusal")
            assert made.server.streams == 1, "the visitor's own"

    run(main())


def test_a_flood_of_opens_whose_answers_nobody_reads_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.protocol.liveness.PROGRESS_MIN", 30.0)
    monkeypatch.setattr("hushgate.protocol.liveness.SILENCE_MAX", 30.0)

    async def main() -> None:
        async with rogue(deaf=True) as (made, peer):
            peer.say(frames.start(0))
            for first in range(0, 1_000_000, 10_000):
                peer.say(opens(10_000, first))
                await asyncio.sleep(0.01)
                if made.lines("session ended", "flood"):
                    break
            await until(lambda: made.lines("session ended", "flood"), "the reason in the log")
            assert made.server.streams == 1, "the visitor's own"

    run(main(), 50)


def test_a_flood_of_resets_leaves_nothing() -> None:
    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(frames.start(0), *(frames.reset(1 + 2 * n, Code.DONE) for n in range(20_000)), frames.ping(7))
            await until(lambda: frames.pong(7, 0)[:16] in peer.heard, "the answer behind the flood", 25)
            assert made.server.streams == 1, "the visitor's own"

    run(main(), 40)


def test_more_data_than_credit_costs_that_visitor_alone() -> None:
    async def main() -> None:
        async with rogue() as (made, peer):
            peer.say(frames.start(0))
            _, visitor = await made.visit("other")
            await until(lambda: made.server.streams == 2, "the visitor's stream")
            data = HEADER.pack(Type.DATA, COUNTED, 60_000, 2) + bytes(60_000)
            peer.say(*[data] * (2 * WINDOW_MAX // 60_000))
            await until(lambda: frames.reset(2, Code.FLOW, "more data than credit") in peer.heard, "the reset")
            await leave(visitor)
            assert len(made.server.sessions.table.sessions) == 2

    run(main())
