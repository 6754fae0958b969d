"""What only sockets can do: resets, peers that never answer, buffers, socket options."""

import asyncio
import gc
import os
import socket
import struct

import pytest

from hushgate.config.model import Tcp
from hushgate.errors import PipeError
from hushgate.protocol.limits import RECEIVE_HEAD, RECEIVE_ROOMY
from hushgate.tasks import Tasks
from hushgate.transports import stream, tcp
from hushgate.transports.loop import fast_sockets
from tests.aio import run
from tests.transports.pairs import Probe
from tests.tunnel import until


async def accepted() -> tuple[socket.socket, stream.SocketPipe, Probe]:
    """A raw blocking socket, and our pipe at its other end with a user."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw = socket.create_connection(listener.getsockname())
        pipe = await tcp.accept(listener.accept()[0])
    pipe.switch(probe := Probe())
    return raw, pipe, probe


def test_a_reset_has_words() -> None:
    async def main() -> None:
        raw, _pipe, probe = await accepted()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        await probe.over.wait()
        assert probe.error == "the peer reset the connection"

    run(main())


def test_a_peer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(stream, "CLOSE_WAIT", 0.05)
        raw, pipe, probe = await accepted()
        pipe.write([[b"last words"]])
        pipe.close()
        await probe.over.wait()
        assert probe.error == "the peer did not end the closed connection"
        assert raw.recv(100) == b"last words"
        raw.close()

    run(main())


def test_a_half_closed_peer_still_gets_what_was_written() -> None:
    async def main() -> None:
        raw, pipe, probe = await accepted()

        def answer(view: memoryview) -> int:
            pipe.write([[b"answer"]])
            return len(view)

        probe.use = answer
        raw.sendall(b"question")
        raw.shutdown(socket.SHUT_WR)
        await probe.over.wait()
        assert probe.error is None
        loop = asyncio.get_running_loop()
        raw.setblocking(False)
        assert await loop.sock_recv(raw, 100) == b"answer"
        assert await loop.sock_recv(raw, 100) == b""
        raw.close()

    run(main())


@pytest.mark.parametrize("roomy", [False, True])
def test_the_receive_buffer_has_a_limit(roomy: bool) -> None:
    async def main() -> None:
        raw, pipe, probe = await accepted()
        if roomy:
            pipe.roomy()
        seen: list[int] = []

        def ignore(view: memoryview) -> int:
            seen.append(len(view))
            return 0

        probe.use = ignore
        raw.setblocking(False)
        sending = asyncio.get_running_loop().sock_sendall(raw, bytes(2 * RECEIVE_ROOMY))
        with pytest.raises(OSError):
            await asyncio.gather(sending, probe.over.wait())
            await asyncio.get_running_loop().sock_recv(raw, 1)
        assert max(seen) == (RECEIVE_ROOMY if roomy else RECEIVE_HEAD)
        raw.close()

    run(main())


def test_roomy_keeps_unread_bytes_even_inside_received() -> None:
    async def main() -> None:
        raw, pipe, probe = await accepted()

        def use(view: memoryview) -> int:
            pipe.roomy()
            return 3 if len(view) == 5 else len(view)

        probe.use = use
        raw.sendall(b"12345")
        await probe.wait_for(3)
        raw.sendall(b"6")
        assert await probe.wait_for(6) == b"123456"
        raw.close()
        await probe.over.wait()

    run(main())


TIMES = stream._KEEPALIVE_IDLE or 0, socket.TCP_KEEPINTVL


@pytest.mark.parametrize(
    ("options", "probes", "idle", "interval"),
    [
        (Tcp(), True, 20, 8),
        (Tcp(nodelay=False, keepalive_secs=30, keepalive_interval=0), True, 30, None),
        (Tcp(keepalive_secs=0), False, None, None),
    ],
)
def test_socket_options(options: Tcp, probes: bool, idle: int | None, interval: int | None) -> None:
    async def main() -> None:
        raw, pipe, probe = await accepted()
        sock = pipe._transport.get_extra_info("socket")
        system = [sock.getsockopt(socket.IPPROTO_TCP, time) for time in TIMES]
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), "a stranger would see probes"
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        pipe.tune(options)
        assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is options.nodelay
        assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is probes
        assert [sock.getsockopt(socket.IPPROTO_TCP, time) for time in TIMES] == [
            idle or system[0],
            interval or system[1],
        ]
        raw.close()
        await probe.over.wait()
        pipe.abort("over")
        pipe.tune(options)

    run(main())


def test_dialling_fails_with_the_address_and_the_cause() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(PipeError, match=f"127.0.0.1:{port}: the connection was refused"):
            await tcp.connect("127.0.0.1", port)
        with pytest.raises(PipeError, match=r"nowhere\.invalid:1: the name cannot be resolved"):
            await tcp.connect("nowhere.invalid", 1)

    run(main())


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def test_dialling_may_be_cancelled_at_any_moment_and_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast_sockets():
        # uvloop's own connections leave a cancelled socket to the collector, and nothing of ours reaches it.
        monkeypatch.setenv("HUSHGATE_LOOP", "asyncio")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
            tasks = Tasks("dialling")
            before = descriptors()
            for turns in range(20):
                dialling = tasks.start("dial", tcp.connect("127.0.0.1", server.getsockname()[1]))
                await until(lambda: descriptors() > before, "the socket")
                for _ in range(turns):
                    await asyncio.sleep(0)
                dialling.cancel()
                await asyncio.wait([dialling])
                if not dialling.cancelled():
                    dialling.result().abort("the test is over")
                await until(lambda: descriptors() == before, "the socket to be closed", 2)

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()
