"""A tcp service on a port with TLS: bytes as they are, both ways."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

from hushgate.config.model import Certificate, Http
from hushgate.transports.tls import client_context
from tests.aio import run
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.transports.certificates import write_pair
from tests.tunnel import echo, until


class Echo(Handler):
    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        await echo(reader, writer)


@contextlib.asynccontextmanager
async def secure(folder: Path, *, up: bool = True, http: Http | None = None) -> AsyncIterator[tuple[Web, Visitor]]:
    """A tunnel whose port speaks TLS, and a visitor who speaks it, too."""
    cert, key = write_pair(folder, "localhost")
    handler = Handler() if http else Echo()
    async with web(Web(handler, http, certificate=Certificate(cert, key), tls=True), up=up) as made:
        context = client_context(cert)
        visitor = Visitor(*await asyncio.open_connection("localhost", made.port(), ssl=context))
        try:
            yield made, visitor
        finally:
            await visitor.leave()


def test_bytes_pass_both_ways(tmp_path: Path) -> None:
    async def main() -> None:
        async with secure(tmp_path) as (made, visitor):
            data = bytes(range(256)) * 8000
            visitor.writer.write(data)
            assert await visitor.reader.readexactly(len(data)) == data
            assert made.server.ports["echo"].visitors == 1
            await visitor.leave()
            await gone(made)
            assert made.server.ports["echo"].visitors == 0

    run(main())


def test_homes_end_is_the_visitors(tmp_path: Path) -> None:
    async def main() -> None:
        async with secure(tmp_path) as (made, visitor):
            visitor.writer.write(b"x")
            await visitor.reader.readexactly(1)
            for writer in list(made.service.writers):
                writer.close()
            assert await visitor.ending() == "closed"
            await gone(made)

    run(main())


def test_a_visitor_waits_for_home(tmp_path: Path) -> None:
    async def main() -> None:
        async with secure(tmp_path, up=False) as (made, visitor):
            visitor.writer.write(b"early")
            await until(lambda: made.waiting == 1, "the visitor")
            await made.up()
            assert await visitor.reader.readexactly(5) == b"early"

    run(main())


def test_a_visitor_who_leaves_while_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        async with secure(tmp_path, up=False) as (made, visitor):
            await until(lambda: made.waiting == 1, "the visitor")
            await visitor.leave()
            await until(lambda: made.waiting == 0, "its place")

    run(main())


def test_http_under_tls_says_so(tmp_path: Path) -> None:
    """The article's `curl https://your-domain.com:11434/api/tags`."""

    async def main() -> None:
        async with secure(tmp_path, http=Http()) as (made, visitor):
            assert (await visitor.ask(b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n")).endswith(b"ok")
            assert isinstance(made.service._handler, Handler)
            assert b"X-Forwarded-Proto: https\r\n" in made.service._handler.heads[0]

    run(main())


def test_a_stranger_to_tls_is_turned_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with secure(tmp_path) as (made, _):
            plain = await Visitor.come(made.port())
            plain.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await plain.ending() in ("closed", "data", "reset")
            await plain.leave()
            assert made.server.ports["echo"].visitors == 1

    run(main())
