"""Our epoll tells what the loop itself would tell."""

import asyncio
import socket
import sys
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from hushgate.link.readiness import EpollReadiness, Readiness, readiness, release
from tests.aio import run
from tests.link.joined import tcp_pair
from tests.tunnel import until


def the_loop() -> Readiness:
    return asyncio.get_running_loop()


def our_epoll() -> Readiness:
    return EpollReadiness(asyncio.get_running_loop())


both = pytest.mark.parametrize("make", [the_loop, our_epoll])


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0.001)


def move(act: Callable[[], object]) -> int:
    """How often `act` sends or receives before it would block."""
    for times in count():
        try:
            act()
        except BlockingIOError:
            return times
    raise AssertionError


async def fill(sock: socket.socket) -> None:
    """Writes until neither end has room."""
    await until(lambda: not move(lambda: sock.send(bytes(65536))), "the buffers to be full")


async def drain(sock: socket.socket) -> None:
    """Reads until nothing is on the way."""
    await until(lambda: not move(lambda: sock.recv(65536)), "the buffers to be empty")


class Calls:
    """What was called back."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def by(self, name: str) -> Callable[[], None]:
        return lambda: self.names.append(name)

    async def soon(self) -> set[str]:
        """Who is called back in the next turns."""
        await turns()
        self.names.clear()
        await turns()
        return set(self.names)


@both
def test_a_reader_is_called_while_there_is_something_to_read(make: Callable[[], Readiness]) -> None:
    async def main() -> None:
        ready, calls, (one, other) = make(), Calls(), tcp_pair()
        with one, other:
            ready.add_reader(one.fileno(), calls.by("reader"))
            assert not await calls.soon()
            other.send(b"x")
            await until(lambda: len(calls.names) > 2, "the calls")
            one.recv(1)
            assert not await calls.soon()
            other.shutdown(socket.SHUT_WR)
            await until(lambda: calls.names, "the end")
            ready.remove_reader(one.fileno())
            assert not await calls.soon()

    run(main())


@both
@pytest.mark.parametrize("first", ["reader", "writer"])
def test_reader_and_writer_of_one_socket_come_and_go_by_themselves(make: Callable[[], Readiness], first: str) -> None:
    async def main() -> None:
        ready, calls, (one, other) = make(), Calls(), tcp_pair()
        add = {"reader": ready.add_reader, "writer": ready.add_writer}
        remove = {"reader": ready.remove_reader, "writer": ready.remove_writer}
        second = "writer" if first == "reader" else "reader"
        with one, other:
            for name in (first, second):
                add[name](one.fileno(), calls.by(name))
            assert await calls.soon() == {"writer"}
            await fill(one)
            assert not await calls.soon()
            other.send(b"x")
            await until(lambda: calls.names, "the byte")
            assert await calls.soon() == {"reader"}
            await drain(other)
            assert await calls.soon() == {"reader", "writer"}
            remove[first](one.fileno())
            assert await calls.soon() == {second}
            remove[second](one.fileno())
            assert not await calls.soon()

    run(main())


@both
@pytest.mark.parametrize("who", ["reader", "writer"])
def test_a_reset_is_told_to_either(make: Callable[[], Readiness], who: str) -> None:
    async def main() -> None:
        ready, calls, (one, other) = make(), Calls(), tcp_pair()
        with one:
            await fill(one)
            add, remove = {
                "reader": (ready.add_reader, ready.remove_reader),
                "writer": (ready.add_writer, ready.remove_writer),
            }[who]
            add(one.fileno(), calls.by(who))
            assert not await calls.soon()
            other.close()
            await until(lambda: calls.names, "the reset")
            remove(one.fileno())

    run(main())


def test_what_a_callback_closed_is_not_called_any_more() -> None:
    async def main() -> None:
        ready, pairs = our_epoll(), [tcp_pair() for _ in range(2)]
        calls: list[socket.socket] = []

        def called(sock: socket.socket) -> None:
            calls.append(sock)
            for one, other in pairs:
                ready.remove_reader(one.fileno())
                one.close()
                other.close()

        for one, other in pairs:
            other.send(b"x")
            ready.add_reader(one.fileno(), partial(called, one))
        await until(lambda: calls, "a call")
        await turns()
        assert len(calls) == 1

    run(main())


def test_linux_has_the_epoll() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(readiness(loop), EpollReadiness) == (sys.platform == "linux")

    run(main())


def test_the_descriptor_goes_with_the_last_socket_that_is_watched() -> None:
    async def main() -> None:
        ready = EpollReadiness(asyncio.get_running_loop())
        one, other = tcp_pair()
        called: list[int] = []
        with one, other:
            ready.add_reader(one.fileno(), lambda: called.append(1))
            ready.add_writer(one.fileno(), lambda: None)
            release(ready)
            other.send(b"x")
            await until(lambda: called, "the socket that is watched still")
            ready.remove_writer(one.fileno())
            assert not ready._epoll.closed
            ready.remove_reader(one.fileno())
            assert ready._epoll.closed
            release(ready)

    run(main())


def test_the_loop_is_nobodys_to_release() -> None:
    async def main() -> None:
        release(the_loop())
        assert not asyncio.get_running_loop().is_closed()

    run(main())
