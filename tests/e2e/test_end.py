"""SIGTERM while a stream runs over a slow line: what the ending program has taken over arrives whole.

Every socket holds a few KiB here, so most of a stream's last bytes are in the programs when both its halves are over.
"""

import signal
import socket
import threading

import pytest

from tests.e2e import traffic
from tests.e2e.hosts import with_tiny_sockets
from tests.e2e.hushgate import Tunnel
from tests.e2e.programs import Programs, until
from tests.e2e.relay import Relay

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SENT = b"".join(traffic.feed(1, 200_000))
TAIL = 40_000
"""These last bytes nobody reads before the sending program is gone; they fit what a new stream may send at least."""
RATE = 100_000
"""Bytes a second of the line."""


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("who", ["client", "server"])
def test_the_last_bytes_arrive_whole_when_their_sender_ends(programs: Programs, who: str) -> None:
    """A download when the client ends, an upload when the server does."""
    visited, ended = threading.Event(), threading.Event()
    uploads: list[bytes] = []

    def read_late(sock: socket.socket) -> bytes:
        head = traffic.receive(sock, len(SENT) - TAIL)
        assert ended.wait(60)
        return head + read_all(sock)

    def service(connection: socket.socket) -> None:
        if not connection.recv(1):
            return
        visited.set()
        if who == "client":
            connection.sendall(SENT)
        connection.shutdown(socket.SHUT_WR)
        uploads.append(read_late(connection) if who == "server" else read_all(connection))

    def work() -> None:
        with traffic.serving(service) as address:
            tunnel = Tunnel(programs, {"service": address})
            with Relay(("127.0.0.1", tunnel.door), rate=RATE) as relay:
                tunnel.remote = f"ws://127.0.0.1:{relay.port}/"
                tunnel.start()
                program = {"client": tunnel.client, "server": tunnel.server}[who]

                def end() -> None:
                    assert visited.wait(30)
                    program.signal(signal.SIGTERM)
                    assert program.wait(30) == 0
                    ended.set()

                with socket.create_connection(tunnel.address("service")) as visitor:
                    visitor.settimeout(30)
                    visitor.sendall(b"!")
                    ending = threading.Thread(target=end, daemon=True)
                    ending.start()
                    if who == "server":
                        visitor.sendall(SENT)
                    visitor.shutdown(socket.SHUT_WR)
                    downloaded = read_late(visitor) if who == "client" else read_all(visitor)
                    ending.join(60)
                    until(lambda: bool(uploads), "the service to have read all")
        assert (downloaded, uploads[0]) == ((SENT, b"") if who == "client" else (b"", SENT))

    with_tiny_sockets(work)
