"""The services at home: this machine's own where it has them, small built-in ones where not."""

import contextlib
import http.client
import http.server
import json
import random
import socket
import threading
from collections.abc import Iterator

from demo.visitors import PROBES

SIZE = 64 * 1024 * 1024
LOCAL_PORTS = {"ssh": 22, "ollama": 11434, "mcp": 3000}


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
