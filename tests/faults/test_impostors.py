"""Peers that are not what they claim: captured logins, stolen sessions, greedy servers, noise, silence."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator

import pytest

from hushgate.client.app import derive
from hushgate.errors import UnreachableError
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.hello import Attach, Dialler, Resume
from hushgate.server.app import Server
from hushgate.server.session import Session
from hushgate.uplink.connect import Clock, Connected, connect
from hushgate.uplink.dial import dial
from tests.aio import run
from tests.tunnel import Service, Tunnel, client_config, leave, say, server_config, tunnel, until


async def send(port: int, data: bytes) -> bytes:
    """Everything that the door answers to `data`; our half is closed after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        answer = await asyncio.wait_for(reader.read(), 20)
    await leave(writer)
    return answer


def session_of(made: Tunnel) -> Session:
    (session,) = made.server.sessions.table.sessions
    return session


async def attach(made: Tunnel, service: str, resume: Resume | None) -> Connected:
    """A login with the token of `service` alone."""
    config = client_config({service: 1}, made.server.door.port)
    return await connect(config, None, derive(config), os.urandom(16), Clock(), resume)


@contextlib.asynccontextmanager
async def carrying(made: Tunnel) -> AsyncIterator[None]:
    """Holds a visitor's stream and the link it runs on: neither may notice what happens meanwhile."""
    links = made.cutter.accepted
    visitor = await made.visit()
    await say(visitor, b"before")
    yield
    await say(visitor, b"after")
    assert made.cutter.accepted == links
    await leave(visitor[1])


def test_a_captured_login_is_shown_the_decoy_by_its_own_server_and_after_a_restart() -> None:
    async def main() -> None:
        async with tunnel() as made:
            captured = made.cutter.said
            assert b"Authorization: Bearer" in captured
            async with carrying(made):
                assert (await send(made.server.door.port, captured)).startswith(b"HTTP/1.1 200 OK\r\n")
            await made.restart_server()
            assert (await send(made.server.door.port, captured)).startswith(b"HTTP/1.1 200 OK\r\n")
            assert made.lines("proof from before the start")

    run(main())


def test_a_captured_login_buys_nothing_from_another_server_with_the_same_tokens() -> None:
    async def main() -> None:
        other = Server(server_config({"echo": 0}))
        await other.start()
        async with tunnel() as made:
            answer = await send(other.door.port, made.cutter.said)
            assert answer.startswith(b"HTTP/1.1 101 "), "the upgrade proof holds there"
            assert not other.sessions.table.sessions
            assert made.lines("login answered", "denied")
        await other.stop()

    run(main())


def test_a_session_is_not_resumed_with_the_token_of_another_service() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made, carrying(made):
            session = session_of(made)
            thief = await attach(made, "other", Resume(session.id, session.epoch + 1, 0))
            assert thief.welcome.attach is Attach.DENIED
            thief.pipe.abort("done")

    run(main())


@pytest.mark.parametrize("behind", [0, 1])
def test_a_login_with_an_old_epoch_does_not_fence_the_link(behind: int) -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.cutter.cut()
            await until(lambda: session_of(made).epoch == 2 and made.route(), "the second link")
            async with carrying(made):
                late = await attach(made, "echo", Resume(session_of(made).id, 2 - behind, 0))
                assert late.welcome.attach is Attach.STALE
                late.pipe.abort("done")

    run(main())


class Asked:
    """The end of a stream that a hostile server opens."""

    def __init__(self) -> None:
        self.answer: Code | None = None

    def take(self, n: int) -> bytes | None:
        return b""

    def data(self, view: memoryview) -> int:
        return len(view)

    def finish(self) -> None:
        return

    def reset(self, code: Code, text: str) -> None:
        self.answer = code

    def opened(self) -> None:
        raise AssertionError("home let the server in")

    def datagram(self, view: memoryview) -> None:
        return


def test_home_refuses_services_that_its_own_file_does_not_name_and_says_so_once() -> None:
    async def main() -> None:
        async with tunnel() as made, carrying(made):
            asked = [Asked() for _ in range(200)]
            for endpoint in asked:
                session_of(made).open(Open("router")).endpoint = endpoint
            await until(lambda: all(endpoint.answer for endpoint in asked), "answers")
            assert {endpoint.answer for endpoint in asked} == {Code.UNKNOWN}
            assert len(made.lines("do not offer", "router")) == 1

    run(main())


@pytest.mark.parametrize("seed", range(8))
def test_noise_after_the_101_ends_that_connection_alone(seed: int) -> None:
    async def main() -> None:
        async with tunnel() as made, carrying(made):
            config = client_config({"echo": 1}, made.server.door.port)
            dialler = Dialler(derive(config), "127.0.0.1", os.urandom(16), Clock().now_ms(), os.urandom)
            pipe = await dial(config, None, dialler.upgrade)
            pipe.write([[random.Random(seed).randbytes(2000)]])
            await until(lambda: made.lines("handshake refused"), "a line in the log")
            pipe.abort("done")

    run(main())


def test_a_client_that_is_silent_after_the_101_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.server.login.HANDSHAKE_WAIT", 0.2)

    async def main() -> None:
        async with tunnel() as made, carrying(made):
            config = client_config({"echo": 1}, made.server.door.port)
            dialler = Dialler(derive(config), "127.0.0.1", os.urandom(16), Clock().now_ms(), os.urandom)
            pipe = await dial(config, None, dialler.upgrade)
            await until(lambda: made.lines("handshake timed out"), "a line in the log")
            assert len(made.server.sessions.table.sessions) == 1
            pipe.abort("done")

    run(main())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Switching"])
def test_a_server_that_never_finishes_its_answer_is_given_up(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.uplink.dial.HANDSHAKE_WAIT", 0.2)

    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            await leave(writer)

        server = Service(silent)
        await server.start()
        config = client_config({"echo": 1}, server.port)
        with pytest.raises(UnreachableError, match="did not answer"):
            await connect(config, None, derive(config), os.urandom(16), Clock(), None)
        await server.stop()

    run(main())
