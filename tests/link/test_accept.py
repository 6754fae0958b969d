"""Listening: one sentence when an address cannot be had, every connection handed on, nothing after the close."""

import asyncio
import errno
import socket

import pytest

from hushgate.config.model import Address
from hushgate.errors import SystemFault
from hushgate.link.accept import Acceptor, turn_away
from tests.aio import run
from tests.logs import capture_logs
from tests.tunnel import ending, leave, until


def test_each_connection_is_handed_on_without_blocking() -> None:
    async def main() -> None:
        arrived: list[tuple[socket.socket, Address]] = []
        acceptor = Acceptor(Address("127.0.0.1", 0), lambda sock, peer: arrived.append((sock, peer)))
        visitors = [await asyncio.open_connection(*acceptor.address) for _ in range(100)]
        await until(lambda: len(arrived) == 100, "all connections")
        assert {peer.port for _, peer in arrived} == {w.get_extra_info("sockname")[1] for _, w in visitors}
        for sock, _ in arrived:
            assert not sock.getblocking()
            sock.close()
        address = acceptor.address
        acceptor.close()
        acceptor.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        for _, writer in visitors:
            await leave(writer)

    run(main())


def test_both_families_are_served_by_a_wildcard_of_six() -> None:
    async def main() -> None:
        arrived: list[socket.socket] = []
        acceptor = Acceptor(Address("::", 0), lambda sock, _: arrived.append(sock))
        for host in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(host, acceptor.address.port)
            await leave(writer)
        await until(lambda: len(arrived) == 2, "both")
        for sock in arrived:
            sock.close()
        acceptor.close()

    run(main())


def test_connections_inherit_nodelay() -> None:
    async def main() -> None:
        arrived: list[socket.socket] = []
        acceptor = Acceptor(Address("127.0.0.1", 0), lambda sock, _: arrived.append(sock))
        for on in (True, False):
            acceptor.nodelay = on
            assert acceptor.nodelay is on
            _, writer = await asyncio.open_connection(*acceptor.address)
            await until(lambda: arrived, "the connection")
            with arrived.pop() as sock:
                assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is on
            await leave(writer)
        acceptor.close()

    run(main())


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (Address("192.0.2.1", 0), "does not have that address"),
        (Address("no such host.invalid", 80), "cannot be resolved"),
    ],
)
def test_an_address_that_cannot_be_had_is_one_sentence(address: Address, words: str) -> None:
    async def main() -> None:
        with pytest.raises(SystemFault, match=words):
            Acceptor(address, lambda _sock, _peer: None)

    run(main())


def test_a_port_in_use_is_one_sentence() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(SystemFault, match=f"127.0.0.1:{port}: another program listens there"):
                Acceptor(Address("127.0.0.1", port), lambda _sock, _peer: None)

    run(main())


def test_whoever_is_turned_away_sees_an_orderly_end() -> None:
    async def main() -> None:
        acceptor = Acceptor(Address("127.0.0.1", 0), lambda sock, _: turn_away(sock))
        reader, writer = await asyncio.open_connection(*acceptor.address)
        assert await ending(reader) == "closed"
        await leave(writer)
        acceptor.close()

    run(main())


def test_a_shortage_of_descriptors_is_one_line_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.accept._PAUSE", 0.02)

    class Short(socket.socket):
        left = 2

        def accept(self) -> tuple[socket.socket, object]:
            if Short.left:
                Short.left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr("hushgate.link.accept.socket.socket", Short)

    async def main() -> None:
        arrived: list[socket.socket] = []
        acceptor = Acceptor(Address("127.0.0.1", 0), lambda sock, _: arrived.append(sock))
        monkeypatch.undo()
        _, writer = await asyncio.open_connection(*acceptor.address)
        await until(lambda: arrived, "the connection, in the end")
        arrived[0].close()
        await leave(writer)
        acceptor.close()

    with capture_logs() as lines:
        run(main())
    assert len([line for line in lines if "no descriptor" in line["event"]]) <= 1
