"""Requests of the doctor: one connection each, so that every step of the way can be named when it fails."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from hushgate.doctor.report import UNREACHABLE, Fault

WAIT: Final = 30.0
"""Seconds for an answer: a request may be parked while home reconnects."""
_SHOWN: Final = 160
"""Characters of a foreign answer that are shown."""
_BODY_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The JSON of the body, or of its last event; None when it is none."""
        text = self.body
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            text = ([b""] + [line[5:] for line in text.splitlines() if line.startswith(b"data:") and line[5:].strip()])[
                -1
            ]
        try:
            return json.loads(text)
        except ValueError:
            return None

    @property
    def said(self) -> str:
        """What a person reads of it: the message of an error, or the beginning of the body."""
        value = self.value
        error = value.get("error") if isinstance(value, dict) else None
        text = error.get("message") if isinstance(error, dict) else error
        if not isinstance(text, str):
            text = " ".join(self.body.decode(errors="replace").split())
        return text[:_SHOWN]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is. `key` is sent as a bearer; `roots`: a PEM file in place of the system's authorities."""

    url: str
    key: str = field(default="", repr=False)
    roots: Path | None = None

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request to its end. Raises Fault."""
        with _Exchange(self, method, path, body, headers, WAIT) as exchange:
            try:
                return Answer(exchange.status, exchange.headers, exchange.response.read(_BODY_MAX))
            except (OSError, http.client.HTTPException) as error:
                raise Fault("connection", f"the answer broke off ({_words(error)})", UNREACHABLE) from None

    def stream(
        self, method: str, path: str, body: object, wait: float, **headers: str
    ) -> Generator[tuple[float, bytes], None, None]:
        """The pieces of an answer as they come, with the seconds since the request; first an empty one when the head
        is there. Ends after `wait` seconds without any. Raises Fault."""
        began = time.monotonic()
        with _Exchange(self, method, path, body, headers, wait) as exchange:
            yield time.monotonic() - began, b""
            try:
                while piece := exchange.response.read1(65_536):
                    yield time.monotonic() - began, piece
            except (OSError, http.client.HTTPException):
                return


class _Exchange:
    """A connection, a request, and the head of the answer."""

    def __init__(
        self, place: Place, method: str, path: str, body: object, headers: Mapping[str, str], wait: float
    ) -> None:
        parts = urlsplit(place.url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        sock = _connect(host, port)
        self._connection = http.client.HTTPConnection(host, port, timeout=wait)
        try:
            if parts.scheme == "https":
                sock = _secure(sock, host, place.roots)
            sock.settimeout(wait)
            self._connection.sock = sock
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if place.key:
                sent["Authorization"] = f"Bearer {place.key}"
            if body is not None:
                sent["Content-Type"] = "application/json"
            self._connection.request(method, path or "/", None if body is None else json.dumps(body), sent)
            self.response = self._connection.getresponse()
        except BaseException as error:
            sock.close()
            if isinstance(error, TimeoutError):
                raise Fault("answer", f"no answer within {wait:.0f} s", UNREACHABLE) from None
            if isinstance(error, OSError | http.client.HTTPException):
                raise _unanswered(error) from None
            raise
        self.status = self.response.status
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}

    def __enter__(self) -> "_Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._connection.close()


def _connect(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Fault("dns", f"the name {host} does not resolve", UNREACHABLE) from None
    reason = ""
    for family, kind, proto, _, address in addresses:
        sock = socket.socket(family, kind, proto)
        sock.settimeout(10.0)
        try:
            sock.connect(address)
        except ConnectionResetError as error:
            sock.close()
            raise _unanswered(error) from None
        except OSError as error:
            sock.close()
            reason = _words(error)
        else:
            return sock
    raise Fault("connect", f"{host}:{port} does not accept a connection ({reason})", UNREACHABLE)


def _secure(sock: socket.socket, host: str, roots: Path | None) -> socket.socket:
    try:
        return ssl.create_default_context(cafile=roots).wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        told = f"the certificate is not good for {host}: {error.verify_message}"
        raise Fault("tls", told, UNREACHABLE) from None
    except OSError as error:
        raise Fault("tls", f"no TLS is spoken there ({_words(error)})", UNREACHABLE) from None


def _unanswered(error: BaseException) -> Fault:
    """A port that leads home by TCP alone can say no more than this."""
    told = f"no HTTP answer came ({_words(error)})"
    if isinstance(error, ConnectionError):
        told += "; at a port of Hushgate's: home is away, or nobody listens where it leads"
    return Fault("connection", told, UNREACHABLE)


def _words(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
