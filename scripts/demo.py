"""The whole product on one machine: the article's two files, three services through the tunnel, a cut nobody notices.

Server and client are the real programs. Both ends share this machine, so domain, ports and the certificate's authority
differ from the article; the difference is printed. A small relay between the two stands for the network, to cut it.
"""

import contextlib
import difflib
import hashlib
import http.client
import http.server
import json
import os
import random
import secrets
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ARTICLE = Path(__file__).resolve().parents[1] / "tests" / "e2e" / "article"
SIZE = 64 * 1024 * 1024
LOCAL_PORTS = {"ssh": 22, "ollama": 11434, "mcp": 3000}
PLACEHOLDERS = {
    "ssh": ("generate-a-strong-random-token-here", "same-token-as-server-ssh"),
    "ollama": ("another-strong-random-token", "same-token-as-server-ollama"),
    "mcp": ("yet-another-strong-token", "same-token-as-server-mcp"),
}
_COLOURS = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if _COLOURS else text


def title(text: str) -> None:
    print("\n" + paint(text, "1"), flush=True)


def good(text: str) -> None:
    print(f"  {paint('✓', '32')} {text}", flush=True)


class Failed(Exception):
    """The demo cannot go on; the message says why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificate(directory: Path) -> None:
    """cert.pem (its own authority) and key.pem for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_private(
        directory / "key.pem",
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, at once."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


# Services at home


class Home(http.server.BaseHTTPRequestHandler):
    """Stands in for Ollama (`/api/tags`) and for an MCP server (`/mcp`) where this machine has none."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"models": [{"name": "built-in:latest"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "serverInfo": {"name": "built-in", "version": "1"},
        }
        self._answer({"jsonrpc": "2.0", "id": asked.get("id"), "result": result})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def payload() -> Iterator[bytes]:
    """SIZE bytes, the same every time and nowhere periodic in a short range."""
    dice = random.Random(1)
    for _ in range(SIZE // (1 << 20)):
        yield dice.randbytes(1 << 20)


def serve(handle: "type[Banner] | type[Download]") -> int:
    """Starts a small TCP service; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=handle.serve, args=(listener,), daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


class Banner:
    """Stands in for sshd: says its name as one does (RFC 4253 §4.2), nothing else."""

    @staticmethod
    def serve(listener: socket.socket) -> None:
        while True:
            with listener.accept()[0] as visitor, contextlib.suppress(OSError):
                visitor.sendall(b"SSH-2.0-built-in\r\n")


class Download:
    """Sends the payload to everyone who comes, one after the other."""

    @staticmethod
    def serve(listener: socket.socket) -> None:
        while True:
            with listener.accept()[0] as visitor, contextlib.suppress(OSError):
                for piece in payload():
                    visitor.sendall(piece)


def find_services() -> dict[str, tuple[int, str]]:
    """Name to (port, what it is): this machine's own services where they listen on the article's ports."""
    found: dict[str, tuple[int, str]] = {}
    for name, port in LOCAL_PORTS.items():
        try:
            answer = PROBES[name](port)
        except (OSError, ValueError, http.client.HTTPException):
            stand_in = serve(Banner) if name == "ssh" else start_http()
            found[name] = (stand_in, "a small built-in service, for nothing suitable listens on port " + str(port))
        else:
            found[name] = (port, f"this machine's own ({answer})")
    return found


def start_http() -> int:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Home)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


# Visitors


def ask_ssh(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 30) as visitor:
        line = visitor.makefile("rb").readline(255).decode("ascii", "replace").strip()
    if not line.startswith("SSH-"):
        raise ValueError("no SSH server answers")
    return line


def ask_ollama(port: int) -> str:
    models = request(port, "GET", "/api/tags")["models"]
    if not isinstance(models, list):
        raise ValueError("no Ollama answers")
    return ", ".join(model["name"] for model in models[:3]) or "no models yet"


def ask_mcp(port: int) -> str:
    client = {"name": "hushgate-demo", "version": "1"}
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked})
    result = request(port, "POST", "/mcp", body).get("result")
    if not isinstance(result, dict):
        raise ValueError("no MCP server answers")
    return str(result["serverInfo"]["name"])


