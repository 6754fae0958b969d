"""What a server holds: the limits of docs/why/memory.md, on the Python of this run."""

import contextlib
import socket

import pytest

from tests.e2e import traffic
from tests.e2e.hushgate import Tunnel
from tests.e2e.profile import sized
from tests.e2e.programs import Address, Programs

pytestmark = [pytest.mark.system, pytest.mark.timeout(sized(60, 120))]

MB = 1_000_000
IDLE = 40 * MB
VISITOR = 25_000
"""Bytes: 1,000 visitors who do nothing are to cost 25 MB at most."""
VISITORS = sized(300, 1000)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_idle_server_is_small(programs: Programs, echo_service: Address, tls: bool) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service})
    if tls:
        tunnel.use_tls()
    tunnel.start()
    traffic.round_trips(tunnel.address("echo"), 1, 0)
    idle = tunnel.server.resident
    assert idle <= IDLE, f"{idle / MB:.1f} MB"
    with contextlib.ExitStack() as stack:
        for _ in range(VISITORS):
            visitor = stack.enter_context(socket.create_connection(tunnel.address("echo"), 10))
            visitor.sendall(b"here")
            assert traffic.receive(visitor, 4) == b"here"
        grown = tunnel.server.resident - idle
    assert grown <= VISITORS * VISITOR, f"{grown / MB:.1f} MB for {VISITORS} visitors"
