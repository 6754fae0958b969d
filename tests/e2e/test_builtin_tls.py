"""The server's own TLS in nginx's place: tunnel and decoy, a certificate that is renewed, and what can be wrong."""

import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import certificates, traffic
from tests.e2e.hushgate import ENVIRON, Tunnel, command
from tests.e2e.programs import Address, Program, Programs, free_port, need, run, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@dataclass
class Secured:
    """A tunnel over the server's own TLS, not started yet."""

    tunnel: Tunnel
    files: certificates.Files

    def curl(self, *arguments: str, code: int | None = 0) -> str:
        curl = [need("curl"), "-sS", "--http1.1", "--max-time", "10", "--cacert", str(self.files.root), *arguments]
        return run([*curl, f"https://localhost:{self.tunnel.door}/"], code=code).stdout.decode()


@pytest.fixture
def secured(programs: Programs, echo_service: Address) -> Secured:
    files = certificates.make(programs.directory / "tls", "localhost")
    certificate = f'tls = true\ncertificate = {{ cert = "{files.chain}", key = "{files.key}" }}'
    door = free_port()
    tunnel = Tunnel(
        programs,
        {"echo": echo_service},
        f"wss://localhost:{door}/",
        server_settings=certificate,
        client_settings=f'trusted_root = "{files.root}"',
        door=door,
    )
    return Secured(tunnel, files)


def test_the_tunnel_and_the_decoy_share_the_door(secured: Secured) -> None:
    secured.tunnel.start()
    traffic.round_trips(secured.tunnel.address("echo"), 3, 0)
    upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"]
    upgrade += ["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    answer = '{"status":"ok","version":"1.0.0"}'
    assert secured.curl() == secured.curl(*upgrade) == answer
    head = secured.curl("-i").splitlines()
    assert head[0] == "HTTP/1.1 200 OK"
    assert "Server: nginx" in head


def test_a_renewed_certificate_is_used_without_a_restart(secured: Secured, tmp_path: Path) -> None:
    secured.tunnel.start()
    before = ssl.get_server_certificate(("127.0.0.1", secured.tunnel.door))
    renewed = certificates.make(tmp_path / "renewed", "localhost")
    shutil.copy(renewed.key, secured.files.key)
    shutil.copy(renewed.chain, secured.files.chain)

    def changed() -> bool:
        return ssl.get_server_certificate(("127.0.0.1", secured.tunnel.door)) != before

    until(changed, "the renewed certificate", 10.0, interval=0.2)
    traffic.round_trips(secured.tunnel.address("echo"), 1, 0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("expired", "expired"), ("foreign", "trust|authority|issuer|self"), ("name", "name|match|valid for")],
)
def test_a_bad_certificate_is_told_in_a_sentence(secured: Secured, tmp_path: Path, wrong: str, said: str) -> None:
    tunnel = secured.tunnel
    files = certificates.make(
        tmp_path / "bad", "other.example.org" if wrong == "name" else "localhost", days=-2 if wrong == "expired" else 30
    )
    tunnel.server_settings = f'tls = true\ncertificate = {{ cert = "{files.chain}", key = "{files.key}" }}'
    if wrong != "foreign":
        tunnel.client_settings = f'trusted_root = "{files.root}"'
    tunnel.start()
    tunnel.client.wait_log(f"(?i)certificate.*({said})|({said}).*certificate")
    probe = run(command("client", tunnel.client_file, "--probe"), environ=ENVIRON, code=4)
    assert b"Traceback" not in probe.stderr


def ended_in_a_sentence(program: Program, *named: str) -> bool:
    assert program.wait() == 5
    log = program.log()
    assert "Traceback" not in log
    return all(part in log for part in named)


def test_an_unreadable_certificate_is_told_in_a_sentence(secured: Secured) -> None:
    secured.files.key.write_text("nonsense")
    assert ended_in_a_sentence(secured.tunnel.start_server(), str(secured.files.key))


def test_a_name_that_does_not_resolve_is_told_in_a_sentence(secured: Secured) -> None:
    secured.tunnel.remote = "wss://nowhere.invalid/"
    secured.tunnel.start()
    secured.tunnel.client.wait_log(r"nowhere\.invalid.*(resolve|name)")
    assert secured.tunnel.client.running
    probe = run(command("client", secured.tunnel.client_file, "--probe"), environ=ENVIRON, code=4)
    assert b"Traceback" not in probe.stderr
