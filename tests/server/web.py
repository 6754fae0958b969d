"""A tunnel to one HTTP service: a real server and client in this loop, and a home service that the test writes."""

import asyncio
import contextlib
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from hushgate.config.model import (
    Address,
    Certificate,
    ClientConfig,
    Http,
    HttpRules,
    Secret,
    ServerConfig,
    ServerService,
)
from hushgate.server.app import Server
from hushgate.server.front import Front
from tests.tunnel import QUICK, Tunnel, token, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Handler:
    """Home's service: keeps the heads it saw and answers each with `answer`."""

    def __init__(self) -> None:
        self.answer = OK
        self.heads: list[bytes] = []
        self.ended = 0

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while head := await _head(reader):
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.heads.append(head + body)
                await self.reply(reader, writer)
        finally:
            self.ended += 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def reply(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(self.answer)
        await writer.drain()


async def _head(reader: StreamReader) -> bytes:
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        return await reader.readuntil(b"\r\n\r\n")
    return b""


class Web(Tunnel):
    """`http` None: a tcp service."""

    def __init__(
        self,
        handler: Handler,
        http: Http | None,
        *,
        certificate: Certificate | None = None,
        tls: bool = False,
        plain: bool = True,
        public: bool = True,
        gateway: bool = False,
    ) -> None:
        super().__init__(QUICK, None, handler)
        bind = Address("127.0.0.1", 0) if public else None
        self.offered = ServerService("echo", (token("echo"),), bind=bind, tls=tls, http=http)
        self.certificate = certificate
        self.plain = plain
        self.gateway = gateway
        """Whether home has a gateway as well."""
        self.rules: HttpRules | None = None
        """Of that gateway."""

    async def start_server(self, services: Mapping[str, int], door: int = 0) -> None:
        offered = self.offered
        if offered.bind:
            offered = replace(offered, bind=Address("127.0.0.1", services["echo"]))
        config = ServerConfig(
            Address("127.0.0.1", door),
            {"echo": offered},
            timing=self.timing,
            certificate=self.certificate,
            plain=self.plain,
        )
        self.server = Server(config)
        await self.server.start()
        self.cutter.target = self.server.door.port

    def home(self, services: Mapping[str, int], tokens: Mapping[str, Secret] | None = None) -> ClientConfig:
        config = super().home(services, tokens)
        local = config.services["echo"]
        return replace(
            config, services={"echo": replace(local, host=str(local.local), gateway=self.gateway, rules=self.rules)}
        )

    @property
    def waiting(self) -> int:
        return self.server.lobbies["echo"].waiting

    @property
    def front(self) -> Front:
        front = self.server.fronts.of("echo")
        assert front is not None
        return front


@contextlib.asynccontextmanager
async def web(made: Web, *, up: bool = True) -> AsyncIterator[Web]:
    await made.start()
    if up:
        await made.up()
    try:
        yield made
    finally:
        await made.stop()


class Visitor:
    """A visitor's connection."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def come(cls, port: int) -> "Visitor":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, data: bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") -> bytes:
        """Sends a request; its answer, whose body has a length."""
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return head + (await self.reader.readexactly(int(length[1])) if length else b"")

    async def ending(self) -> str:
        try:
            return "closed" if await asyncio.wait_for(self.reader.read(), 20) == b"" else "data"
        except ConnectionResetError:
            return "reset"

    async def leave(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def gone(made: Web) -> None:
    """Waits until nobody is left, at either end."""
    await until(lambda: not made.server.streams and not made.client.services.connections, "everybody to leave")
