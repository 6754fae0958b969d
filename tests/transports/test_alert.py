"""A refused ClientHello is answered with OpenSSL's alert, on whatever carries TLS."""

import asyncio
import errno
import os
import select
import socket
from pathlib import Path

import pytest

from hushgate.errors import PipeError
from hushgate.transports import tls
from hushgate.transports.alert import alert
from tests.aio import run
from tests.transports.certificates import write_pair
from tests.transports.jarm import TEN

NAME = b"your-domain.com"
TOO_OLD = TEN["1.1"].build(NAME)
UNEXPECTED_MESSAGE, PROTOCOL_VERSION = b"\x15\x03\x03\x00\x02\x02\x0a", b"\x15\x03\x02\x00\x02\x02\x46"


def refused(pair: tuple[Path, Path], sent: bytes) -> bytes:
    """What a peer reads who sends `sent` and ends, once the handshake has failed."""

    async def main() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            with client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                accepted, _ = listener.accept()
                select.select([accepted], [], [], 5)
                with pytest.raises(PipeError):
                    await tls.accept(accepted, tls.TlsServer(*pair))
                return await asyncio.to_thread(client.recv, 100)

    return run(main())


@pytest.mark.parametrize(
    ("sent", "said"),
    [(TOO_OLD, PROTOCOL_VERSION), (b"\x16\x03\x01\x00\x05hello", UNEXPECTED_MESSAGE), (TOO_OLD[:50], b""), (b"", b"")],
    ids=["too old", "not a hello", "cut off", "silent"],
)
def test_a_client_hello_that_is_refused(tmp_path: Path, sent: bytes, said: bytes) -> None:
    assert refused(write_pair(tmp_path), sent) == said


def test_nothing_is_said_to_what_was_not_refused(tmp_path: Path) -> None:
    context = tls.TlsServer(*write_pair(tmp_path)).context
    assert alert(TEN["1.3 forward"].build(NAME), context) == b""
    assert alert(b"", context) == b""


def test_without_a_descriptor_to_spare_the_connection_just_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_sock: socket.socket) -> socket.socket:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket.socket, "dup", none_left)
    assert refused(write_pair(tmp_path), TOO_OLD) == b""
