"""Visitors who come while home is away: who may wait, for how long, and how they go on or end."""

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pytest

from hushgate.protocol.limits import VISITORS_WAITING, VISITORS_WAITING_ADDRESS
from tests.e2e import traffic
from tests.e2e.hushgate import Tunnel
from tests.e2e.programs import Address, Programs

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

HOSTS = [f"127.0.0.{number}" for number in range(10, 10 + VISITORS_WAITING // VISITORS_WAITING_ADDRESS)]


@contextmanager
def one_by_one() -> Iterator[tuple[Address, list[bytes]]]:
    """A service that hears its visitors out in the order they come: its address, and the four bytes of each."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(15)
            with connection, suppress(OSError, AssertionError):
                heard.append(traffic.receive(connection, 4))
                connection.sendall(b"heard")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield listener.getsockname(), heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


class Crowd:
    """Visitors of one port from addresses of their own."""

    def __init__(self, port: Address) -> None:
        self._port = port
        self._stack = ExitStack()

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def come(self, host: str, says: bytes = b"") -> socket.socket:
        visitor = self._stack.enter_context(socket.create_connection(self._port, 10, (host, 0)))
        visitor.settimeout(15)
        visitor.sendall(says)
        return visitor

    def one_is_refused(self, host: str) -> bool:
        """Whether one more from `host` is turned away at once, by a reset, wherever it is that they notice. By then the
        port has decided on all who came before."""
        start = time.monotonic()
        with pytest.raises(ConnectionResetError):
            self.come(host).recv(1)
        return time.monotonic() - start < 5


def waits(visitors: Sequence[socket.socket]) -> bool:
    """Whether nothing has come for any of them, neither bytes nor an end."""
    for visitor in visitors:
        visitor.setblocking(False)
        with pytest.raises(BlockingIOError):
            visitor.recv(1)
        visitor.settimeout(15)
    return True


def test_as_many_wait_as_there_are_places_and_go_on_in_the_order_they_came(programs: Programs) -> None:
    with one_by_one() as (service, heard):
        tunnel = Tunnel(programs, {"calls": service}).start()
        with Crowd(tunnel.address("calls")) as crowd:
            assert traffic.receive(crowd.come("127.0.0.1", b"home"), 5) == b"heard"
            tunnel.client.kill()
            tunnel.server.wait_log("link lost")

            names = [f"{number:04}".encode() for number in range(VISITORS_WAITING)]
            first, *others = HOSTS
            waiting = [crowd.come(first, name) for name in names[:VISITORS_WAITING_ADDRESS]]
            assert crowd.one_is_refused(first), "one too many from one address"
            waiting += [
                crowd.come(others[number % len(others)], name)
                for number, name in enumerate(names[VISITORS_WAITING_ADDRESS:-2])
            ]
            leaving = [crowd.come(host) for host in others[-2:]]
            assert crowd.one_is_refused("127.0.0.1"), "one too many in all"
            assert waits(waiting + leaving)

            leaving[0].close()
            leaving[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaving[1].close()
            waiting += [crowd.come(host, name) for host, name in zip(others[-2:], names[-2:], strict=True)]
            assert crowd.one_is_refused("127.0.0.1"), "the two places are taken again"

            tunnel.client.start()
            assert {traffic.receive(visitor, 5) for visitor in waiting} == {b"heard"}
            assert heard == [b"home", *names]


def test_a_visitor_whose_time_is_over_is_closed_and_leaves_the_place(programs: Programs) -> None:
    tunnel = Tunnel(programs, {"calls": ("127.0.0.1", 9)}, server_settings='visitor_wait = "1s"')
    tunnel.start_server().wait_listening(tunnel.address("calls"))
    with Crowd(tunnel.address("calls")) as crowd:
        for _ in range(2):
            start = time.monotonic()
            visitors = [crowd.come("127.0.0.1", b"hello" * (number % 2)) for number in range(VISITORS_WAITING_ADDRESS)]
            assert crowd.one_is_refused("127.0.0.1")
            assert waits(visitors)
            assert [visitor.recv(1) for visitor in visitors] == [b""] * len(visitors), "an end, not a reset"
            assert 0.9 < time.monotonic() - start < 10
