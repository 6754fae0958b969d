"""Asking for the upgrade: what may answer instead of a server, and what is said about it."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from hushgate.config.model import Tcp
from hushgate.errors import PipeError
from hushgate.transports.stream import SocketPipe
from hushgate.uplink.dial import Decoyed, dial
from tests.aio import run
from tests.tunnel import Service, client_config


def answered(answer: bytes, options: Tcp | None = None) -> tuple[bytes, BaseException]:
    """The request that a server was sent which answers so, and what `dial` made of it."""

    async def main() -> tuple[bytes, BaseException]:
        requests: list[bytes] = []

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                writer.write_eof()
                await reader.read()
            writer.close()

        service = Service(handler)
        await service.start()
        with pytest.raises(PipeError) as caught:
            config = replace(client_config({"echo": 1}, service.port), tcp=options or Tcp())
            await dial(config, None, b"the proof")
        await service.stop()
        return requests[0], caught.value

    return run(main())


def test_the_socket_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tcp] = []
    monkeypatch.setattr(SocketPipe, "tune", lambda _pipe, options: seen.append(options))
    answered(b"HTTP/1.1 404 Not Found\r\n\r\n", Tcp(nodelay=False, keepalive_secs=5))
    assert seen[-1] == Tcp(nodelay=False, keepalive_secs=5)


def test_an_ordinary_site_is_recognised_and_its_date_kept() -> None:
    request, error = answered(b"HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n")
    assert isinstance(error, Decoyed)
    assert (error.status, error.date) == (404, "Thu, 01 Jan 2026 00:00:00 GMT")
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET / HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert {"Upgrade: websocket", "Connection: Upgrade", "Authorization: Bearer dGhlIHByb29m"} <= set(lines)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "wrong key"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "is hushgate server running"),
        (b"HTTP/1.1 504 Gateway Time-out\r\n\r\n", "is hushgate server running"),
        (b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://x/\r\n\r\n", "no redirect is followed"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "not read"),
    ],
    ids=["ssh", "nothing", "wrong key", "bad gateway", "gateway time-out", "redirect", "endless"],
)
def test_other_answers_are_one_sentence(answer: bytes, words: str) -> None:
    error = answered(answer)[1]
    assert words in str(error)
    assert not isinstance(error, Decoyed)
