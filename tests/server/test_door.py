"""The door: who gets in, who is turned away, and what it does when the machine has no more to give."""

import asyncio
import base64
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hushgate.config.model import Address, Tcp
from hushgate.errors import SystemFault
from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import Admission, ProofGuard
from hushgate.protocol.keys import Role, derive_keys
from hushgate.protocol.upgrade import build_upgrade
from hushgate.protocol.websocket import Opcode
from hushgate.server.door import Door
from hushgate.server.stranger import DoorTiming
from hushgate.transports.base import Pipe
from hushgate.transports.stream import SocketPipe
from hushgate.transports.tls import TlsServer
from tests.aio import run
from tests.logs import capture_logs
from tests.patience import in_time
from tests.processes import killed_at_the_end
from tests.server.article import connect, look, nginx
from tests.server.probes import request
from tests.transports.certificates import write_pair

KEYS = derive_keys("a token that is long enough", "ssh", Role.CLIENT)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", KEY)
BARE = (b"Connection: upgrade", b"Upgrade: Hushgate")


def proof() -> bytes:
    blob = build_upgrade([KEYS], "your-domain.com", time.time_ns() // 1_000_000, time.time_ns().to_bytes(16))
    return b"Authorization: Bearer " + base64.urlsafe_b64encode(blob).rstrip(b"=")


class Reader:
    """The link of these tests: keeps what it reads and echoes `ping`."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.data = b""

    def received(self, view: memoryview) -> int:
        self.data += view
        if self.data.endswith(b"ping"):
            self.pipe.write([[b"pong"]])
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        return


class Host:
    """A door with a real guard, and the links it admitted."""

    OPTIONS = Tcp(nodelay=False, keepalive_secs=9)

    def __init__(self, tls: TlsServer | None = None, **limits: int) -> None:
        self.links: list[Reader] = []
        self.visitors: list[str] = []
        self.asked = 0
        self._guard = ProofGuard(started_ms=0)
        self._keyring = Keyring({"ssh": [KEYS.verifier()]})
        self.door = Door(
            Address("127.0.0.1", 0),
            tls,
            self._gate,
            self._admit,
            timing=DoorTiming(linger=0.3),
            options=self.OPTIONS,
            connections=limits.get("connections", 128),
            connections_address=limits.get("connections_address", 8),
        )

    def _gate(self, blob: bytes | None) -> Admission | str:
        self.asked += 1
        admission = self._guard.check(blob, self._keyring, time.time_ns() // 1_000_000)
        return admission or str(self._guard.last_refusal)

    def _admit(self, pipe: Pipe, admission: Admission, visitor: str) -> None:
        assert admission.verifiers[0].service == "ssh"
        self.visitors.append(visitor)
        link = Reader(pipe)
        self.links.append(link)
        pipe.switch(link)

    async def run(self, visit: Callable[[int], None]) -> None:
        await self.door.start()
        try:
            await asyncio.to_thread(visit, self.door.address.port)
        finally:
            for link in self.links:
                link.pipe.abort("the test is over")
            await self.door.stop()


def until(sock: socket.socket, tail: bytes) -> bytes:
    data = b""
    sock.settimeout(5)
    while not data.endswith(tail):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


@pytest.mark.parametrize("secure", [False, True])
def test_a_proof_opens_a_bare_link_with_the_early_bytes(tmp_path: Path, secure: bool) -> None:
    pair = write_pair(tmp_path, "your-domain.com")
    host = Host(TlsServer(*pair) if secure else None)

    def visit(port: int) -> None:
        with connect(port, pair[0] if secure else None) as sock:
            sock.sendall(request(b"GET /any/path HTTP/1.1", *BARE, proof()) + b"early ")
            head = until(sock, b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n")
            assert head.endswith(b"Connection: upgrade\r\nUpgrade: hushgate\r\n\r\n")
            sock.sendall(b"ping")
            assert until(sock, b"pong") == b"pong"
            assert host.door.strangers == 0

    run(host.run(visit))
    assert [link.data for link in host.links] == [b"early ping"]


@pytest.mark.parametrize("proxied", [True, False])
def test_who_comes_is_whom_our_own_proxy_names(monkeypatch: pytest.MonkeyPatch, proxied: bool) -> None:
    monkeypatch.setattr("hushgate.server.stranger.is_loopback", lambda _host: proxied)
    host, own = Host(), []

    def visit(port: int) -> None:
        for named in (b"X-Real-IP: 192.0.2.7", b"X-Forwarded-For: 192.0.2.8, 192.0.2.9", b"X-Real-IP: nobody"):
            with connect(port, None) as sock:
                own.append("{} {}".format(*sock.getsockname()))
                sock.sendall(request(b"GET / HTTP/1.1", *BARE, proof(), named))
                until(sock, b"Upgrade: hushgate\r\n\r\n")

    run(host.run(visit))
    assert host.visitors == (["192.0.2.7 0", "192.0.2.9 0", own[2]] if proxied else own)


@pytest.mark.parametrize("secure", [False, True])
def test_only_a_link_gets_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:
    pair = write_pair(tmp_path, "your-domain.com")
    host = Host(TlsServer(*pair) if secure else None)
    seen: list[Tcp] = []
    monkeypatch.setattr(SocketPipe, "tune", lambda _pipe, options: seen.append(options))

    def visit(port: int) -> None:
        with connect(port, pair[0] if secure else None) as sock:
            sock.sendall(request(b"GET / HTTP/1.1"))
            until(sock, b"}")
            assert {options.keepalive_secs for options in seen} == {0}, "nginx sends no probes"
            sock.sendall(request(b"GET / HTTP/1.1", *BARE, proof()))
            until(sock, b"Upgrade: hushgate\r\n\r\n")
            assert seen[-1] == Host.OPTIONS

    run(host.run(visit))


def test_a_proof_opens_a_websocket_through_nginx(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "your-domain.com")
    host = Host()
    message = bytes((0x80 | Opcode.BINARY, 0x80 | 4, 0, 0, 0, 0)) + b"ping"

    def visit(port: int) -> None:
        with nginx(tmp_path, pair, port) as front, connect(front, pair[0]) as sock:
            sock.sendall(request(b"GET / HTTP/1.1", *WEBSOCKET, proof()) + message)
            head = until(sock, b"\x82\x04pong")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nServer: nginx\r\n")
            assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head

    run(host.run(visit))
    assert len(host.links) == 1


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (b"POST / HTTP/1.1", WEBSOCKET),
        (b"GET / HTTP/1.0", (*WEBSOCKET, b"Connection: keep-alive")),
        (b"GET / HTTP/1.1", WEBSOCKET[1:]),
        (b"GET / HTTP/1.1", (*WEBSOCKET[:3], b"Sec-WebSocket-Key: short")),
        (b"GET / HTTP/1.1", (*WEBSOCKET[:2], b"Sec-WebSocket-Version: 8", KEY)),
        (b"GET / HTTP/1.1", (b"Connection: upgrade", b"Upgrade: h2c")),
        (b"GET / HTTP/1.1", (*WEBSOCKET, b"Content-Length: 1")),
    ],
)
def test_what_is_not_quite_an_upgrade_is_a_request(line: bytes, headers: tuple[bytes, ...]) -> None:
    host = Host()

    def visit(port: int) -> None:
        body = b"x" if b"Content-Length: 1" in headers else b""
        seen = look(port, request(line, *headers, proof(), body=body), None, first=10)
        assert seen.data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert seen.end == "open"

    run(host.run(visit))
    assert not host.links
    assert host.asked == 0


def test_a_proof_is_good_once_and_the_log_says_who(capsys: pytest.CaptureFixture[str]) -> None:
    host = Host()
    same = proof()
    forwarded = b"X-Forwarded-For: spoofed, 192.0.2.7"

    def visit(port: int) -> None:
        with connect(port, None) as sock:
            sock.sendall(request(b"GET / HTTP/1.1", *BARE, same))
            until(sock, b"\r\n\r\n")
            again = look(port, request(b"GET / HTTP/1.1", *BARE, same, forwarded), None, first=10)
            assert again.data.endswith(b'{"status":"ok","version":"1.0.0"}')

    with capture_logs() as lines:
        run(host.run(visit))
    (line,) = [line for line in lines if line["event"] == "login refused"]
    assert line["peer"].startswith("127.0.0.1:")
    assert line["reason"] == "proof seen before"
    assert line["forwarded"] == "192.0.2.7"


def test_the_oldest_idle_stranger_makes_room() -> None:
    host = Host(connections=3)

    def visit(port: int) -> None:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        seen = look(port, request(b"GET / HTTP/1.1"), None, first=10)
        assert seen.data
        silent[0].settimeout(5)
        assert silent[0].recv(1) == b""
        busy = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for sock in busy:
            sock.sendall(request(b"GET /health HTTP/1.1") + b"GET / HTTP/1.1\r\n")
            until(sock, b'{"status":"healthy"}')
        seen = look(port, b"", None, first=10)
        assert (seen.data, seen.end) == (b"", "end"), "nobody of those inside is idle"
        for sock in (*silent, *busy):
            sock.close()

    run(host.run(visit))


def test_one_address_has_few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.server.door.is_loopback", lambda _host: False)
    host = Host(connections_address=2)

    def visit(port: int) -> None:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        refused = look(port, request(b"GET / HTTP/1.1"), None, first=10)
        assert (refused.data, refused.end) == (b"", "end")
        held.pop().close()
        deadline = time.monotonic() + 20
        while not look(port, request(b"GET / HTTP/1.1"), None, first=10).data:
            assert time.monotonic() < deadline
        held.pop().close()

    run(host.run(visit))


def test_silent_peers_do_not_delay_a_link(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "your-domain.com")
    taken: list[float] = []

    def visit(port: int) -> None:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
        for sock in held[::2]:
            sock.sendall(b"\x16\x03\x01")
        started = time.monotonic()
        with connect(port, pair[0]) as sock:
            sock.sendall(request(b"GET / HTTP/1.1", *BARE, proof()))
            until(sock, b"\r\n\r\n")
        taken.append(time.monotonic() - started)
        for sock in held:
            sock.close()

    def attempt() -> float:
        run(Host(TlsServer(*pair)).run(visit))
        return taken[-1]

    in_time(attempt, 1.0)


def test_faults_of_the_address_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(address: Address) -> str:
        door = Door(address, None, lambda _blob: "no", lambda _pipe, _admission, _visitor: None)
        with pytest.raises(SystemFault) as caught:
            await door.start()
        return str(caught.value)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(start(Address("127.0.0.1", port))).startswith(f"127.0.0.1:{port}: another program listens there: ")
    assert "this machine does not have that address" in run(start(Address("192.0.2.1", 0)))
    assert "cannot be resolved" in run(start(Address("no-such-host.invalid", 0)))

    def denied(_sock: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hushgate.link.accept.socket.socket.bind", denied)
    assert "needs a privilege" in run(start(Address("127.0.0.1", 443)))


EXHAUSTED = """
import asyncio, os, socket, sys
from hushgate.config.model import Address
from hushgate.log import configure
from hushgate.server.door import Door
from hushgate.transports.loop import new_event_loop

async def main():
    configure(stream=sys.stderr)
    door = Door(Address("127.0.0.1", 0), None, lambda blob: "no", lambda pipe, admission: None, connections=1000)
    await door.start()
    print(door.address.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await door.stop()

with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
"""


def test_without_descriptors_those_inside_go_on_and_the_log_stays_short() -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", EXHAUSTED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    with killed_at_the_end(program) as process:
        assert process.stdin and process.stdout and process.stderr
        took = _crowd(int(process.stdout.readline()))
        process.stdin.close()
        lines = [line for line in process.stderr.read().splitlines() if "no descriptor" in line]
        assert process.wait(10) == 0
    assert 1 <= len(lines) <= took + 1


def _crowd(port: int) -> float:
    """More visitors come than there are descriptors, around one who is served all the time. The seconds it took."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as inside:
        inside.sendall(request(b"GET /health HTTP/1.1"))
        until(inside, b'{"status":"healthy"}')
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(120)]
        for _ in range(15):
            inside.sendall(request(b"GET /health HTTP/1.1"))
            asked = time.monotonic()
            until(inside, b'{"status":"healthy"}')
            assert time.monotonic() - asked < 2
            time.sleep(0.1)
        for sock in crowd:
            sock.close()
        deadline = time.monotonic() + 20
        while not look(port, request(b"GET / HTTP/1.1"), None, first=10).data:
            assert time.monotonic() < deadline
    return time.monotonic() - started
