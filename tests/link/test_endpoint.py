"""The local end of a stream: every order of half-close, close and reset, without leaks and without a spinning loop."""

import asyncio
import hashlib
import random
import socket
import time
from collections.abc import Callable
from itertools import permutations

import pytest

from hushgate.link.endpoint import SocketEndpoint, reset_on_close
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.limits import WINDOW_MAX
from tests.aio import run
from tests.link.joined import Side, joined, tcp_pair
from tests.tunnel import until


async def receive(sock: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, or what came before the end."""
    data, loop = b"", asyncio.get_running_loop()
    while len(data) < size and (more := await asyncio.wait_for(loop.sock_recv(sock, size - len(data)), 10)):
        data += more
    return data


async def end_of(sock: socket.socket) -> str:
    try:
        return "finish" if await receive(sock, 1) == b"" else "data"
    except ConnectionResetError:
        return "reset"


def abort(sock: socket.socket) -> None:
    reset_on_close(sock)
    sock.close()


def test_bytes_pass_both_ways_and_each_half_ends_by_itself() -> None:
    async def main() -> None:
        async with joined() as made:
            made.visitor.send(b"question")
            assert await receive(made.service, 8) == b"question"
            made.visitor.shutdown(socket.SHUT_WR)
            assert await end_of(made.service) == "finish"
            made.service.send(b"answer after the end")
            assert await receive(made.visitor, 20) == b"answer after the end"
            made.service.shutdown(socket.SHUT_WR)
            assert await end_of(made.visitor) == "finish"
            await until(lambda: made.freed, "both ends to be freed")

    run(main())


@pytest.mark.parametrize("order", list(permutations(["visitor", "service"])))
@pytest.mark.parametrize("data", [b"", b"last words"])
def test_whoever_closes_first_both_ends_are_freed(order: tuple[str, str], data: bytes) -> None:
    async def main() -> None:
        async with joined() as made:
            ends = {"visitor": made.visitor, "service": made.service}
            first, second = (ends[name] for name in order)
            first.send(data)
            first.shutdown(socket.SHUT_WR)
            assert await receive(second, len(data) + 1) == data
            second.send(data)
            second.close()
            assert await receive(first, len(data) + 1) == data
            await until(lambda: made.freed, "both ends to be freed")

    run(main())


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("who", ["visitor", "service"])
def test_a_reset_reaches_the_other_end(who: str, finished: bool) -> None:
    async def main() -> None:
        async with joined() as made:
            ends = [made.visitor, made.service]
            if who == "service":
                ends.reverse()
            if finished:
                ends[1].shutdown(socket.SHUT_WR)
                assert await end_of(ends[0]) == "finish"
            abort(ends[0])
            if finished:
                await until(lambda: made.freed, "both ends to be freed")
            assert await end_of(ends[1]) == "reset"
            await until(lambda: made.freed, "both ends to be freed")

    run(main())


@pytest.mark.parametrize("who", ["visitor", "service"])
def test_a_peer_that_closed_fully_is_noticed_when_it_is_written_to(who: str) -> None:
    async def main() -> None:
        async with joined() as made:
            ends = [made.visitor, made.service]
            if who == "service":
                ends.reverse()
            ends[0].close()
            assert await end_of(ends[1]) == "finish"
            for _ in range(20):
                try:
                    ends[1].send(b"anybody there?")
                except OSError:
                    break
                await asyncio.sleep(0.01)
            await until(lambda: made.freed, "both ends to be freed")

    run(main())


@pytest.mark.parametrize("state", ["idle", "one half", "full"])
def test_nothing_spins_while_nothing_moves(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    for name in ("_on_readable", "_on_writable"):
        plain = getattr(SocketEndpoint, name)

        def counted(self: SocketEndpoint, plain: Callable[[SocketEndpoint], None] = plain) -> None:
            calls[0] += 1
            plain(self)

        monkeypatch.setattr(SocketEndpoint, name, counted)

    async def main() -> None:
        async with joined() as made:
            if state == "one half":
                made.visitor.shutdown(socket.SHUT_WR)
                assert await end_of(made.service) == "finish"
            elif state == "full":
                made.pipes[0].path.stalled = True
                for _ in range(200):
                    try:
                        made.visitor.send(bytes(65536))
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            before = calls[0]
            await asyncio.sleep(0.1)
            assert calls[0] - before <= 2

    run(main())


def test_a_sink_that_is_full_holds_back_its_own_stream_alone_and_loses_nothing() -> None:
    async def main() -> None:
        async with joined() as made:
            dice, sent, loop = random.Random(1), hashlib.sha256(), asyncio.get_running_loop()
            size = 2 * WINDOW_MAX
            received, count = hashlib.sha256(), 0

            async def write() -> None:
                for _ in range(size // 65536):
                    data = dice.randbytes(65536)
                    sent.update(data)
                    await loop.sock_sendall(made.visitor, data)
                made.visitor.shutdown(socket.SHUT_WR)

            async def read() -> None:
                nonlocal count
                (stream,) = made.far.mux.streams.values()
                await until(lambda: stream.backlog, "the sink to be full")
                while data := await loop.sock_recv(made.service, 262_144):
                    received.update(data)
                    count += len(data)
                    for stream in made.far.mux.streams.values():
                        assert sum(map(len, stream.backlog)) <= WINDOW_MAX

            await asyncio.gather(write(), read())
            assert (count, received.digest()) == (size, sent.digest())

    run(main(), 60)


@pytest.mark.parametrize("who", ["visitor", "service"])
def test_a_reset_right_behind_bytes_is_noticed(who: str) -> None:
    async def main() -> None:
        async with joined() as made:
            dying = made.visitor if who == "visitor" else made.service
            dying.send(b"last words")
            abort(dying)
            await until(lambda: made.freed, "both ends to be freed", 2.5)

    run(main())


def test_a_reset_does_not_cut_off_the_bytes_before_it_while_they_move() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].abort("cut")
            await until(lambda: made.near.reasons, "the link to end")
            (stream,) = made.near.mux.streams.values()
            endpoint = stream.endpoint
            assert isinstance(endpoint, SocketEndpoint)
            made.visitor.send(b"bytes")
            abort(made.visitor)
            for _ in range(3):
                stream.sent += 1
                endpoint.look()
                assert not made.near.closed
            endpoint.look()
            assert made.near.closed

    run(main())


@pytest.mark.parametrize("asked", [(65_000, 65_000), (65_000, 20_000, 20_000), (65_000, 35_000)])
def test_what_was_received_ahead_is_given_in_order_and_its_end_told(asked: tuple[int, ...]) -> None:
    async def main() -> None:
        side, (visitor, inner) = Side(dialler=True), tcp_pair()
        stream = side.mux.open(Open("echo"), time.monotonic())
        side.bind(stream, inner)
        data = random.Random(1).randbytes(100_000)
        with visitor:
            await asyncio.get_running_loop().sock_sendall(visitor, data)
            await until(lambda: len(inner.recv(len(data), socket.MSG_PEEK)) == len(data), "the bytes")
            taken = [bytes(stream.endpoint.take(n) or b"") for n in asked]
            assert [len(part) for part in taken[:-1]] == list(asked[:-1]) and b"".join(taken) == data
            assert stream.endpoint.take(65_000) == b""
            visitor.shutdown(socket.SHUT_WR)
            await until(lambda: stream.endpoint.take(65_000) is None, "the end")
        side.mux.abort(stream, Code.DONE)

    run(main())


def test_among_many_nothing_is_received_ahead() -> None:
    async def main() -> None:
        side, (visitor, inner) = Side(dialler=True), tcp_pair()
        streams = [side.mux.open(Open("echo"), time.monotonic()) for _ in range(5)]
        side.bind(streams[0], inner)
        for rival in streams[1:]:
            rival.ready()
        with visitor:
            await asyncio.get_running_loop().sock_sendall(visitor, bytes(100_000))
            await until(lambda: len(inner.recv(100_000, socket.MSG_PEEK)) == 100_000, "the bytes")
            assert len(streams[0].endpoint.take(65_000) or b"") == 65_000
            assert len(inner.recv(100_000)) == 35_000
        side.mux.end(Code.DONE, "")

    run(main())


def test_bytes_and_ends_wait_while_the_link_is_away() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].abort("cut")
            await until(lambda: made.near.reasons and made.far.reasons, "the links to end")
            made.visitor.send(b"while away")
            made.visitor.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.02)
            made.relink()
            assert await receive(made.service, 11) == b"while away"
            made.service.close()
            await until(lambda: made.freed, "both ends to be freed")

    run(main())


@pytest.mark.parametrize(("code", "end"), [(Code.DONE, "finish"), (Code.AWAY, "reset"), (Code.LIMIT, "reset")])
def test_only_done_ends_in_order(code: Code, end: str) -> None:
    async def main() -> None:
        async with joined() as made:
            (stream,) = made.near.mux.streams.values()
            made.near.mux.abort(stream, code)
            assert await end_of(made.visitor) == await end_of(made.service) == end

    run(main())
