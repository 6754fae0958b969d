"""Strangers see nginx: the same bytes, the same ends, the same clocks."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hushgate.config.model import Address, Http, Secret, ServerConfig, ServerService
from hushgate.server.door import Door
from hushgate.server.nginxconf import nginx_blocks
from hushgate.server.sites import Sites
from hushgate.server.stranger import DoorTiming
from hushgate.transports.tls import TlsServer
from tests.aio import run
from tests.patience import in_time
from tests.server.article import Seen, connect, look, nginx, read
from tests.server.probes import ON_TLS_PORT, PROBES, request
from tests.transports.certificates import write_pair

FAST = DoorTiming(silent=0.4, keepalive=0.7, linger=0.3, linger_total=0.8)


def closed(timing: DoorTiming | None = None, tls: TlsServer | None = None, path: str = "") -> Door:
    """A door that lets nobody in; `path`: where there is a service."""
    sites = Sites([("", path, None)])
    oauth = sites.looks_for_oauth
    return Door(Address("127.0.0.1", 0), tls, lambda _blob: "no", lambda *_: None, oauth=oauth, timing=timing)


def all_of(
    port: int, probes: dict[str, bytes], trust: Path | None, wait: float = 0.3, first: float = 0.0
) -> dict[str, Seen]:
    with ThreadPoolExecutor(16) as pool:
        seen = pool.map(lambda data: look(port, data, trust, wait=wait, first=first), probes.values())
        return dict(zip(probes, seen, strict=True))


@pytest.mark.system
def test_answers_and_ends_are_those_of_nginx(tmp_path: Path) -> None:
    assert len(PROBES) > 200
    _compare(tmp_path, (PROBES, True), (ON_TLS_PORT, False))


OAUTH = {
    name: request(b"%s %s HTTP/1.1" % (method, path), *headers, body=body)
    for name, method, path, headers, body in [
        ("suffixed", b"GET", b"/.well-known/oauth-protected-resource/ollama", (), b""),
        ("below", b"GET", b"/.well-known/oauth-authorization-server/ollama/mcp?x=1", (), b""),
        ("bare", b"GET", b"/.well-known/openid-configuration", (), b""),
        ("head", b"HEAD", b"/.well-known/oauth-protected-resource", (), b""),
        ("put", b"PUT", b"/.well-known/oauth-protected-resource", (b"Content-Length: 3",), b"abc"),
        ("close", b"GET", b"/.well-known/oauth-protected-resource", (b"Connection: close",), b""),
        ("encoded", b"GET", b"//.well-known/x/../oauth-protected-%72esource/%6fllama", (), b""),
        ("newline", b"GET", b"/.well-known/oauth-protected-resource%0a", (), b""),
        ("condition", b"GET", b"/.well-known/oauth-protected-resource", (b"If-None-Match: *", b"If-Match: a"), b""),
        ("foreign", b"GET", b"/.well-known/oauth-protected-resource/other", (), b""),
        ("longer", b"GET", b"/.well-known/oauth-protected-resource/ollama2", (), b""),
        ("case", b"GET", b"/.WELL-known/oauth-protected-resource", (), b""),
        ("security", b"GET", b"/.well-known/security.txt", (), b""),
        ("register", b"POST", b"/register", (b"Content-Length: 2",), b"{}"),
        ("continue", b"POST", b"/register", (b"Content-Length: 2", b"Expect: 100-continue"), b"{}"),
        ("chunked", b"POST", b"/register", (b"Transfer-Encoding: chunked",), b"2\r\n{}\r\n0\r\n\r\n"),
        ("malformed", b"POST", b"/register", (b"Transfer-Encoding: chunked",), b"z\r\n"),
        ("large", b"POST", b"/register", (b"Content-Length: 9999999",), b"{}"),
        ("registered", b"GET", b"/register", (), b""),
        ("below register", b"POST", b"/register/x", (b"Content-Length: 2",), b"{}"),
    ]
}


@pytest.mark.system
def test_whoever_looks_for_oauth_hears_what_nginx_says_in_our_blocks(tmp_path: Path) -> None:
    service = ServerService("ollama", (Secret("t"),), http=Http(path="/ollama"))
    blocks = nginx_blocks(ServerConfig(Address("127.0.0.1", 1), {"ollama": service}))
    seen = _compare(tmp_path, (OAUTH, True), path="/ollama", more=blocks)
    found = {name for name, answer in seen.items() if b"application/json" in answer.data}
    pages = {"foreign", "longer", "case", "security", "malformed", "large", "registered", "below register"}
    assert found == OAUTH.keys() - pages


def _compare(folder: Path, *groups: tuple[dict[str, bytes], bool], path: str = "", more: str = "") -> dict[str, Seen]:
    """Asks nginx, with `more` in its file, and a door with a service at `path`; a group says whether it comes over TLS.
    What nginx answered to the first group."""
    pair = write_pair(folder, "your-domain.com")
    first: dict[str, Seen] = {}

    async def ours(probes: dict[str, bytes], trust: Path | None, wait: float) -> dict[str, Seen]:
        door = closed(tls=TlsServer(*pair), path=path)
        await door.start()
        try:
            return await asyncio.to_thread(all_of, door.address.port, probes, trust, wait)
        finally:
            await door.stop()

    def differences(probes: dict[str, bytes], trust: Path | None, wait: float) -> dict[str, tuple[Seen, Seen]]:
        expected = all_of(port, probes, trust, wait)
        first.update(expected if probes.keys() <= groups[0][0].keys() else {})
        seen = run(ours(probes, trust, wait))
        return {name: (seen[name], expected[name]) for name in probes if seen[name] != expected[name]}

    with nginx(folder, pair, more=more) as port:
        for probes, secure in groups:
            trust = pair[0] if secure else None
            # On a busy machine 0.3 s may be too short for an answer: what differs is asked again, with patience.
            hasty = differences(probes, trust, 0.3)
            assert differences({name: probes[name] for name in hasty}, trust, 3) == {}
    return first


@pytest.mark.system
def test_a_refused_upgrade_is_answered_as_without_it(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "your-domain.com")
    headers = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    upgrades = [request(b"GET %s HTTP/1.1", *headers, key, proof) for proof in (b"Authorization: Bearer AAAA", b"X: y")]

    async def check() -> None:
        door = closed(tls=TlsServer(*pair))
        await door.start()
        for path in (b"/", b"/health", b"/other"):
            probes = {str(number): upgrade.replace(b"%s", path) for number, upgrade in enumerate(upgrades)}
            probes["plain"] = request(b"GET %s HTTP/1.1" % path)
            seen = await asyncio.to_thread(all_of, door.address.port, probes, pair[0], first=10)
            assert seen["plain"].data
            assert set(seen.values()) == {seen["plain"]}
        await door.stop()

    run(check())


@pytest.mark.parametrize(
    ("data", "seconds", "answered"),
    [
        (b"", FAST.silent, False),
        (b"G", FAST.silent, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", FAST.silent, False),
        (request(b"GET / HTTP/1.1"), FAST.keepalive, True),
        (request(b"POST / HTTP/1.1", b"Content-Length: 9", body=b"a"), FAST.linger, True),
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_clocks_end_a_connection_without_a_word(
    tmp_path: Path, data: bytes, seconds: float, answered: bool, secure: bool
) -> None:
    pair = write_pair(tmp_path, "your-domain.com")

    def visit(port: int) -> tuple[Seen, float]:
        with connect(port, pair[0] if secure else None) as sock:
            started = time.monotonic()
            sock.settimeout(5)
            sock.sendall(data)
            return read(sock), time.monotonic() - started

    async def check() -> float:
        door = closed(FAST, TlsServer(*pair) if secure else None)
        await door.start()
        seen, took = await asyncio.to_thread(visit, door.address.port)
        assert bool(seen.data) == answered
        assert seen.end == ("cut" if secure else "end")
        assert seconds - 0.15 < took
        await door.stop()
        assert door.strangers == 0
        return took

    in_time(lambda: run(check()), seconds + 0.25)


def test_a_body_that_trickles_ends_at_the_total(tmp_path: Path) -> None:
    def visit(port: int) -> float:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            started = time.monotonic()
            sock.sendall(request(b"POST / HTTP/1.1", b"Content-Length: 900"))
            sock.settimeout(5)
            assert sock.recv(65536)
            sock.settimeout(0.05)
            while True:
                try:
                    sock.sendall(b"a")
                    if not sock.recv(65536):
                        return time.monotonic() - started
                except TimeoutError:
                    continue
                except OSError:
                    return time.monotonic() - started  # The byte came after the end.

    async def check() -> float:
        door = closed(FAST)
        await door.start()
        took = await asyncio.to_thread(visit, door.address.port)
        await door.stop()
        return abs(took - FAST.linger_total)

    in_time(lambda: run(check()), FAST.linger_total - FAST.linger - 0.2)


def test_the_end_is_never_a_reset() -> None:
    def visit(port: int) -> Seen:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(3)
            sock.sendall(b"\x00" * 3000)
            seen = read(sock)
            for _ in range(5):
                sock.sendall(b"more")
            assert sock.recv(10) == b""
            return seen

    async def check() -> None:
        door = closed(FAST)
        await door.start()
        seen = await asyncio.to_thread(visit, door.address.port)
        assert seen.end == "end"
        assert seen.data.startswith(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n")
        await door.stop()

    run(check())


def test_many_requests_at_once_wait_for_a_slow_reader() -> None:
    count = 900

    def visit(port: int) -> Seen:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(10)
            sock.sendall(count * request(b"GET /missing HTTP/1.1") + request(b"GET / HTTP/1.1", b"Connection: close"))
            return read(sock)

    async def check() -> None:
        door = closed()
        await door.start()
        seen = await asyncio.to_thread(visit, door.address.port)
        assert seen.data.count(b"HTTP/1.1 404 Not Found\r\n") == count
        assert (seen.data.count(b"HTTP/1.1 200 OK\r\n"), seen.end) == (1, "end")
        await door.stop()

    run(check())
