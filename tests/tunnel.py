"""Server, client and local services in one loop, with a relay between client and server that can cut the link.

visitor ── public port ── Server ── Cutter ── Client ── echo service
"""

import asyncio
import contextlib
import hashlib
import random
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from hushgate.client.app import Client
from hushgate.config.model import (
    Address,
    ClientConfig,
    ClientService,
    Limits,
    Remote,
    Secret,
    ServerConfig,
    ServerService,
    Timing,
)
from hushgate.server.app import Server
from tests.cutter import Cutter
from tests.logs import capture_logs

QUICK = Timing(grace=30.0, visitor_wait=20.0, drain=10.0)
_AT_ONCE = 100
"""Turns of the loop in which a test that waits looks again without a pause: what is local takes a few."""
Handler = Callable[[StreamReader, StreamWriter], Any]


def token(service: str, which: str = "current") -> Secret:
    return Secret(f"the {which} token of {service}, long enough")


def access_key(service: str, which: str = "current") -> Secret:
    return Secret(f"the {which} access key of {service}, long enough")


def server_config(
    ports: Mapping[str, int], timing: Timing = QUICK, door: int = 0, limits: Limits | None = None
) -> ServerConfig:
    """A server of these services, each with its public port (0: any) and an access key."""
    services = {
        name: ServerService(name, (token(name),), bind=Address("127.0.0.1", port), access_keys=(access_key(name),))
        for name, port in ports.items()
    }
    return ServerConfig(Address("127.0.0.1", door), services, timing=timing, limits=limits or Limits())


def client_config(
    services: Mapping[str, int], door: int, timing: Timing = QUICK, tokens: Mapping[str, Secret] | None = None
) -> ClientConfig:
    """A client that offers these services, each with its local port."""
    known = tokens or {}
    return ClientConfig(
        Remote("ws", "127.0.0.1", door),
        {
            name: ClientService(name, known.get(name, token(name)), Address("127.0.0.1", port))
            for name, port in services.items()
        },
        timing=timing,
    )


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    """Sends back what comes, and half-closes after it."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def noting(seen: list[str]) -> Handler:
    """Notes the address that each connection comes from, and ends it."""

    async def handler(_: StreamReader, writer: StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername")[0])
        writer.transport.abort()

    return handler


class Service:
    """A local service at home. `visits` counts its connections."""

    def __init__(self, handler: Handler = echo) -> None:
        self._handler = handler
        self._running = 0
        self.visits = 0
        self.writers: set[StreamWriter] = set()
        self._server: asyncio.Server

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        while self._running:
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)

    async def _visit(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.visits += 1
        self._running += 1
        self.writers.add(writer)
        try:
            await self._handler(reader, writer)
        finally:
            self._running -= 1
            self.writers.discard(writer)


class Tunnel:
    """The parts, and what a test asks of them. `log` holds every event since the start."""

    def __init__(self, timing: Timing = QUICK, limits: Limits | None = None, handler: Handler = echo) -> None:
        self.timing = timing
        self.limits = limits
        self.cutter = Cutter()
        self.service = Service(handler)
        self.log: list[Any] = []
        self.server: Server
        self.client: Client

    async def start(self, services: Mapping[str, int] | None = None) -> None:
        """Starts everything; `services` are those of the server with their public ports."""
        await self.service.start()
        await self.cutter.start()
        await self.start_server(services or {"echo": 0})
        self.client = Client(self.home({"echo": self.service.port}))

    def home(self, services: Mapping[str, int], tokens: Mapping[str, Secret] | None = None) -> ClientConfig:
        return client_config(services, self.cutter.port, self.timing, tokens)

    async def start_server(self, services: Mapping[str, int], door: int = 0) -> None:
        self.server = Server(server_config(services, self.timing, door, self.limits))
        await self.server.start()
        self.cutter.target = self.server.door.port

    async def restart_server(self) -> None:
        """Another server object on the same ports."""
        ports = {name: port.address.port for name, port in self.server.ports.items()}
        door = self.server.door.port
        await self.server.stop()
        await self.start_server(ports, door)

    async def up(self) -> None:
        """Starts the client and waits for its link."""
        await self.client.start()
        await until(lambda: self.client.uplink.link is not None and self.route() is not None, "the link")

    def route(self, service: str = "echo") -> object | None:
        found = self.server.registry.find(service)
        return found if found and found.up else None

    async def stop(self) -> None:
        await self.client.stop()
        await self.server.stop()
        await self.cutter.stop()
        await self.service.stop()

    def port(self, service: str = "echo") -> int:
        return self.server.ports[service].address.port

    async def visit(self, service: str = "echo") -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port(service))

    def lines(self, *words: str) -> list[Any]:
        """The log's lines that hold all of these words in their event or values."""
        return [line for line in self.log if all(word in " ".join(map(str, line.values())) for word in words)]

    @property
    def empty(self) -> bool:
        """Whether no stream, local connection or visitor is left at either end."""
        visitors = sum(port.visitors for port in self.server.ports.values())
        visitors += sum(lobby.waiting for lobby in self.server.lobbies.values())
        return not (self.server.streams or self.client.uplink.streams or self.client.services.connections or visitors)


@contextlib.asynccontextmanager
async def tunnel(
    timing: Timing = QUICK,
    services: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    handler: Handler = echo,
    *,
    up: bool = True,
) -> AsyncIterator[Tunnel]:
    """A tunnel, torn down at the end. Without `up` the client is not started."""
    made = Tunnel(timing, limits, handler)
    with capture_logs() as made.log:
        await made.start(services)
        try:
            if up:
                await made.up()
            yield made
        finally:
            await made.stop()


async def until(true: Callable[[], object], what: str, within: float = 10.0) -> None:
    """Waits until `true()`; fails with `what` when it does not become so."""
    deadline = time.monotonic() + within
    turns = 0
    while not true():
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        turns += 1
        await asyncio.sleep(0 if turns < _AT_ONCE else 0.005)


async def say(visitor: tuple[StreamReader, StreamWriter], text: bytes) -> None:
    """A round trip through the echo service."""
    reader, writer = visitor
    writer.write(text)
    assert await asyncio.wait_for(reader.readexactly(len(text)), 20) == text


async def exchange(tunnel: Tunnel, size: int, seed: int, service: str = "echo") -> None:
    """Sends `size` random bytes through the echo service while reading, and compares digests; ends by half-close."""
    reader, writer = await tunnel.visit(service)
    dice = random.Random(seed)
    sent, received, count = hashlib.sha256(), hashlib.sha256(), 0

    async def write() -> None:
        left = size
        while left:
            data = dice.randbytes(min(left, dice.randrange(1, 100_000)))
            left -= len(data)
            sent.update(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def read() -> None:
        nonlocal count
        while data := await reader.read(65_536):
            received.update(data)
            count += len(data)

    await asyncio.gather(write(), read())
    await leave(writer)
    assert count == size, f"stream {seed}: {count} of {size} bytes"
    assert received.digest() == sent.digest()


async def leave(writer: StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def ending(reader: StreamReader) -> str:
    """How a connection ended: "closed" or "reset"."""
    try:
        return "closed" if await asyncio.wait_for(reader.read(), 20) == b"" else "data"
    except ConnectionResetError:
        return "reset"


async def knock(tunnel: Tunnel, service: str = "echo") -> str:
    """How the connection of a visitor ends who says nothing and is turned away."""
    try:
        reader, writer = await tunnel.visit(service)
    except ConnectionResetError:
        return "reset"
    how = await ending(reader)
    await leave(writer)
    return how
