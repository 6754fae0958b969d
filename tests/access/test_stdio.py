"""Descriptors of every kind as the end of a stream."""

import asyncio
import contextlib
import os
import pty
import socket
import threading
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hushgate.access.stdio import Stdio
from hushgate.link.finish import finish_all
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.stream import Stream
from hushgate.transports.memory import memory_pair
from tests.aio import run
from tests.link.joined import Side, Voice
from tests.protocol.pair import pattern
from tests.tunnel import until


class Ends:
    """What becomes of a Stdio: `over` when it is told."""

    def __init__(self) -> None:
        self.over: list[tuple[Code, str]] = []
        self.far: Voice

    def told(self, code: Code, text: str) -> None:
        self.over.append((code, text))


@contextlib.asynccontextmanager
async def joined(source: int, sink: int) -> AsyncIterator[Ends]:
    """A Stdio over two links of memory; the descriptors are closed at the end."""
    ends = Ends()
    near = Side(dialler=True)
    here, there = memory_pair(loop=asyncio.get_running_loop())

    class Home(Side):
        def incoming(self, stream: Stream) -> None:
            ends.far = Voice(stream, ends=False)

    far = Home(dialler=False)
    near.attach(here)
    far.attach(there)
    Stdio(near.mux.open(Open("echo"), 0.0), ends.told, source, sink).start()
    await until(lambda: hasattr(ends, "far"), "the stream")
    try:
        yield ends
    finally:
        near.mux.close(Code.DONE)
        await finish_all([near.link])
        for descriptor in {source, sink}:
            os.close(descriptor)


def pipes() -> tuple[int, int, int, int]:
    """Our input, our output, and what their other ends are: to write to, to read from."""
    source, to_us = os.pipe()
    from_us, sink = os.pipe()
    return source, sink, to_us, from_us


def read_all(descriptor: int) -> bytes:
    data = b""
    while piece := os.read(descriptor, 1 << 16):
        data += piece
    return data


def test_both_directions_end_on_their_own() -> None:
    async def main() -> None:
        source, sink, to_us, from_us = pipes()
        async with joined(source, sink) as ends:
            os.write(to_us, b"question")
            os.close(to_us)
            await until(lambda: ends.far.finished, "the end of the input")
            assert (bytes(ends.far.got), ends.over) == (b"question", [])
            ends.far.say(b"answer", ends=True)
            assert await asyncio.to_thread(read_all, from_us) == b"answer"
            await until(lambda: ends.over, "the end")
            assert ends.over == [(Code.DONE, "")]
        os.close(from_us)

    run(main())


def test_the_far_end_may_be_the_first_to_finish() -> None:
    async def main() -> None:
        source, sink, to_us, from_us = pipes()
        async with joined(source, sink) as ends:
            ends.far.say(b"", ends=True)
            assert await asyncio.to_thread(read_all, from_us) == b""
            os.write(to_us, b"still heard")
            os.close(to_us)
            await until(lambda: ends.over, "the end")
            assert bytes(ends.far.got) == b"still heard"
        os.close(from_us)

    run(main())


def test_much_both_ways_arrives_whole_and_whoever_is_slow_holds_the_other_back() -> None:
    async def main() -> None:
        source, sink, to_us, from_us = pipes()
        up, down = pattern(20_000_000, 1), pattern(20_000_000, 2)

        def write() -> None:
            view = memoryview(up)
            while view:
                view = view[os.write(to_us, view[:50_000]) :]
            os.close(to_us)

        async with joined(source, sink) as ends:
            ends.far.room = 0
            writing = threading.Thread(target=write, daemon=True)
            writing.start()
            ends.far.say(down, ends=True)
            await until(lambda: ends.far.stream.starved, "the far end to be held back")
            assert writing.is_alive()
            ends.far.room = None
            ends.far.stream.drain()
            assert await asyncio.to_thread(read_all, from_us) == down
            await asyncio.to_thread(writing.join, 20)
            await until(lambda: ends.over and len(ends.far.got) >= len(up), "the end, at the far end as well")
            assert bytes(ends.far.got) == up
        os.close(from_us)

    run(main())


def test_a_reader_that_has_gone_ends_it_in_order() -> None:
    async def main() -> None:
        source, sink, to_us, from_us = pipes()
        async with joined(source, sink) as ends:
            os.close(from_us)
            ends.far.say(b"nobody hears this")
            await until(lambda: ends.over, "the end")
            assert ends.over == [(Code.DONE, "")]
            await until(lambda: ends.far.was_reset, "the reset")
        os.close(to_us)

    run(main())


def test_a_reset_is_told_with_its_reason() -> None:
    async def main() -> None:
        source, sink, to_us, from_us = pipes()
        async with joined(source, sink) as ends:
            ends.far.stream.reset(Code.AWAY, "home is away")
            await until(lambda: ends.over, "the end")
            assert ends.over == [(Code.AWAY, "home is away")]
        os.close(to_us)
        os.close(from_us)

    run(main())


def files(folder: Path) -> tuple[int, int, Callable[[], bytes]]:
    (folder / "in").write_bytes(b"question")
    sink = os.open(folder / "out", os.O_WRONLY | os.O_CREAT)
    return os.open(folder / "in", os.O_RDONLY), sink, (folder / "out").read_bytes


def one_socket(folder: Path) -> tuple[int, int, Callable[[], bytes]]:
    """ssh may give its ProxyCommand one socket for both; it may be non-blocking."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(b"question")
    theirs.shutdown(socket.SHUT_WR)
    descriptor = ours.detach()

    def written() -> bytes:
        with theirs:
            return theirs.recv(100)

    return descriptor, descriptor, written


def terminal(folder: Path) -> tuple[int, int, Callable[[], bytes]]:
    outer, inner = pty.openpty()
    tty.setraw(inner)
    os.write(outer, b"question")

    def written() -> bytes:
        try:
            return os.read(outer, 100)
        finally:
            os.close(outer)

    return inner, inner, written


@pytest.mark.parametrize("kind", [files, one_socket, terminal])
def test_whatever_the_descriptors_are(
    kind: Callable[[Path], tuple[int, int, Callable[[], bytes]]], tmp_path: Path
) -> None:
    async def main() -> None:
        source, sink, written = kind(tmp_path)
        async with joined(source, sink) as ends:
            await until(lambda: ends.far.got == b"question", "the question")
            ends.far.say(b"answer", ends=kind is not terminal)
            if kind is not terminal:
                await until(lambda: ends.over, "the end")
            assert await asyncio.to_thread(written) == b"answer"

    run(main())


def test_dev_null_has_nothing_to_say_and_takes_everything() -> None:
    async def main() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        async with joined(null, null) as ends:
            await until(lambda: ends.far.finished, "the end of the input")
            ends.far.say(pattern(1_000_000), ends=True)
            await until(lambda: ends.over, "the end")
            assert ends.over == [(Code.DONE, "")]

    run(main())
