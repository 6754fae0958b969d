"""The article as it stands: its three files, its ports, three hosts, real nginx in front, and its readers' commands."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import article, certificates, laptop, traffic
from tests.e2e.hosts import ADDRESSES, Host, Hosts, three_hosts
from tests.e2e.hushgate import ENVIRON, command, write
from tests.e2e.nginx import Nginx
from tests.e2e.programs import Program, Programs, need, run
from tests.e2e.sshd import Sshd

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DOMAIN = "tunnel.example.org"
VPS = ADDRESSES["vps"]


@dataclass
class World:
    """Everything the article sets up, running."""

    hosts: Hosts
    root: Path
    nginx: Nginx
    server: Program
    client: Program
    home_sshd: Sshd
    vps_sshd: Sshd

    def curl(self, *arguments: str) -> str:
        """What curl prints on the laptop, a stranger to the tunnel."""
        curl: list[str | Path] = [need("curl"), "-sS", "--cacert", self.root, *arguments]
        return self.hosts.laptop.run(curl).stdout.decode()


def ssh_server(programs: Programs, host: Host, address: str) -> Sshd:
    server = Sshd(programs.directory, host.start, 22, address, f"sshd-of-{host.name}")
    host.wait_listening((address.replace("0.0.0.0", "127.0.0.1"), 22), server.program)
    return server


def module(host: Host, name: str, port: int) -> None:
    program = host.start(name, [sys.executable, "-m", f"tests.e2e.{name}", str(port)], ENVIRON)
    host.wait_listening(("127.0.0.1", port), program, timeout=30)


@pytest.fixture
def world(programs: Programs) -> Iterator[World]:
    directory = programs.directory
    files = certificates.make(directory / "letsencrypt", DOMAIN)
    server_file = write(directory / "server.toml", article.server_toml())
    client_file = write(directory / "client.toml", article.client_toml(DOMAIN))
    with three_hosts(programs, DOMAIN) as hosts:
        nginx = Nginx(directory, hosts.vps.start, article.nginx_conf(DOMAIN, files.chain, files.key))
        hosts.laptop.wait_listening((VPS, 443), nginx.program)
        home_sshd = ssh_server(programs, hosts.home, "127.0.0.1")
        vps_sshd = ssh_server(programs, hosts.vps, "0.0.0.0")
        module(hosts.home, "ollama_api", article.LOCAL["ollama"])
        module(hosts.home, "mcp_server", article.LOCAL["mcp"])
        server = hosts.vps.start("hushgate", command("server", server_file), ENVIRON)
        for port in (article.DOOR, *article.PORTS.values()):
            hosts.vps.wait_listening(("127.0.0.1", port), server)
        # The machine's own trust store holds no test authority; OpenSSL reads this one in its place.
        trust = {**ENVIRON, "SSL_CERT_FILE": str(files.root)}
        client = hosts.home.start("hushgate", command("client", client_file), trust)
        yield World(hosts, files.root, nginx, server, client, home_sshd, vps_sshd)


def test_the_articles_commands(world: World) -> None:
    vps, laptop_host = world.hosts.vps, world.hosts.laptop

    # "ss -tlnp | grep 2222": the process has our name where rathole's stood.
    shown = vps.run([need("ss"), "-tlnp"]).stdout.decode()
    assert any(":2222 " in line and '"hushgate"' in line for line in shown.splitlines()), shown

    # "ssh -p 2222 your-user@localhost" on the VPS reaches home.
    assert vps.run(world.home_sshd.ssh(2222, "echo at home")).stdout == b"at home\n"

    # "ssh -L 11434:localhost:11434 -L 3000:localhost:3000 user@your-domain.com" from the laptop, and the clients there.
    forwards = ["-N", "-o", "ExitOnForwardFailure=yes"]
    for port in (2222, 11434, 3000):
        forwards += ["-L", f"{port}:localhost:{port}"]
    options = [*world.vps_sshd.options(), *forwards]
    forwarding = laptop_host.start("ssh", [need("ssh"), *options, world.vps_sshd.target(DOMAIN)])
    laptop_host.wait_listening(("127.0.0.1", 11434), forwarding)
    assert laptop_host.run(world.home_sshd.ssh(2222, "hostname; exit 5"), code=5)
    tags = laptop_host.run([need("curl"), "-sS", "http://localhost:11434/api/tags"]).stdout
    assert json.loads(tags)["models"]
    for arguments in (["ollama", "11434"], ["mcp", "3000", "auto"]):
        script = [sys.executable, "-m", "tests.e2e.laptop", *arguments]
        said = [json.loads(line) for line in laptop_host.run(script, environ=ENVIRON).stdout.splitlines()]
        if arguments[0] == "ollama":
            assert "".join(piece["value"] for piece in said if piece["what"] == "word").split() == laptop.PROMPT.split()
        else:
            assert sum(piece["what"] == "progress" for piece in said) == laptop.STEPS

    # "Single connection": all of that went over one.
    assert len(vps.established(443)) == 1


def test_strangers_see_a_json_site(world: World) -> None:
    site = f"https://{DOMAIN}"
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"]
    upgrade += ["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "--http1.1", "--max-time", "10"]
    answer = '{"status":"ok","version":"1.0.0"}'
    assert world.curl(f"{site}/") == answer
    assert world.curl(*upgrade, f"{site}/") == answer
    assert world.curl(*upgrade, *status, f"{site}/") == "200"
    assert world.curl(*upgrade, "-H", "Authorization: Bearer bm90aGluZw", f"{site}/") == answer
    assert world.curl(f"{site}/health") == '{"status":"healthy"}'
    assert world.curl(*status, f"{site}/nothing") == "404"
    assert world.curl(*status, *upgrade, f"{site}/nothing") == "404"
    assert world.curl("-o", "/dev/null", "-w", "%{redirect_url}", f"http://{DOMAIN}/x") == f"{site}/x"


def test_two_hundred_visitors_use_one_websocket(world: World) -> None:
    vps = world.hosts.vps
    assert vps.run(world.home_sshd.ssh(2222, "true")).returncode == 0
    visitors = [vps.connect(("127.0.0.1", article.PORTS["ssh" if number % 2 else "ollama"])) for number in range(200)]
    try:
        for number, visitor in enumerate(visitors):
            visitor.settimeout(30)
            if number % 2:
                assert traffic.receive(visitor, 4) == b"SSH-"
            else:
                visitor.sendall(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert traffic.receive(visitor, 15) == b"HTTP/1.1 200 OK"
            if number % 20 == 0:
                assert len(vps.established(443)) == 1
        assert len(vps.established(443)) == 1
    finally:
        for visitor in visitors:
            visitor.close()


def test_the_servers_own_tls_on_443_takes_nginxs_place(programs: Programs) -> None:
    directory = programs.directory
    files = certificates.make(directory / "letsencrypt", DOMAIN)
    certificate = f'certificate = {{ cert = "{files.chain}", key = "{files.key}" }}'
    own = {f'bind_addr = "127.0.0.1:{article.DOOR}"': f'bind_addr = "0.0.0.0:443"\ntls = true\n{certificate}'}
    server_file = write(directory / "server.toml", article.replaced(article.server_toml(), own))
    client_file = write(directory / "client.toml", article.client_toml(DOMAIN))
    with three_hosts(programs, DOMAIN) as hosts:
        home_sshd = ssh_server(programs, hosts.home, "127.0.0.1")
        server = hosts.vps.start("hushgate", command("server", server_file), ENVIRON)
        hosts.laptop.wait_listening((VPS, 443), server)
        client = hosts.home.start(
            "hushgate", command("client", client_file), {**ENVIRON, "SSL_CERT_FILE": str(files.root)}
        )
        client.wait_log("connected")
        assert hosts.vps.run(home_sshd.ssh(article.PORTS["ssh"], "echo at home")).stdout == b"at home\n"
        assert len(hosts.vps.established(443)) == 1
        curl: list[str | Path] = [need("curl"), "-sS", "--http1.1", "--cacert", files.root]
        assert hosts.laptop.run([*curl, f"https://{DOMAIN}/health"]).stdout == b'{"status":"healthy"}'


def test_the_placeholders_of_the_article_are_refused(tmp_path: Path) -> None:
    for name in ("server", "client"):
        path = write(tmp_path / f"{name}.toml", article.original(f"{name}.toml"))
        refused = run(command(name, path), environ=ENVIRON, code=2)
        assert refused.stderr.decode().count(f"{name}.services.") >= 3
