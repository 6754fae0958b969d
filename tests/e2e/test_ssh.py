"""OpenSSH through the tunnel: everything people do over ssh, on each of the ways there are to it."""

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e import traffic
from tests.e2e.access import Laptop
from tests.e2e.hushgate import Tunnel
from tests.e2e.programs import Address, Programs, free_port, listens, need, run, until
from tests.e2e.sshd import Sshd
from tests.processes import killed_at_the_end

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.fixture(params=["public port", "local port", "stdio"])
def port(request: pytest.FixtureRequest, programs: Programs, sshd: Sshd) -> int:
    """The port that ssh is to be given: a public one of the VPS, a local one of the laptop, or any, with a
    ProxyCommand."""
    tunnel = Tunnel(programs, {"ssh": ("127.0.0.1", sshd.port)})
    if request.param == "public port":
        return tunnel.start().ports["ssh"]
    tunnel.private = {"ssh"}
    laptop = Laptop(tunnel.start(), ["ssh"])
    tunnel.client.wait_log("connected")
    if request.param == "local port":
        return laptop.start().ports["ssh"]
    sshd.proxy = laptop.proxy("ssh")
    return 22


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    with path.open("wb") as file:
        for piece in traffic.feed(7, 20_000_000):
            file.write(piece)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_exit_status_output_and_errors_come_back(sshd: Sshd, port: int) -> None:
    done = sshd.run(port, "echo out; echo err >&2; exit 42", code=42)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_an_interactive_session_has_a_terminal(sshd: Sshd, port: int) -> None:
    done = sshd.run(port, options=["-tt"], stdin=b"stty -echo; PS1=; tty; stty size\nexit 3\n", code=3)
    assert b"/dev/pts/" in done.stdout


def test_the_end_of_input_reaches_the_other_side(sshd: Sshd, port: int, tmp_path: Path, big: Path) -> None:
    sshd.run(port, f"cat > {tmp_path}/copy", stdin=big.read_bytes())
    assert sha256(tmp_path / "copy") == sha256(big)


def test_scp_both_ways(sshd: Sshd, port: int, tmp_path: Path, big: Path) -> None:
    scp = [need("scp"), "-q", *sshd.options(), "-P", str(port)]
    run([*scp, big, f"{sshd.target()}:{tmp_path}/there"])
    run([*scp, f"{sshd.target()}:{tmp_path}/there", tmp_path / "back"])
    assert sha256(tmp_path / "back") == sha256(big)


def test_sftp(sshd: Sshd, port: int, tmp_path: Path, big: Path) -> None:
    batch = f"put {big} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\nls {tmp_path}\n"
    run([need("sftp"), "-b", "-", *sshd.options(), "-P", str(port), sshd.target()], stdin=batch.encode())
    assert sha256(tmp_path / "back") == sha256(big)


def test_rsync(sshd: Sshd, port: int, tmp_path: Path, big: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    for number in range(50):
        (tmp_path / "tree" / "deep" / str(number)).write_text(str(number))
    big.rename(tmp_path / "tree" / "big")
    rsync = [need("rsync"), "-a", "-e", sshd.shell(port)]
    run([*rsync, f"{tmp_path}/tree/", f"{sshd.target()}:{tmp_path}/there/"])
    run([*rsync, "--delete", f"{sshd.target()}:{tmp_path}/there/", f"{tmp_path}/back/"])
    run([need("diff"), "-r", tmp_path / "tree", tmp_path / "back"])


def test_git_clones_fifty_megabytes(sshd: Sshd, port: int, tmp_path: Path) -> None:
    git, home = need("git"), tmp_path / "repository"
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSH_COMMAND": sshd.shell(port)}
    run([git, "init", "-q", home], environ=alone)
    # Random bytes do not compress: the pack is as large as the files.
    for number in range(13):
        (home / f"file{number}").write_bytes(os.urandom(4_000_000))
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    run([git, "-C", home, "add", "."], environ=alone)
    run([git, "-C", home, *identity, "commit", "-qm", "all"], environ=alone)
    clone = tmp_path / "clone"
    run([git, "clone", "-q", f"ssh://{sshd.target()}:{port}{home}", clone], environ=alone, timeout=90)
    run([git, "-C", clone, "fsck", "--full", "--strict"], environ=alone)
    assert sum(path.stat().st_size for path in (clone / ".git" / "objects" / "pack").iterdir()) > 50_000_000


@contextmanager
def ended_at_the_end(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    with killed_at_the_end(process):
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def forwarding(sshd: Sshd, port: int, option: str, specification: str) -> Iterator[None]:
    """`ssh -N` with one forward, until the block ends."""
    argv = sshd.ssh(port, options=["-N", "-o", "ExitOnForwardFailure=yes", option, specification])
    with ended_at_the_end(subprocess.Popen(argv, stdin=subprocess.DEVNULL)):
        yield


@pytest.mark.parametrize("option", ["-L", "-R"])
def test_port_forwards(sshd: Sshd, port: int, option: str, swap_service: Address) -> None:
    local = free_port()
    with forwarding(sshd, port, option, f"127.0.0.1:{local}:127.0.0.1:{swap_service[1]}"):
        until(lambda: listens(("127.0.0.1", local)), f"ssh {option} to listen")
        traffic.exchange_many(("127.0.0.1", local), count=4, size=2_000_000)


def test_dynamic_forward(sshd: Sshd, port: int, echo_service: Address) -> None:
    local = free_port()
    with forwarding(sshd, port, "-D", f"127.0.0.1:{local}"):
        until(lambda: listens(("127.0.0.1", local)), "ssh -D to listen")
        with socket.create_connection(("127.0.0.1", local), 10) as proxy:
            # SOCKS5 (RFC 1928): no authentication, then CONNECT to an IPv4 address.
            proxy.sendall(b"\x05\x01\x00")
            assert traffic.receive(proxy, 2) == b"\x05\x00"
            proxy.sendall(b"\x05\x01\x00\x01" + bytes([127, 0, 0, 1]) + echo_service[1].to_bytes(2, "big"))
            assert traffic.receive(proxy, 10)[:2] == b"\x05\x00"
            proxy.sendall(b"through")
            assert traffic.receive(proxy, 7) == b"through"


def test_twenty_sessions_on_one_control_master(sshd: Sshd, port: int, tmp_path: Path) -> None:
    control = ["-o", f"ControlPath={tmp_path}/master"]
    master = subprocess.Popen(sshd.ssh(port, options=["-N", "-M", *control]), stdin=subprocess.DEVNULL)
    with ended_at_the_end(master), ExitStack() as stack:
        until((tmp_path / "master").exists, "the control master")
        commands = [sshd.ssh(port, f"seq 1 20000; echo {number}", options=control) for number in range(20)]
        sessions = [
            stack.enter_context(
                killed_at_the_end(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
            )
            for argv in commands
        ]
        expected = "".join(f"{line}\n" for line in range(1, 20001))
        for number, session in enumerate(sessions):
            assert session.communicate(timeout=60)[0] == f"{expected}{number}\n"
            assert session.returncode == 0


def test_an_agent_is_forwarded(sshd: Sshd, port: int, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    with ended_at_the_end(subprocess.Popen([need("ssh-agent"), "-D", "-a", agent], stdout=subprocess.DEVNULL)):
        until(agent.exists, "the agent")
        environ = {"SSH_AUTH_SOCK": str(agent)}
        run([need("ssh-add"), "-q", sshd.key], environ=environ)
        listed = sshd.run(port, "ssh-add -L", options=["-A"], environ=environ).stdout
        assert listed.split()[:2] == sshd.key.with_suffix(".pub").read_bytes().split()[:2]
