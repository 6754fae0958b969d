"""The laptop's side with real programs in front: nginx with the article's file, and the server's own TLS."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import article, certificates, traffic
from tests.e2e.access import Laptop
from tests.e2e.hushgate import ENVIRON, Tunnel, established
from tests.e2e.nginx import Nginx
from tests.e2e.profile import sized
from tests.e2e.programs import Address, Program, Programs, free_port, need, run, until
from tests.e2e.relay import Relay
from tests.e2e.sshd import Sshd
from tests.processes import killed_at_the_end

pytestmark = [pytest.mark.system, pytest.mark.timeout(sized(120, 600))]

DOMAIN = "localhost"
Front = Callable[[Programs, dict[str, Address]], Tunnel]


def behind_nginx(programs: Programs, services: dict[str, Address]) -> Tunnel:
    """The article's file in front; not started yet. `established` counts links at the tunnel's `https`."""
    files = certificates.make(programs.directory / "certificates", DOMAIN)
    https = free_port()
    trust = {"SSL_CERT_FILE": str(files.root)}
    tunnel = Tunnel(programs, services, f"wss://{DOMAIN}:{https}/", environ=trust)
    conf = article.nginx_conf(DOMAIN, files.chain, files.key)
    conf = article.nginx_ports(conf, http=free_port(), https=https, door=tunnel.door)
    Nginx(programs.directory, programs.start, conf).program.wait_listening(("127.0.0.1", https))
    return tunnel


def own_tls(programs: Programs, services: dict[str, Address]) -> Tunnel:
    files = certificates.make(programs.directory / "certificates", DOMAIN)
    door = free_port()
    return Tunnel(
        programs,
        services,
        f"wss://{DOMAIN}:{door}/",
        server_settings=f'tls = true\ncertificate = {{ cert = "{files.chain}", key = "{files.key}" }}',
        client_settings=f'trusted_root = "{files.root}"',
        door=door,
    )


@pytest.mark.parametrize("hidden", [False, True], ids=["relayed", "end to end"])
@pytest.mark.parametrize("front", [behind_nginx, own_tls])
def test_ssh_to_a_private_service(front: Front, hidden: bool, programs: Programs, sshd: Sshd) -> None:
    tunnel = front(programs, {"ssh": ("127.0.0.1", sshd.port)})
    tunnel.private = {"ssh"}
    tunnel.hidden = {"ssh"} if hidden else set()
    laptop = Laptop(tunnel.start(), ["ssh"]).start()
    https = int(tunnel.remote.rstrip("/").rpartition(":")[2])
    done = sshd.run(laptop.ports["ssh"], "echo through a local port; exit 5", code=5)
    assert done.stdout == b"through a local port\n"
    assert established(https) == 2, "one WebSocket of home, one of the laptop"
    sshd.proxy = laptop.proxy("ssh")
    done = sshd.run(22, "cat; exit 6", stdin=b"through a ProxyCommand", code=6)
    assert (done.stdout, done.stderr) == (b"through a ProxyCommand", b"")


@pytest.mark.parametrize("front", [behind_nginx, own_tls])
def test_several_services_at_once(front: Front, programs: Programs, swap_service: Address) -> None:
    tunnel = front(programs, {"one": swap_service, "two": swap_service})
    tunnel.hidden = {"two"}
    laptop = Laptop(tunnel.start(), ["one", "two"])
    local = free_port()
    argv = laptop.connect("one", "-L", f"{local}:two")
    ports = programs.start("connect", argv, {**ENVIRON, **tunnel.environ})
    for address in (laptop.address("one"), ("127.0.0.1", local)):
        ports.wait_listening(address)
        traffic.exchange_many(address, count=4, size=1_000_000)
    ports.signal(signal.SIGTERM)
    assert ports.wait() == 0


def connected(laptop: Laptop, *arguments: str, code: int) -> str:
    """What `hushgate connect ARGUMENTS` says when it ends with `code`."""
    environ = {**ENVIRON, **laptop.tunnel.environ}
    done = run(laptop.connect(*arguments), environ=environ, code=code)
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def test_each_failure_has_its_sentence_and_its_exit_code(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service}, server_settings='grace = "1s"\nvisitor_wait = "1s"').start()
    tunnel.client.wait_log("connected")
    laptop = Laptop(tunnel, ["echo"])
    port = str(tunnel.ports["echo"])
    assert "another program listens there" in connected(laptop, "echo", "-L", port, code=5)
    laptop.keys = {"echo": "0" * 64}
    laptop.write()
    assert connected(laptop, "echo", "--stdio", code=3).count("\n") == 1
    assert "no access key of ours is known there" in connected(laptop, "echo", code=3)
    laptop.keys = {}
    laptop.write()
    tunnel.client.stop()
    assert connected(laptop, "echo", "--stdio", code=4).startswith("echo: home is away")
    tunnel.server.kill()
    assert connected(laptop, "echo", "--stdio", code=4).startswith(f"cannot reach ws://127.0.0.1:{tunnel.door}/")
    assert "there is no service mcp" in connected(laptop, "mcp", "--stdio", code=2)


def test_a_key_that_is_removed_from_the_servers_file_ends_its_streams(
    programs: Programs, echo_service: Address
) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service, "other": echo_service}).start()
    laptop = Laptop(tunnel, ["echo", "other"])
    program = subprocess.Popen(
        laptop.connect("echo", "--stdio"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRON},
    )
    with killed_at_the_end(program) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"hello")
        process.stdin.flush()
        assert process.stdout.read(5) == b"hello"
        tunnel.revoked = {"echo"}
        tunnel.write_server(tunnel.at_server)
        tunnel.server.signal(signal.SIGHUP)
        started = time.monotonic()
        assert process.wait(10) == 3
        assert time.monotonic() - started < 2, "a second, and what it takes to end the process"
        assert process.stderr.read().startswith(b"echo: the access key does not hold, or not any more")


def test_an_ssh_session_goes_on_across_reloads_of_nginx(programs: Programs, sshd: Sshd) -> None:
    tunnel = behind_nginx(programs, {"ssh": ("127.0.0.1", sshd.port)}).start()
    laptop = Laptop(tunnel, ["ssh"])
    nginx = next(program for program in programs.started if program.name == "nginx")
    sshd.proxy = laptop.proxy("ssh")
    command = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 7"
    counting = subprocess.Popen(
        sshd.ssh(22, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with killed_at_the_end(counting) as session:
        assert session.stdout
        lines = [session.stdout.readline() for _ in range(20)]
        for _ in range(3):
            restart(nginx)
            lines += [session.stdout.readline() for _ in range(40)]
        lines += session.stdout.readlines()
        assert lines == [f"{number}\n" for number in range(1, 201)]
        assert session.wait(20) == 7


def restart(nginx: Program) -> None:
    """Ends all connections through it, and comes back."""
    nginx.stop(5.0)
    nginx.start()
    until(lambda: nginx.running, "nginx")


def test_the_printed_ssh_config_goes_past_the_tunnel_where_it_can(
    programs: Programs, sshd: Sshd, tmp_path: Path
) -> None:
    tunnel = Tunnel(programs, {"ssh": ("127.0.0.1", sshd.port)}).start()
    tunnel.client.wait_log("connected")
    laptop = Laptop(tunnel, ["ssh"])
    program = tmp_path / "hushgate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hushgate "$@"\n')
    program.chmod(0o755)
    environ = {**ENVIRON, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    config = tmp_path / "config"

    def ssh_with(lan: str) -> bool:
        """Whether it came to the server."""
        before = len(tunnel.server.log())
        printed = run([program, "config", "ssh", "--lan", lan, "--file", laptop.file], environ=environ).stdout.decode()
        config.write_text(printed)
        options = [item for item in sshd.options() if item not in ("-F", "none")]
        run([need("ssh"), "-F", config, *options, "-l", sshd.user, "home", "true"], environ=environ)
        return "laptop connected" in tunnel.server.log()[before:]

    assert not ssh_with(f"127.0.0.1:{sshd.port}")
    assert ssh_with(f"127.0.0.1:{free_port()}")
    known = (sshd.directory / "known_hosts").read_text().splitlines()
    assert {line.split()[0] for line in known} == {"home"}


def test_it_starts_within_its_budget(programs: Programs, sshd: Sshd) -> None:
    """In processor time, since others may use the machine now; the time by the clock is a row of scripts/bench."""
    tunnel = own_tls(programs, {"ssh": ("127.0.0.1", sshd.port)}).start()
    tunnel.client.wait_log("connected")
    argv = Laptop(tunnel, ["ssh"]).connect("ssh", "--stdio")
    used = []
    for _ in range(5):
        program = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ENVIRON})
        with killed_at_the_end(program) as process:
            assert process.stdin and process.stdout
            assert process.stdout.read(8) == b"SSH-2.0-"
            after_name = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used.append((int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK"))
    assert min(used) <= 0.25


def test_much_goes_both_ways_over_standard_input_and_output(programs: Programs, swap_service: Address) -> None:
    """Both of them one socket, as inetd would give it, and the laptop's link cut in between."""
    size = sized(64, 1024) * 1024 * 1024
    tunnel = Tunnel(programs, {"swap": swap_service}).start()
    tunnel.client.wait_log("connected")
    with Relay(("127.0.0.1", tunnel.door)) as line:
        laptop = Laptop(tunnel, ["swap"], remote=f"ws://127.0.0.1:{line.port}/")
        line.cut_after(iter([size // 2] * 3))

        def connect(visitor: socket.socket) -> None:
            argv = laptop.connect("swap", "--stdio")
            subprocess.run(
                argv, stdin=visitor.fileno(), stdout=visitor.fileno(), env={**os.environ, **ENVIRON}, check=True
            )

        with traffic.serving(connect) as address:
            traffic.exchange(address, size)
        assert line.cut_count == 3
