"""Nobody can tell the server's own TLS from nginx's by what it answers to ClientHellos: JARM's ten, and broken ones."""

from collections.abc import Iterator

import pytest

from tests.e2e import article, certificates
from tests.e2e.hushgate import Tunnel
from tests.e2e.nginx import Nginx
from tests.e2e.programs import Address, Program, Programs, free_port
from tests.transports.answer import ask
from tests.transports.jarm import CIPHERS, TEN, Hello

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DOMAIN = "tunnel.example.org"
NAME = DOMAIN.encode()

HELLOS = {
    **{f"JARM {name}": hello.build(NAME) for name, hello in TEN.items()},
    "another name": TEN["1.3 forward"].build(b"somewhere.example.net"),
    "no common cipher": Hello(0x0303, ciphers=CIPHERS[-2:]).build(NAME),
    "not a hello": b"\x16\x03\x01\x00\x05hello",
    "an empty hello": b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    "too long a record": b"\x16\x03\x01\xff\xff" + bytes(100),
    "an unknown version": b"\x16\x05\x01\x00\x05hello",
    "SSL 2": b"\x80\x2e\x01\x00\x02" + bytes(44),
}


@pytest.fixture
def ports(programs: Programs, echo_service: Address) -> Iterator[tuple[int, int, Program]]:
    """nginx with the article's file and the server's own TLS, with the same certificate and key."""
    files = certificates.make(programs.directory / "tls", DOMAIN)
    conf = article.nginx_conf(DOMAIN, files.chain, files.key)
    https = free_port()
    conf = article.nginx_ports(conf, http=free_port(), https=https, door=free_port())
    nginx = Nginx(programs.directory, programs.start, conf)
    certificate = f'tls = true\ncertificate = {{ cert = "{files.chain}", key = "{files.key}" }}'
    tunnel = Tunnel(programs, {"echo": echo_service}, server_settings=certificate)
    server = tunnel.start_server()
    nginx.program.wait_listening(("127.0.0.1", https))
    server.wait_listening(("127.0.0.1", tunnel.door))
    yield https, tunnel.door, server


def test_every_client_hello_is_answered_as_nginx_answers_it(ports: tuple[int, int, Program]) -> None:
    https, door, server = ports
    told = server.log()
    expected = {name: ask(https, data) for name, data in HELLOS.items()}
    assert {name: ask(door, data) for name, data in HELLOS.items()} == expected
    assert sum(bool(answer.cipher) for answer in expected.values()) == 7
    assert sum(bool(answer.alert) for answer in expected.values()) == 9
    assert server.log() == told, "strangers write nothing into the log"
