"""Names are looked up in a thread that nobody waits for."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hushgate.transports.loop import new_event_loop
from hushgate.transports.resolve import Resolver
from tests.aio import run
from tests.tunnel import until

PLAIN = socket.getaddrinfo


class Server:
    """A name server that answers when it is told to. `asked`: for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def getaddrinfo(self, host: str, port: int, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            self.asked.append(host)
            assert self.answers.wait(20)
            host = "127.0.0.1" if host == "known" else "not a name"
        return PLAIN(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.answers.set()
    for thread in threading.enumerate():
        if thread.name.startswith("resolve "):
            thread.join(20)


def test_who_asks_for_the_same_name_shares_the_answer(server: Server) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        resolver = Resolver(loop)
        loop.call_later(0.05, server.answers.set)
        first, second = await asyncio.gather(*(resolver.getaddrinfo("known", 7) for _ in range(2)))
        assert first is second
        assert {info[4] for info in first} == {("127.0.0.1", 7)}
        assert server.asked == ["known"]
        assert await resolver.getaddrinfo("known", 7)
        assert server.asked == ["known"] * 2, "nothing is kept"

    run(main())


def test_an_address_needs_no_thread(server: Server) -> None:
    async def main() -> None:
        found = await Resolver(asyncio.get_running_loop()).getaddrinfo("127.0.0.1", 7, type=socket.SOCK_STREAM)
        assert [info[4] for info in found] == [("127.0.0.1", 7)]
        assert server.asked == []

    run(main())


def test_a_failure_is_told_to_all_or_to_nobody(server: Server) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        resolver = Resolver(loop)
        loop.call_later(0.05, server.answers.set)
        asked = [resolver.getaddrinfo("unknown", 7) for _ in range(2)]
        assert [type(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == [socket.gaierror] * 2
        server.answers.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(resolver.getaddrinfo("unknown", 7), 0.02)
        server.answers.set()
        await until(lambda: not resolver._asked, "the answer that nobody waits for")

    run(main())


def test_a_loop_that_looks_for_a_name_ends_at_once(server: Server) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.get_running_loop().getaddrinfo("known", 7)

    started = time.monotonic()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
    assert time.monotonic() - started < 15, "the name server would have taken twenty"
    assert server.asked == ["known"]
