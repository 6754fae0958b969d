"""What a TLS server answers to a ClientHello, without what has to differ between two connections (RFC 8446 §4, §5)."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _CERTIFICATE = 2, 11
_KEY_SHARE = 0x0033


@dataclass(frozen=True)
class Answer:
    """`records`: type and version of each. `messages`: the handshake messages in the clear; of one that holds random
    values its type alone. `extensions`: those of the ServerHello in their order. `end`: how the connection ended after
    the client's own end: "end" (in order), or an error's name."""

    records: tuple[tuple[int, int], ...]
    alert: bytes
    version: int
    cipher: int
    session: int
    extensions: tuple[tuple[int, bytes], ...]
    messages: tuple[bytes, ...]
    end: str


def ask(port: int, data: bytes) -> Answer:
    """Sends `data`, ends its own half once the answer has begun, and reads to the end."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(data)
        said, end = b"", "end"
        try:
            while piece := sock.recv(65536):
                if not said:
                    sock.shutdown(socket.SHUT_WR)
                said += piece
        except OSError as error:
            end = type(error).__name__
    return read_answer(said, end)


def read_answer(said: bytes, end: str) -> Answer:
    records = list(_records(said))
    alert = b"".join(body for kind, _, body in records if kind == _ALERT)
    messages = list(_messages(b"".join(body for kind, _, body in records if kind == _HANDSHAKE)))
    version = cipher = session = 0
    extensions: tuple[tuple[int, bytes], ...] = ()
    for kind, body in messages:
        if kind == _SERVER_HELLO:
            version = int.from_bytes(body[:2])
            session = body[34]
            rest = body[35 + session :]
            cipher = int.from_bytes(rest[:2])
            extensions = tuple(_extensions(rest[5:]))
    return Answer(
        tuple((kind, version) for kind, version, _ in records),
        alert,
        version,
        cipher,
        session,
        extensions,
        tuple(bytes((kind,)) + (body if kind == _CERTIFICATE else b"") for kind, body in messages),
        end,
    )


def _records(said: bytes) -> Iterator[tuple[int, int, bytes]]:
    while said:
        size = int.from_bytes(said[3:5])
        yield said[0], int.from_bytes(said[1:3]), said[5 : 5 + size]
        said = said[5 + size :]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        size = int.from_bytes(data[1:4])
        yield data[0], data[4 : 4 + size]
        data = data[4 + size :]


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, size = int.from_bytes(data[:2]), int.from_bytes(data[2:4])
        # A key share: the group, and a public key that is fresh each time.
        yield kind, data[4 : 6 if kind == _KEY_SHARE else 4 + size]
        data = data[4 + size :]
