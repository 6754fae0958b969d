"""Local services that are down, silent or rude, and services that come and go while the programs run."""

import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e import traffic
from tests.e2e.carriage import SCHEMES, carry
from tests.e2e.hosts import with_tiny_sockets
from tests.e2e.hushgate import ENVIRON, Tunnel, command, token
from tests.e2e.programs import Address, Programs, free_port, listens, run, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def read_end(address: Address) -> str:
    """How a visit ends that says nothing: "reset", "closed", or the bytes that came."""
    try:
        with socket.create_connection(address, 10) as visitor:
            visitor.settimeout(30)
            return visitor.recv(100).decode() or "closed"
    except ConnectionResetError:
        return "reset"


def works(tunnel: Tunnel, service: str) -> bool:
    """Whether a byte comes back from an echo service."""
    try:
        traffic.round_trips(tunnel.address(service), 1, 0, timeout=5)
    except (OSError, AssertionError):
        return False
    return True


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_service_that_refuses_costs_its_visitors_alone_and_is_told_once(
    programs: Programs, echo_service: Address
) -> None:
    tunnel = Tunnel(programs, {"down": ("127.0.0.1", free_port()), "echo": echo_service}).start()
    assert works(tunnel, "echo")
    assert {read_end(tunnel.address("down")) for _ in range(10)} == {"reset"}
    assert works(tunnel, "echo")
    tunnel.client.wait_log(r"service=down")
    assert len([line for line in tunnel.client.log().splitlines() if "service=down" in line]) == 1


def test_a_service_that_resets_or_closes_does_so_to_its_visitor(programs: Programs) -> None:
    with traffic.serving(reset) as rude, traffic.serving(lambda connection: None) as closing:
        tunnel = Tunnel(programs, {"rude": rude, "closing": closing}).start()
        assert read_end(tunnel.address("closing")) == "closed"
        with socket.create_connection(tunnel.address("rude")) as visitor:
            visitor.sendall(b"x")
            visitor.settimeout(30)
            with pytest.raises(ConnectionResetError):
                visitor.recv(1)


def test_a_silent_service_keeps_its_visitor_and_nobody_else(programs: Programs, echo_service: Address) -> None:
    release = threading.Event()

    def silent(connection: socket.socket) -> None:
        release.wait(30)
        connection.sendall(b"at last")

    with traffic.serving(silent) as silence:
        tunnel = Tunnel(programs, {"silent": silence, "echo": echo_service}).start()
        with socket.create_connection(tunnel.address("silent")) as visitor:
            assert works(tunnel, "echo")
            release.set()
            visitor.settimeout(10)
            assert traffic.receive(visitor, 7) == b"at last"


def test_a_visitor_who_never_reads_stops_nobody(programs: Programs, swap_service: Address) -> None:
    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(1 << 20))

    with traffic.serving(flood) as flooding:
        tunnel = Tunnel(programs, {"flood": flooding, "swap": swap_service}).start()
        with socket.create_connection(tunnel.address("flood")) as lazy:
            assert lazy.recv(1)
            traffic.exchange_many(tunnel.address("swap"), 8, 4_000_000)


def test_both_ends_write_with_tiny_buffers(programs: Programs) -> None:
    """100 MB each way at once, and every socket of this network is tiny, the link's as well: 4 to 9 s on two cores.
    Who stopped reading while it cannot write would wait for ever."""

    def exchange() -> None:
        with traffic.serving(traffic.swap) as service:
            tunnel = Tunnel(programs, {"swap": service}).start()
            traffic.exchange(tunnel.address("swap"), 100_000_000, timeout=20)

    with_tiny_sockets(exchange)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_wrong_token_costs_that_service_alone_and_both_logs_name_it(
    programs: Programs, echo_service: Address, scheme: str
) -> None:
    services = {"good": echo_service, "bad": echo_service}
    tunnel = carry(Tunnel(programs, services, client_tokens={"bad": "f" * 64}), scheme).start()
    assert works(tunnel, "good")
    for program in (tunnel.server, tunnel.client):
        line = program.wait_log(r"^.*\bbad\b.*$")[0]
        assert "mismatch" in program.log()
        assert "f" * 8 not in line
    probe = run(command("client", tunnel.client_file, "--probe"), environ=ENVIRON, code=3)
    assert b"ok    service good" in probe.stdout
    assert b"FAIL  service bad: mismatch" in probe.stdout


