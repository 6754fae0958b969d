"""A link without TLS to another machine: refused with a sentence that says what to write, until that is written."""

from collections.abc import Iterator

import pytest

from tests.e2e import traffic
from tests.e2e.hosts import ADDRESSES, Hosts, three_hosts
from tests.e2e.hushgate import ENVIRON, command, token, write
from tests.e2e.programs import Programs
from tests.e2e.sshd import Sshd

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DOMAIN = "tunnel.example.org"
DOOR, PUBLIC = 2333, 2222

SERVER = f"""
[server]
bind_addr = "0.0.0.0:{DOOR}"
[server.services.ssh]
token = "{token("ssh")}"
bind_addr = "0.0.0.0:{PUBLIC}"
"""
SERVICE = f"""
[client.services.ssh]
token = "{token("ssh")}"
local_addr = "127.0.0.1:22"
"""


@pytest.fixture
def hosts(programs: Programs) -> Iterator[Hosts]:
    with three_hosts(programs, DOMAIN) as hosts:
        yield hosts


@pytest.mark.parametrize(
    ("transport", "remote"),
    [("tcp", f"tcp://{DOMAIN}:{DOOR}"), ("tcp", f"{DOMAIN}:{DOOR}"), ("websocket", f"ws://{DOMAIN}:{DOOR}/")],
    ids=["tcp URL", "host and port", "ws URL"],
)
def test_it_must_be_asked_for(hosts: Hosts, programs: Programs, transport: str, remote: str) -> None:
    directory, home = programs.directory, hosts.home
    table = f'\n[client.transport]\ntype = "{transport}"\n{SERVICE}'
    server_file = write(directory / "server.toml", f'{SERVER}\n[server.transport]\ntype = "{transport}"\n')
    client_file = write(directory / "client.toml", f'[client]\nremote_addr = "{remote}"{table}')
    started = command("client", client_file)
    for line in (started, [*started, "--probe"], command("check", client_file)):
        refused = home.run(line, environ=ENVIRON, code=2)
        said = (refused.stdout + refused.stderr).decode()
        assert "client.toml: client.remote_addr: " in said
        assert "insecure = true" in said
        assert f'write "wss://{DOMAIN}:{DOOR}/"' in said

    write(client_file, f'[client]\nremote_addr = "{remote}"\ninsecure = true{table}')
    assert home.run(command("check", client_file), environ=ENVIRON)
    sshd = Sshd(directory, home.start, 22, "127.0.0.1")
    home.wait_listening(("127.0.0.1", 22), sshd.program)
    server = hosts.vps.start("hushgate", command("server", server_file), ENVIRON)
    hosts.laptop.wait_listening((ADDRESSES["vps"], PUBLIC), server)
    home.start("hushgate", started, ENVIRON)
    with hosts.laptop.connect((ADDRESSES["vps"], PUBLIC)) as visitor:
        visitor.settimeout(15)
        assert traffic.receive(visitor, 4) == b"SSH-"
