"""Connections by the thousand that say nothing, half a request, or half a TLS handshake: the door holds no more than
its places, those inside do not notice, and the memory comes back. The long profile has 10,000 of them, CI 600."""

import contextlib
import socket
from pathlib import Path

import pytest

from tests.e2e import traffic
from tests.e2e.hushgate import Tunnel
from tests.e2e.profile import sized
from tests.e2e.programs import Address, Program, Programs, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(sized(60, 300))]

COUNT = sized(600, 10_000)
BEGINNINGS = (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00\x01")
GROWTH = 8 * 1024 * 1024
"""Bytes that another crowd may leave behind for the allocator's sake; 10,000 connections that stayed would cost ten
times that."""


def descriptors(program: Program) -> int:
    return len(list(Path(f"/proc/{program.pid}/fd").iterdir()))


def crowd(tunnel: Tunnel, free: int, places: int) -> int:
    """Lets COUNT strangers come, and a visitor be served meanwhile. The server's memory when they have gone."""
    server, address = tunnel.server, tunnel.address("echo")
    with contextlib.ExitStack() as stack, socket.create_connection(address) as visitor:
        visitor.settimeout(10)
        for number in range(COUNT):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", tunnel.door)))
            with contextlib.suppress(OSError):
                stranger.sendall(BEGINNINGS[number % len(BEGINNINGS)])
            if number % 100 == 0:
                visitor.sendall(b"still here")
                assert traffic.receive(visitor, 10) == b"still here"
        if places < COUNT:
            server.wait_log("too many connections that have proved nothing")
            until(lambda: descriptors(server) < free + places + 20, "no more than the places to be held")
        else:
            until(lambda: descriptors(server) > free + 0.9 * COUNT, "all of them to be held")
        traffic.round_trips(address, 3, 0)
    until(lambda: descriptors(server) < free + 10, "the descriptors to be free again")
    return server.resident


@pytest.mark.parametrize(
    ("tls", "places"),
    [(False, 128), (False, 2 * COUNT), (True, 128)],
    ids=["plain-turned-away", "plain-all-held", "tls-turned-away"],
)
def test_idle_strangers_cost_nobody_anything(programs: Programs, echo_service: Address, tls: bool, places: int) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service})
    if tls:
        tunnel.use_tls()
    tunnel.server_settings += f"\n[server.limits]\nconnections = {places}\n"
    tunnel.start()
    traffic.round_trips(tunnel.address("echo"), 1, 0)
    free = descriptors(tunnel.server)
    after = [crowd(tunnel, free, places) for _ in range(3)]
    grown = after[2] - after[1]
    assert grown < GROWTH, f"{grown / 1e6:.1f} MB more after another {COUNT} connections"
    assert tunnel.client.log().count("not connected") == 0
