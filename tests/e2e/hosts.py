"""Three hosts on one machine: network namespaces `vps`, `home` and `laptop` on a bridge that no other network sees.

Each has its own loopback, so all of them can use the article's ports, and its own /etc/hosts. A connection from within
a namespace is made by a thread that enters it for good and hands the socket out.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.programs import Address, Program, Programs, need, run, until

ADDRESSES = {"vps": "10.77.0.1", "home": "10.77.0.2", "laptop": "10.77.0.3"}
_CLONE_NEWNET = 0x40000000


class Host:
    """One namespace; what is started in it sees its network and its /etc/hosts."""

    def __init__(self, name: str, namespace: str, programs: Programs) -> None:
        self.name = name
        self.namespace = namespace
        self.address = ADDRESSES[name]
        self._programs = programs

    def inside(self, argv: Sequence[str | Path]) -> list[str | Path]:
        """The command line that runs `argv` here."""
        return [need("ip"), "netns", "exec", self.namespace, *argv]

    def start(self, name: str, argv: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Program:
        return self._programs.start(f"{self.name}-{name}", self.inside(argv), environ)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float = 60.0,
        stdin: bytes | None = None,
        environ: Mapping[str, str] | None = None,
        code: int | None = 0,
    ) -> subprocess.CompletedProcess[bytes]:
        return run(self.inside(argv), timeout=timeout, stdin=stdin, environ=environ, code=code)

    def connect(self, address: Address, timeout: float = 5.0) -> socket.socket:
        """A TCP connection from this host. Raises OSError."""
        result: list[socket.socket | OSError] = []

        def enter_and_connect() -> None:
            try:
                with open(f"/run/netns/{self.namespace}", "rb") as namespace:
                    _enter(namespace.fileno())
                result.append(socket.create_connection(address, timeout))
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=enter_and_connect, daemon=True)
        thread.start()
        thread.join(2 * timeout)
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def wait_listening(self, address: Address, program: Program, timeout: float = 15.0) -> None:
        """Until the address accepts from here; fails at once when the program ends before that."""

        def ready() -> bool:
            if not program.running:
                pytest.fail(f"{program.name} ended with {program.process.returncode} before it listened on {address}")
            try:
                self.connect(address).close()
            except OSError:
                return False
            return True

        until(ready, f"{program.name} to listen on {address[0]}:{address[1]}", timeout)

    def established(self, port: int) -> list[str]:
        """Peers of the ESTABLISHED connections whose local port is `port`, as `ss` shows them."""
        shown = self.run([need("ss"), "-Htn", "state", "established", f"( sport = :{port} )"]).stdout.decode()
        return [line.split()[-1] for line in shown.splitlines()]


class Hosts:
    """The three of them."""

    def __init__(self, vps: Host, home: Host, laptop: Host) -> None:
        self.vps, self.home, self.laptop = vps, home, laptop


@contextmanager
def three_hosts(programs: Programs, domain: str) -> Iterator[Hosts]:
    """Makes the namespaces and takes them away again; `domain` is the VPS on all three."""
    ip = _ip()
    prefix = f"hushgate-{os.getpid()}"
    net = f"{prefix}-net"
    made: list[str] = []

    def add(namespace: str) -> None:
        run([ip, "netns", "add", namespace])
        made.append(namespace)
        run([ip, "-n", namespace, "link", "set", "dev", "lo", "up"])

    table = "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in ADDRESSES.items())
    try:
        add(net)
        run([ip, "-n", net, "link", "add", "br0", "type", "bridge"])
        run([ip, "-n", net, "link", "set", "dev", "br0", "up"])
        for name, address in ADDRESSES.items():
            namespace = f"{prefix}-{name}"
            add(namespace)
            files = Path("/etc/netns") / namespace
            files.mkdir(parents=True)
            (files / "hosts").write_text(table + f"{ADDRESSES['vps']} {domain}\n")
            run(
                [ip, "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"to-{name}", "netns", net]
            )
            run([ip, "-n", net, "link", "set", "dev", f"to-{name}", "master", "br0", "up"])
            run([ip, "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0"])
            run([ip, "-n", namespace, "link", "set", "dev", "eth0", "up"])
        yield Hosts(*(Host(name, f"{prefix}-{name}", programs) for name in ADDRESSES))
    finally:
        programs.stop()
        for namespace in made:
            run([ip, "netns", "del", namespace], code=None)
            shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)


def with_tiny_sockets(work: Callable[[], None]) -> None:
    """Runs `work` in a thread whose network is a loopback with buffers of a few KiB in every socket, and nothing else;
    what it starts is in there, too."""
    ip = _ip()

    def enter_and_work() -> None:
        _succeed(_libc().unshare(_CLONE_NEWNET))
        run([ip, "link", "set", "dev", "lo", "up"])
        for name in ("tcp_rmem", "tcp_wmem"):
            Path("/proc/sys/net/ipv4", name).write_text("4096 8192 8192")
        work()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(enter_and_work).result()


def _ip() -> str:
    if os.geteuid() != 0:
        pytest.fail("network namespaces need root; without it run: pytest -m 'not system'")
    return need("ip")


def _enter(namespace: int) -> None:
    """setns(2) for this thread; os.setns exists from Python 3.12 on."""
    _succeed(_libc().setns(namespace, _CLONE_NEWNET))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _succeed(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