def request(port: int, method: str, path: str, body: str | None = None) -> dict[str, object]:
    """One HTTP request and the JSON of its answer, also out of an event stream's first event."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        if "event-stream" in (answer.getheader("Content-Type") or ""):
            data = next(line[5:] for line in answer if line.startswith(b"data:") and line[5:].strip())
        else:
            data = answer.read()
    finally:
        connection.close()
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


PROBES = {"ssh": ask_ssh, "ollama": ask_ollama, "mcp": ask_mcp}


class Network:
    """The line between home and the VPS: relays TCP, and can be cut as a bad line cuts."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._standing: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Resets both ends of what stands, once something does."""
        while not self._standing:
            time.sleep(0.02)
        standing, self._standing = self._standing, []
        for end in standing:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)

    def _accept(self) -> None:
        while True:
            home = self._listener.accept()[0]
            try:
                vps = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                home.close()
                continue
            self.connections += 1
            self._standing = [home, vps]
            threading.Thread(target=self._relay, args=(home, vps), daemon=True).start()

    def _relay(self, home: socket.socket, vps: socket.socket) -> None:
        other = {home: vps, vps: home}
        with home, vps, contextlib.suppress(OSError):
            while True:
                for end in select.select([home, vps], [], [])[0]:
                    data = end.recv(1 << 18)
                    if not data:
                        return
                    other[end].sendall(data)


# The demo


