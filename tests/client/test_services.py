"""What the server asks for, judged by home's own file; names that do not resolve; streams that end meanwhile."""

import asyncio
import socket
import time
from dataclasses import replace

import pytest

from hushgate.client.app import Client
from hushgate.client.services import Services
from hushgate.config.model import Address, ClientService, Secret
from hushgate.link.endpoint import SocketEndpoint
from hushgate.protocol.frames import Code, Kind, Open
from tests.aio import run
from tests.link.joined import Side
from tests.logs import capture_logs
from tests.mcp.scene import running, stdio
from tests.tunnel import Service, leave, noting, tunnel, until

_BODY = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
INITIALIZE = (
    b"POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
    + _BODY
)


def offered(host: str, port: int, *, alias: bool = False) -> dict[str, ClientService]:
    return {"echo": ClientService("echo", Secret("x" * 30), Address(host, port), visitor_alias=alias)}


@pytest.mark.parametrize(
    "what", [Open("router"), Open("echo", kind=Kind.DATAGRAMS), Open("echo", e2e=1)], ids=["unknown", "flow", "e2e"]
)
def test_what_home_does_not_offer_is_reset(what: Open) -> None:
    async def main() -> None:
        side, services = Side(dialler=True), Services(offered("127.0.0.1", 1))
        services.connect(side.mux.open(what, time.monotonic()))
        assert (len(side.mux.streams), services.connections) == (0, 0)
        await services.stop()

    run(main())


def test_a_name_that_does_not_resolve_is_told_once() -> None:
    async def main() -> None:
        side, services = Side(dialler=True), Services(offered("x" * 64 + ".invalid", 1))
        for _ in range(3):
            services.connect(side.mux.open(Open("echo"), time.monotonic()))
        await until(lambda: not side.mux.streams, "the resets")
        await services.stop()

    with capture_logs() as lines:
        run(main())
    assert len([line for line in lines if "cannot be resolved" in str(line.get("reason"))]) == 1


def test_a_stream_that_ends_while_its_name_is_looked_up_is_not_connected() -> None:
    async def main() -> None:
        service = Service()
        await service.start()
        side, services = Side(dialler=True), Services(offered("localhost.", service.port))
        services.connect(side.mux.open(Open("echo"), time.monotonic()))
        side.mux.end(Code.AWAY, "")
        await asyncio.sleep(0.1)
        assert (service.visits, services.connections) == (0, 0)
        await services.stop()
        await service.stop()

    run(main())


@pytest.mark.parametrize("nodelay", [True, False])
def test_nodelay_is_that_of_the_service(nodelay: bool) -> None:
    async def main() -> None:
        service = Service()
        await service.start()
        offers = {"echo": replace(offered("127.0.0.1", service.port)["echo"], nodelay=nodelay)}
        side, services = Side(dialler=True), Services(offers)
        stream = side.mux.open(Open("echo"), time.monotonic())
        services.connect(stream)
        await until(lambda: isinstance(stream.endpoint, SocketEndpoint), "the connection")
        assert isinstance(stream.endpoint, SocketEndpoint)
        assert bool(stream.endpoint._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is nodelay
        side.mux.end(Code.AWAY, "")
        await services.stop()
        await service.stop()

    run(main())


def test_a_visitor_comes_from_its_alias() -> None:
    async def main() -> None:
        seen: list[str] = []
        service = Service(noting(seen))
        await service.start()
        side, services = Side(dialler=True), Services(offered("127.0.0.1", service.port, alias=True))
        for visitor in ("192.0.2.1 5000", "192.0.2.1 5001", "192.0.2.2 5000"):
            services.connect(side.mux.open(Open("echo", visitor=visitor), time.monotonic()))
        await until(lambda: len(seen) == 3, "three connections")
        assert len(set(seen)) == 2
        assert all(alias.startswith("127.") and alias != "127.0.0.1" for alias in seen)
        side.mux.end(Code.AWAY, "")
        await services.stop()
        await service.stop()

    run(main())


def test_a_program_is_a_service() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            config = made.home({"echo": 1})
            program = replace(config.services["echo"], local=Address("", 0), stdio=stdio())
            made.client = Client(replace(config, services={"echo": program}))
            await made.up()
            reader, writer = await made.visit()
            writer.write(INITIALIZE)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Mcp-Session-Id: " in head
            pid = int((await reader.readuntil(b"}}")).split(b'"pid": ')[1].rstrip(b"}"))
            made.client.reload(replace(config, services={"echo": replace(program, stdio=stdio())}))
            assert running([pid]), "nothing has changed"
            made.client.reload(replace(config, services={"echo": replace(program, stdio=stdio("modern"))}))
            await until(lambda: not running([pid]), "the program of the old file to end")
            writer.write(INITIALIZE)
            assert b"503 Service Unavailable" in await reader.read()
            await leave(writer)
            reader, writer = await made.visit()
            writer.write(INITIALIZE)
            await reader.readuntil(b'"pid": ')
            pid = int((await reader.readuntil(b"}}")).rstrip(b"}"))
            await made.client.stop()
            assert not running([pid]), "programs end with the client"
            await leave(writer)

    run(main())