def test_a_service_that_only_home_names_is_unknown(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service, "mine": echo_service})
    tunnel.at_server = ["echo"]
    tunnel.start()
    assert works(tunnel, "echo")
    tunnel.client.wait_log(r"no such service.*\bmine\b|\bmine\b.*unknown")
    tunnel.server.wait_log(r"^.*\bmine\b.*$")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_probe_tells_every_step_and_ends(programs: Programs, echo_service: Address, scheme: str) -> None:
    tunnel = carry(Tunnel(programs, {"echo": echo_service}), scheme).start()
    probe = run(command("client", tunnel.client_file, "--probe"), environ=ENVIRON)
    steps = [line.split()[:2] for line in probe.stdout.decode().splitlines()]
    assert steps == [["ok", "localhost"], ["ok", f"{tunnel.remote}/"], ["ok", "service"], ["ok", "local"]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_valid_token_at_all_tells_every_cause(programs: Programs, echo_service: Address, scheme: str) -> None:
    tunnel = carry(Tunnel(programs, {"echo": echo_service}, client_tokens={"echo": "f" * 64}), scheme).start()
    tunnel.client.wait_log(r"(?i)token")
    tunnel.client.wait_log(r"(?i)path")
    tunnel.client.wait_log(r"(?i)clock")


def test_white_space_around_a_token_is_trimmed_with_a_warning(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service}, client_tokens={"echo": f" {token('echo')} "}).start()
    assert works(tunnel, "echo")
    tunnel.client.wait_log(r"(?i)white ?space")


@pytest.fixture
def living(programs: Programs, echo_service: Address) -> Iterator[tuple[Tunnel, socket.socket]]:
    """A tunnel with one service, and a visitor whose connection must live through everything."""
    tunnel = Tunnel(programs, {"first": echo_service, "second": echo_service})
    tunnel.at_server = tunnel.at_home = ["first"]
    tunnel.start()
    with socket.create_connection(tunnel.address("first")) as visitor:
        visitor.settimeout(10)
        visitor.sendall(b"a")
        assert traffic.receive(visitor, 1) == b"a"
        yield tunnel, visitor
        visitor.sendall(b"z")
        assert traffic.receive(visitor, 1) == b"z"


@pytest.mark.parametrize("hangup", [False, True])
def test_services_come_and_go_with_the_files(living: tuple[Tunnel, socket.socket], hangup: bool) -> None:
    tunnel, _ = living
    programs = (tunnel.server, tunnel.client)

    def changed() -> float:
        if hangup:
            for program in programs:
                program.signal(signal.SIGHUP)
        return time.monotonic()

    tunnel.write_server(["first", "second"])
    tunnel.write_client(["first", "second"])
    start = changed()
    until(lambda: works(tunnel, "second"), "the added service", 5.0)
    assert time.monotonic() - start < 2.5
    tunnel.write_server(["first"])
    start = changed()
    until(lambda: not listens(tunnel.address("second")), "the removed service's port to close", 5.0)
    assert time.monotonic() - start < 2.5
    assert works(tunnel, "first")


def test_a_broken_new_file_is_told_and_changes_nothing(living: tuple[Tunnel, socket.socket]) -> None:
    tunnel, _ = living
    for path, program in ((tunnel.server_file, tunnel.server), (tunnel.client_file, tunnel.client)):
        path.write_text(path.read_text() + "\nnonsense = \n")
        program.wait_log(rf"{path.name}.*line \d+", timeout=5.0)
        assert program.running
    assert works(tunnel, "first")


def test_sigterm_drains(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service}).start()
    with socket.create_connection(tunnel.address("echo")) as visitor:
        visitor.settimeout(10)
        visitor.sendall(b"a")
        assert traffic.receive(visitor, 1) == b"a"
        tunnel.server.signal(signal.SIGTERM)
        until(lambda: not listens(tunnel.address("echo")), "the server to stop accepting")
        visitor.sendall(b"b")
        assert traffic.receive(visitor, 1) == b"b"
        visitor.shutdown(socket.SHUT_WR)
        assert visitor.recv(1) == b""
    assert tunnel.server.wait(10) == 0
    tunnel.client.signal(signal.SIGTERM)
    assert tunnel.client.wait(10) == 0


@pytest.mark.parametrize(("who", "scheme"), [("client", "ws"), *(("server", scheme) for scheme in SCHEMES)])
def test_a_restarted_program_starts_clean(programs: Programs, echo_service: Address, who: str, scheme: str) -> None:
    tunnel = carry(Tunnel(programs, {"echo": echo_service}), scheme).start()
    program = {"server": tunnel.server, "client": tunnel.client}[who]
    with socket.create_connection(tunnel.address("echo")) as visitor:
        visitor.settimeout(30)
        visitor.sendall(b"a")
        assert traffic.receive(visitor, 1) == b"a"
        program.kill()
        program.start()
        try:
            assert visitor.recv(1) == b""
        except ConnectionResetError:
            pass
    until(lambda: works(tunnel, "echo"), f"service after the restart of the {who}", 45.0)


def test_the_wanted_port_is_taken(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service}, door=echo_service[1])
    tunnel.ports["echo"] = free_port()
    server = tunnel.start_server()
    assert server.wait() == 5
    assert len(server.log().strip().splitlines()) == 1
    assert str(echo_service[1]) in server.log()