class Demo:
    """Everything that is started lives in one temporary directory and ends with the demo."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.door = free_port()
        self.network = Network(self.door)
        self.public = {name: free_port() for name in LOCAL_PORTS}
        self.tokens = {name: secrets.token_urlsafe(32) for name in LOCAL_PORTS}

    def configure(self, services: dict[str, tuple[int, str]]) -> None:
        """Writes the article's two files with what must differ here, and shows the difference."""
        make_certificate(self.directory)
        server = {"127.0.0.1:8443": f"127.0.0.1:{self.door}"}
        server['"\n\n[server.transport]'] = (
            '"\ncertificate = { cert = "cert.pem", key = "key.pem" }\n\n[server.transport]'
        )
        server["tls = false  # TLS handled by nginx"] = "tls = true"
        client = {"wss://your-domain.com/": f"wss://localhost:{self.network.port}/"}
        client['/"\n\n[client.transport]'] = '/"\ntrusted_root = "cert.pem"\n\n[client.transport]'
        for name, local in LOCAL_PORTS.items():
            at_server, at_client = PLACEHOLDERS[name]
            server |= {
                at_server: self.tokens[name],
                f"127.0.0.1:{2222 if name == 'ssh' else local}": f"127.0.0.1:{self.public[name]}",
            }
            client |= {at_client: self.tokens[name]}
            if services[name][0] != local:
                client[f'"127.0.0.1:{local}"'] = f'"127.0.0.1:{services[name][0]}"'
        for file, changes in (("server.toml", server), ("client.toml", client)):
            original = changed = (ARTICLE / file).read_text()
            for old, new in changes.items():
                if old not in changed:
                    raise Failed(f"{file} of the article holds no {old!r}")
                changed = changed.replace(old, new)
            write_private(self.directory / file, changed)
            self._show_difference(file, original, changed)

    def _show_difference(self, file: str, original: str, changed: str) -> None:
        for token in self.tokens.values():
            changed = changed.replace(token, "(a random token)")
        lines = difflib.unified_diff(
            original.splitlines(), changed.splitlines(), f"article/{file}", file, "", "", 0, ""
        )
        for line in lines:
            if not line.startswith("@@"):
                print("  " + paint(line, {"+": "32", "-": "31"}.get(line[0], "0")))

    def start(self) -> None:
        self._start("server")
        for port in (self.door, *self.public.values()):
            self._await_port("server", port)
        good(f"server: door on 127.0.0.1:{self.door} (TLS), services on {', '.join(map(str, self.public.values()))}")
        self._start("client")

    def _start(self, what: str) -> None:
        command = [sys.executable, "-m", "hushgate", what, str(self.directory / f"{what}.toml")]
        with (self.directory / f"{what}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append((what, process))

    def _await_port(self, what: str, port: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                ended = [name for name, process in self.processes if process.poll() is not None]
                if ended or time.monotonic() > deadline:
                    raise Failed(f"the {what} does not listen on port {port}") from None
                time.sleep(0.02)

    def add_service(self, name: str, local: int) -> int:
        """Adds a service to both files while both programs run; returns its public port once it listens."""
        public, token = free_port(), secrets.token_urlsafe(32)
        for file, key, port in (("server.toml", "bind_addr", public), ("client.toml", "local_addr", local)):
            path = self.directory / file
            section = f'\n[{path.stem}.services.{name}]\ntoken = "{token}"\n{key} = "127.0.0.1:{port}"\n'
            write_private(path, path.read_text() + section)
        self._await_port("server", public)
        return public

    def stranger(self) -> str:
        """What somebody without a token gets from the door."""
        context = ssl.create_default_context(cafile=str(self.directory / "cert.pem"))
        connection = http.client.HTTPSConnection("localhost", self.door, timeout=10, context=context)
        connection.request("GET", "/", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        answer = connection.getresponse()
        text = f"{answer.status} {answer.reason} {answer.read().decode()}"
        connection.close()
        return text

    def download(self, port: int) -> None:
        """Fetches the payload through the tunnel, cuts the WebSocket at a third and two thirds, compares SHA-256."""
        cuts = [SIZE // 3, SIZE * 2 // 3]
        digest, got, longest = hashlib.sha256(), 0, 0.0
        with socket.create_connection(("127.0.0.1", port), 30) as visitor:
            visitor.settimeout(30)
            before = time.monotonic()
            while data := visitor.recv(1 << 18):
                now = time.monotonic()
                longest, before = max(longest, now - before), now
                digest.update(data)
                got += len(data)
                if cuts and got >= cuts[0]:
                    cuts.pop(0)
                    self.network.cut()
                    print(f"  {paint('✂', '33')} the WebSocket is cut after {got >> 20} MiB", flush=True)
        expected = hashlib.sha256()
        for piece in payload():
            expected.update(piece)
        if got != SIZE or digest.digest() != expected.digest():
            raise Failed(f"the transfer broke: {got} of {SIZE} bytes")
        good(f"it went on: {got >> 20} MiB, WebSockets used: {self.network.connections}, longest pause {longest:.1f} s")
        print(f"    sent      sha256 {expected.hexdigest()}\n    received  sha256 {digest.hexdigest()}")

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.directory.glob("*.log")))

    def stop(self) -> None:
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


NEXT = """\
  On the VPS   put the article's server.toml and nginx.conf in place with your domain and tokens
               (hushgate token new), then:  hushgate server server.toml
  At home      the same tokens in client.toml, then:  hushgate client client.toml --probe
                                                      hushgate client client.toml
  Anywhere     ssh -p 2222 you@your-domain.com        (bind_addr = "0.0.0.0:2222" lets everybody in)
  To check     hushgate check server.toml client.toml"""


def show(demo: Demo) -> None:
    title("Services at home")
    services = find_services()
    for name, (port, what) in services.items():
        print(f"  {name:<7} 127.0.0.1:{port}  {what}")
    title("The article's two files, and what differs because both ends share this machine")
    demo.configure(services)
    title("hushgate server server.toml · hushgate client client.toml")
    demo.start()
    title("Through the tunnel")
    for name, ask in PROBES.items():
        good(f"{name:<7} 127.0.0.1:{demo.public[name]} → {ask(demo.public[name])}")
    good("all of them on one WebSocket" if demo.network.connections == 1 else "reconnected in between")
    title("A stranger asks for a WebSocket")
    good(demo.stranger())
    title("A fourth service is added to both files while they run; its transfer loses the WebSocket twice")
    demo.download(demo.add_service("transfer", serve(Download)))
    title("What to do next")
    print(NEXT)


def main() -> int:
    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    directory = Path(tempfile.mkdtemp(prefix="hushgate-demo-"))
    demo = Demo(directory)
    try:
        show(demo)
    except (Failed, OSError, ValueError, http.client.HTTPException) as error:
        print(f"\n{paint('✗', '31')} {error}\n{demo.logs()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
