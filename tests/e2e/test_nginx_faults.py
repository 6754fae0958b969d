"""The article's nginx between the two programs, reloaded, restarted and killed while an ssh session counts."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import article, certificates, traffic
from tests.e2e.hushgate import Tunnel, established
from tests.e2e.nginx import Nginx
from tests.e2e.profile import sized
from tests.e2e.programs import Address, Programs, free_port, until
from tests.e2e.relay import Relay
from tests.e2e.sshd import Sshd
from tests.processes import killed_at_the_end

pytestmark = [pytest.mark.system, pytest.mark.timeout(sized(240, 1800))]

RELOADS = sized(3, 20)
RESTARTS = sized(2, 5)
DOMAIN = "localhost"


@dataclass
class Front:
    """nginx with the article's file, but for the ports, in front of a tunnel."""

    nginx: Nginx
    tunnel: Tunnel
    https: int


def start(programs: Programs, services: dict[str, Address], line: Relay | None = None) -> Front:
    """nginx, then the tunnel; with `line` the client reaches nginx through that relay."""
    files = certificates.make(programs.directory / "certificates", DOMAIN)
    https = line.target[1] if line else free_port()
    trust = {"SSL_CERT_FILE": str(files.root)}
    tunnel = Tunnel(programs, services, f"wss://{DOMAIN}:{line.port if line else https}/", environ=trust)
    conf = article.nginx_conf(DOMAIN, files.chain, files.key)
    conf = article.nginx_ports(conf, http=free_port(), https=https, door=tunnel.door)
    nginx = Nginx(programs.directory, programs.start, conf)
    nginx.program.wait_listening(("127.0.0.1", https))
    return Front(nginx, tunnel.start(), https)


class Counter:
    """An ssh session that prints 1, 2, 3 … every 20 ms, and what of it has arrived."""

    def __init__(self, sshd: Sshd, port: int) -> None:
        command = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"
        self.process = subprocess.Popen(
            sshd.ssh(port, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""

    def last(self) -> int:
        """The newest number that came. Fails when the session has ended or a number is missing or came twice."""
        assert self.process.stdout is not None
        assert self.process.poll() is None, (
            f"the session ended with {self.process.returncode} after {self.text[-40:]!r}"
        )
        while piece := self.process.stdout.read(65536):
            self.text += piece
        numbers = self.text.decode().split("\n")[:-1]
        assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
        return len(numbers)

    def goes_on(self, what: str, timeout: float = 60.0) -> None:
        until_number = self.last() + 10
        until(lambda: self.last() >= until_number, f"the ssh session to go on after {what}", timeout)

    def stop(self) -> None:
        with killed_at_the_end(self.process):
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def counting(programs: Programs, sshd: Sshd) -> Iterator[tuple[Front, Counter]]:
    front = start(programs, {"ssh": ("127.0.0.1", sshd.port)})
    counter = Counter(sshd, front.tunnel.ports["ssh"])
    try:
        counter.goes_on("the start")
        yield front, counter
    finally:
        counter.stop()


def test_a_session_survives_reloads_whose_old_workers_are_killed(counting: tuple[Front, Counter]) -> None:
    front, counter = counting
    for number in range(RELOADS):
        for worker in front.nginx.reload():
            try:
                os.kill(worker, signal.SIGKILL if number % 2 else signal.SIGTERM)
            except ProcessLookupError:
                continue
        counter.goes_on(f"reload {number + 1}")


def test_a_session_survives_restarts(counting: tuple[Front, Counter]) -> None:
    front, counter = counting
    for number in range(RESTARTS):
        front.nginx.restart()
        front.nginx.program.wait_listening(("127.0.0.1", front.https))
        counter.goes_on(f"restart {number + 1}")


def test_after_a_plain_reload_no_old_worker_is_left(counting: tuple[Front, Counter]) -> None:
    front, counter = counting
    before = set(front.nginx.reload())
    until(lambda: not before & set(front.nginx.workers()), "the old nginx workers to end", 60.0, interval=0.2)
    counter.goes_on("the reload")


def test_one_connection_to_nginx_serves_two_hundred_visitors(programs: Programs, swap_service: Address) -> None:
    front = start(programs, {"swap": swap_service})
    traffic.exchange(front.tunnel.address("swap"), 1000)
    seen: list[int] = []
    address = front.tunnel.address("swap")
    traffic.exchange_many(address, 200, 20_000, begun=lambda: seen.append(established(front.https)))
    assert [*seen, established(front.https)] == [1, 1]


@pytest.mark.parametrize("round_trip", traffic.LINE_ROUND_TRIPS)
@pytest.mark.parametrize("towards", traffic.BULK)
def test_a_keystroke_does_not_wait_behind_bulk(
    programs: Programs, echo_service: Address, towards: str, round_trip: float
) -> None:
    with (
        traffic.serving(traffic.BULK[towards]) as bulk,
        Relay(("127.0.0.1", free_port()), rate=traffic.LINE_RATE, delay=round_trip / 2) as line,
    ):
        tunnel = start(programs, {"echo": echo_service, "bulk": bulk}, line).tunnel
        echo, bulk_address = tunnel.address("echo"), tunnel.address("bulk")
        traffic.keystrokes_pass_bulk(echo, bulk_address, towards, sized(200, 600), round_trip)


def test_a_server_that_is_down_behind_nginx_is_told_from_a_wrong_token(
    programs: Programs, echo_service: Address
) -> None:
    front = start(programs, {"echo": echo_service})
    traffic.round_trips(front.tunnel.address("echo"), 1, 0)
    front.tunnel.server.stop()
    front.tunnel.client.wait_log(r"cannot reach .*status 502.*is hushgate server running")
    assert "tokens" not in front.tunnel.client.log()
    front.tunnel.server.start()
    front.tunnel.server.wait_listening(front.tunnel.address("echo"))
    traffic.round_trips(front.tunnel.address("echo"), 1, 0)


def test_the_log_of_the_server_names_no_secret(programs: Programs, echo_service: Address) -> None:
    front = start(programs, {"echo": echo_service})
    traffic.round_trips(front.tunnel.address("echo"), 1, 0)
    for program in (front.tunnel.server, front.tunnel.client):
        assert not re.search(r"[0-9a-f]{32}", program.log())
