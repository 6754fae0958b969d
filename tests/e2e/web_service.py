"""A home service that checks its Host as MCP servers and Ollama do, streams, redirects and echoes over WebSocket.

Run as a program: `python -m tests.e2e.web_service PORT WEBSOCKET_PORT`.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websockets.sync.server import ServerConnection, serve

LINES = 20
PACE = 0.1
"""Seconds between two lines of a stream."""


class Handler(BaseHTTPRequestHandler):
    """`/stream` (NDJSON, the time of sending in each line), `/redirect`, `/headers`; POST sends the body back."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers["Host"] != "{}:{}".format(*self.connection.getsockname()):
            self._answer(421, b"Invalid Host header")
        elif self.path == "/stream":
            self._stream()
        elif self.path == "/redirect":
            self._answer(307, b"", {"Location": f"http://{self.headers['Host']}/headers"})
        else:
            self._answer(200, json.dumps(list(map(list, self.headers.items()))).encode())

    def do_POST(self) -> None:
        self._answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(LINES):
            line = json.dumps({"number": number, "at": time.monotonic(), "padding": "x" * 300}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
            time.sleep(PACE)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def main() -> None:
    port, websocket = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=serve(echo, "127.0.0.1", websocket).serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
