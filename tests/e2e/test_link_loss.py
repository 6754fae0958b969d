"""The WebSocket is lost and lost again while bytes flow: none is missing, none comes twice, all are in order."""

import random
import socket
from collections.abc import Iterator

import pytest

from tests.e2e import traffic
from tests.e2e.carriage import SCHEMES, carry
from tests.e2e.hushgate import Tunnel
from tests.e2e.profile import QUARTER, sized
from tests.e2e.programs import Address, Programs, until
from tests.e2e.relay import Relay

MIB = 1024 * 1024
CUTS = sized(20, 100) // QUARTER
SIZE = sized(64, 1024) * MIB // QUARTER
"""Bytes each way: CI's profile and the full one."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(sized(300, 3600))]


def moments(size: int, cuts: int, seed: int) -> Iterator[int]:
    """After how many bytes the link is cut: `cuts` times within `size` each way, at random."""
    average = 2 * size / (cuts + 2)
    dice = random.Random(seed)
    return (int(average * dice.uniform(0.2, 1.6)) for _ in range(cuts))


@pytest.fixture
def relayed(
    request: pytest.FixtureRequest, programs: Programs, echo_service: Address, swap_service: Address
) -> Iterator[tuple[Tunnel, Relay]]:
    """A tunnel to both services whose client reaches the door through a relay, over `ws` unless the test says another
    scheme; home is there."""
    tunnel = Tunnel(programs, {"echo": echo_service, "swap": swap_service})
    with Relay(("127.0.0.1", tunnel.door)) as relay:
        carry(tunnel, getattr(request, "param", "ws"), relay.port).start()
        traffic.round_trips(tunnel.address("echo"), 1, 0)
        yield tunnel, relay


@pytest.mark.parametrize(
    ("relayed", "streams", "size", "cuts"),
    [("ws", 1, SIZE, CUTS), ("ws", 50, SIZE, CUTS)]
    + [(scheme, 2, SIZE // 8, CUTS // 5) for scheme in SCHEMES if scheme != "ws"],
    indirect=["relayed"],
    ids=["1", "50", *SCHEMES[1:]],
)
def test_every_byte_arrives_once_across_many_cuts(
    relayed: tuple[Tunnel, Relay], streams: int, size: int, cuts: int
) -> None:
    tunnel, relay = relayed
    traffic.exchange_many(
        tunnel.address("swap"),
        streams,
        size // streams,
        timeout=sized(180, 1200),
        begun=lambda: relay.cut_after(moments(size, cuts, streams)),
    )
    assert relay.cut_count == cuts
    assert relay.accepted > cuts
    assert tunnel.client.log().count("session=resumed") >= cuts, "each time the session went on"


def test_a_link_that_is_silent_but_not_closed_is_replaced(relayed: tuple[Tunnel, Relay]) -> None:
    tunnel, relay = relayed
    with socket.create_connection(tunnel.address("echo")) as visitor:
        visitor.sendall(b"before")
        assert traffic.receive(visitor, 6) == b"before"
        relay.cut("stall")
        visitor.sendall(b"after")
        visitor.settimeout(90)
        assert traffic.receive(visitor, 5) == b"after"


def test_visitors_who_come_while_home_is_away_are_served_when_it_returns(relayed: tuple[Tunnel, Relay]) -> None:
    tunnel, relay = relayed
    relay.refuse()
    relay.cut()
    with socket.create_connection(tunnel.address("echo")) as visitor:
        visitor.sendall(b"patience")
        visitor.settimeout(0.5)
        with pytest.raises(TimeoutError):
            visitor.recv(1)
        relay.refuse(False)
        visitor.settimeout(30)
        assert traffic.receive(visitor, 8) == b"patience"


def test_after_the_grace_streams_end_with_a_reset_and_new_visitors_are_turned_away(
    programs: Programs, echo_service: Address
) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service}, server_settings='grace = "1s"\nvisitor_wait = "60s"')
    with Relay(("127.0.0.1", tunnel.door)) as relay:
        tunnel.remote = f"ws://127.0.0.1:{relay.port}/"
        tunnel.start()
        with socket.create_connection(tunnel.address("echo")) as visitor:
            visitor.sendall(b"x")
            assert traffic.receive(visitor, 1) == b"x"
            relay.refuse()
            relay.cut()
            visitor.settimeout(10)
            with pytest.raises(ConnectionResetError):
                visitor.recv(1)
        assert turned_away(tunnel.address("echo")), "home has been away longer than the grace: no waiting"
        relay.refuse(False)
        until(lambda: relay.open > 0, "home to come back", 30)
        until(lambda: answered(tunnel.address("echo")), "home to serve again")


@pytest.mark.parametrize("round_trip", traffic.LINE_ROUND_TRIPS)
@pytest.mark.parametrize("towards", traffic.BULK)
def test_a_keystroke_does_not_wait_behind_bulk(
    programs: Programs, echo_service: Address, towards: str, round_trip: float
) -> None:
    with traffic.serving(traffic.BULK[towards]) as bulk:
        tunnel = Tunnel(programs, {"echo": echo_service, "bulk": bulk})
        with Relay(("127.0.0.1", tunnel.door), rate=traffic.LINE_RATE, delay=round_trip / 2) as line:
            tunnel.remote = f"ws://127.0.0.1:{line.port}/"
            tunnel.start()
            echo, bulk_address = tunnel.address("echo"), tunnel.address("bulk")
            traffic.keystrokes_pass_bulk(echo, bulk_address, towards, sized(200, 600), round_trip)


def answered(address: Address) -> bool:
    """Whether a visitor is served now."""
    try:
        traffic.round_trips(address, 1, 0)
    except ConnectionResetError:
        return False
    return True


def turned_away(address: Address) -> bool:
    """Whether a visitor is closed or reset, wherever it is that they notice. Raises TimeoutError for one who waits."""
    try:
        with socket.create_connection(address, 10) as visitor:
            return visitor.recv(1) == b""
    except ConnectionResetError:
        return True
