"""Web servers with one fault each, in a thread: what the doctor is called to."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

MODERN = "2026-07-28"


class Asked(NamedTuple):
    """`headers` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    value: Any


class Told(NamedTuple):
    """An answer: its body, or the pieces of it as they are to be sent."""

    status: int
    body: bytes | Iterable[bytes] = b""
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Site = Callable[[Asked], Told]


@contextlib.contextmanager
def serving(site: Site, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """The address of a server that answers as `site` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = site(Asked(self.command, self.path, headers, json.loads(body) if body else None))
            self.send_response(told.status)
            self.send_header("Content-Type", told.kind)
            self.send_header("Connection", "close")
            for name, value in told.headers:
                self.send_header(name, value)
            self.close_connection = True
            if isinstance(told.body, bytes):
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)
                return
            self.end_headers()
            with contextlib.suppress(OSError):
                for piece in told.body:
                    self.wfile.write(piece)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme, host = "http", f"127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, host = "https", f"localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"{scheme}://{host}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(value: object, status: int = 200) -> Told:
    return Told(status, json.dumps(value).encode())


def error(status: int, text: str) -> Told:
    return says({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": text}}, status)


def modern(asked: Asked) -> Told:
    """A server of the newest revision, that refuses pages."""
    if "origin" in asked.headers:
        return error(403, "Invalid Origin header")
    if asked.value["method"] == "subscriptions/listen":
        return Told(
            200, iter([b'data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}\n\n']), EVENTS
        )
    return says({"jsonrpc": "2.0", "id": 1, "result": {"supportedVersions": [MODERN]}})


def legacy(asked: Asked) -> Told:
    """A server with sessions, that lets pages in."""
    if asked.method == "GET":
        return Told(200, iter([b":\n\n"]), EVENTS)
    if asked.method == "DELETE":
        return Told(200)
    if asked.value["method"] == "initialize":
        result = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}}
        return Told(200, json.dumps(result).encode(), headers=(("Mcp-Session-Id", "s"),))
    if "id" not in asked.value:
        return Told(202)
    return error(400, "Bad Request: no session")


EVENTS = "text/event-stream"
