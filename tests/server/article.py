"""The article's nginx, run as it stands but for paths and ports, and a stranger who looks closely at answers."""

import contextlib
import os
import re
import select
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
worker_processes 1;
daemon off;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;

events {{
    worker_connections 1024;
}}

http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}

    map $http_upgrade $is_websocket {{
        default 0;
        ~*^websocket$ 1;
    }}

    upstream rathole {{
        server 127.0.0.1:{upstream};
    }}

    server {{
        listen 127.0.0.1:{port} ssl;
        server_name your-domain.com;

        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;

        add_header Strict-Transport-Security "max-age=31536000" always;
        server_tokens off;

        location = / {{
            if ($is_websocket = 0) {{
                add_header Content-Type application/json;
                return 200 '{{"status":"ok","version":"1.0.0"}}';
            }}

            proxy_pass http://rathole;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $host;
            proxy_read_timeout 86400;
            proxy_send_timeout 86400;
        }}

        location /health {{
            return 200 '{{"status":"healthy"}}';
            add_header Content-Type application/json;
        }}
{more}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, pair: tuple[Path, Path], upstream: int = 1, more: str = "") -> Iterator[int]:
    """Runs nginx with the certificate `pair` in front of the local port `upstream` and with `more` in its server block;
    yields its own port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = folder / "nginx.conf"
    cert, key = pair
    path.write_text(CONFIGURATION.format(folder=folder, port=port, upstream=upstream, cert=cert, key=key, more=more))
    with tempfile.TemporaryDirectory() as prefix:
        # Its workers, which are another user when we are root, look for html/ there and must see that it is missing.
        os.chmod(prefix, 0o755)
        process = subprocess.Popen(["nginx", "-c", str(path), "-p", prefix], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "nginx did not start"
            assert time.monotonic() < deadline, "nginx does not listen"
            select.select([], [], [], 0.02)


@dataclass(frozen=True)
class Seen:
    """An answer with its Date masked, and how the connection ended: "open", "end" (in order), "cut" (under TLS without
    close_notify), or an error's name."""

    data: bytes
    end: str


def masked(data: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: -", data)


def look(port: int, data: bytes, trust: Path | None, *, wait: float = 0.3, first: float = 0.0) -> Seen:
    """Sends `data`, over TLS when `trust` names the certificate; reads to the end or for `wait` seconds of silence,
    which for the first byte may be `first`: on a busy machine an answer that is expected takes its time."""
    with connect(port, trust) as sock:
        sock.settimeout(max(wait, first))
        sock.sendall(data)
        return read(sock, wait)


def connect(port: int, trust: Path | None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 10)
    if trust is None:
        return sock
    context = ssl.create_default_context(cafile=trust)
    # CPython 3.11.2 sets it, and takes an end without close_notify for one in order.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context.wrap_socket(sock, server_hostname="your-domain.com", suppress_ragged_eofs=False)


def read(sock: socket.socket, wait: float | None = None) -> Seen:
    """To the end, or a silence of the socket's timeout, after the first byte of `wait` seconds."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
            sock.settimeout(wait or sock.gettimeout())
    except TimeoutError:
        return Seen(masked(data), "open")
    except ssl.SSLError as error:
        # CPython 3.11.2 has no class of its own for it.
        cut = error.reason == "UNEXPECTED_EOF_WHILE_READING"
        return Seen(masked(data), "cut" if cut else type(error).__name__)
    except OSError as error:
        return Seen(masked(data), type(error).__name__)
    return Seen(masked(data), "end")
