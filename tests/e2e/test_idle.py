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
LEFT = 8_000_000 + 5_000 * COUNT
"""Bytes that crowds may leave behind for the allocator's sake: what Python's objects took, in part. With TLS a stranger
holds 33,000, and each crowd's would come on top of those of the crowd before."""


def opened(program: Program) -> int:
    """Sockets and files that the program holds, whatever the number of descriptors for each."""
    found = set()
    for descriptor in Path(f"/proc/{program.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(descriptor.readlink())
    return len(found)


def crowd(tunnel: Tunnel, free: int, places: int) -> None:
    """Lets COUNT strangers come and go, and a visitor be served meanwhile."""
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
            until(lambda: opened(server) < free + places + 20, "no more than the places to be held")
        else:
            until(lambda: opened(server) > free + 0.9 * COUNT, "all of them to be held")
        traffic.round_trips(address, 3, 0)
    until(lambda: opened(server) < free + 10, "the connections to be gone")


@pytest.mark.parametrize(
    ("tls", "places"),
    [(False, 128), (False, 2 * COUNT), (True, 128), (True, 2 * COUNT)],
    ids=["plain-turned-away", "plain-all-held", "tls-turned-away", "tls-all-held"],
)
def test_idle_strangers_cost_nobody_anything(programs: Programs, echo_service: Address, tls: bool, places: int) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service})
    if tls:
        tunnel.use_tls()
    tunnel.server_settings += f"\n[server.limits]\nconnections = {places}\n"
    tunnel.start()
    traffic.round_trips(tunnel.address("echo"), 1, 0)
    free, before = opened(tunnel.server), tunnel.server.resident
    for _ in range(3):
        crowd(tunnel, free, places)
    until(lambda: tunnel.server.resident < before + LEFT, "the memory to be given back")
    assert tunnel.client.log().count("not connected") == 0
