"""Opens a pipe to the server and asks for the upgrade (docs/protocol.md §2, §3)."""

import asyncio
import base64
import os
import ssl
from collections.abc import Iterator
from typing import Any

import h11

from hushgate.config.model import Remote, UplinkConfig
from hushgate.errors import PipeError
from hushgate.protocol.limits import HANDSHAKE_WAIT, REQUEST_HEAD_MAX
from hushgate.protocol.websocket import accept_key
from hushgate.transports import tcp, tls
from hushgate.transports.base import Pipe
from hushgate.transports.ws import WebSocketPipe

_NOBODY_BEHIND = (502, 503, 504)
"""What a proxy answers whose upstream is down (RFC 9110 §15.6.3 to §15.6.5)."""
_DEFAULT_PORTS = {"wss": 443, "tls": 443, "ws": 80, "tcp": 80}


class Decoyed(PipeError):
    """An ordinary web site answered in place of a Hushgate server. `date` is the answer's Date header, or empty."""

    def __init__(self, remote: Remote, status: int, date: str) -> None:
        super().__init__(f"{remote} answered as an ordinary web site does (status {status})")
        self.status = status
        self.date = date


async def dial(config: UplinkConfig[Any], context: ssl.SSLContext | None, upgrade: bytes) -> Pipe:
    """A pipe over which the server is about to send CHALLENGE. Raises Decoyed and PipeError."""
    remote = config.remote
    if context:
        pipe = await tls.connect(remote.host, remote.port, context, config.hostname)
    else:
        pipe = await tcp.connect(remote.host, remote.port)
    pipe.tune(config.tcp)
    try:
        async with asyncio.timeout(HANDSHAKE_WAIT):
            return await _upgrade(pipe, remote, upgrade)
    except BaseException as error:
        pipe.abort("the upgrade failed")
        if isinstance(error, TimeoutError):
            raise PipeError(f"{pipe.peer} did not answer the upgrade in {HANDSHAKE_WAIT:.0f} s") from None
        raise


async def _upgrade(pipe: Pipe, remote: Remote, upgrade: bytes) -> Pipe:
    key = base64.b64encode(os.urandom(16))
    host = remote.host if ":" not in remote.host else f"[{remote.host}]"
    if remote.port != _DEFAULT_PORTS[remote.scheme]:
        host += f":{remote.port}"
    headers = [
        ("Host", host),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket" if remote.websocket else "hushgate"),
        ("Authorization", "Bearer " + base64.urlsafe_b64encode(upgrade).rstrip(b"=").decode()),
    ]
    if remote.websocket:
        headers += [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key.decode())]
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=REQUEST_HEAD_MAX)
    request = connection.send(h11.Request(method="GET", target=remote.path, headers=headers))
    assert request is not None
    pipe.write([[request + (connection.send(h11.EndOfMessage()) or b"")]])
    head = _Head(pipe)
    pipe.switch(head)
    _check(remote, connection, await head.complete, key)
    return WebSocketPipe(pipe, masking="zero" if remote.tls else _random_keys().__next__) if remote.websocket else pipe


def _check(remote: Remote, connection: h11.Connection, head: bytes, key: bytes) -> None:
    try:
        connection.receive_data(head)
        answer = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise PipeError(f"{remote} answered something that is not HTTP ({error})") from None
    if not isinstance(answer, h11.Response | h11.InformationalResponse):
        raise PipeError(f"{remote} closed the connection instead of answering")
    headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
    status = answer.status_code
    if status in _NOBODY_BEHIND:
        raise PipeError(
            f"a proxy answered that it reaches nobody behind it (status {status}): is hushgate server running, "
            "and where the proxy expects it?"
        )
    if 300 <= status < 400:
        raise PipeError(
            f"it answered with a redirect (status {status}), and no redirect is followed: correct remote_addr"
        )
    if status != 101:
        raise Decoyed(remote, status, headers.get("date", ""))
    if remote.websocket and headers.get("sec-websocket-accept") != accept_key(key).decode():
        raise PipeError(f"{remote} accepted the WebSocket with a wrong key: a proxy in between answers for the server")


def _random_keys() -> Iterator[bytes]:
    """Masking keys from the system's generator, many for one call of it."""
    while True:
        pool = os.urandom(4096)
        for at in range(0, len(pool), 4):
            yield pool[at : at + 4]


class _Head:
    """Reads up to the empty line that ends a response head; what follows stays unread in the pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.complete: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def received(self, view: memoryview) -> int:
        if self.complete.done():
            return 0
        data = bytes(view)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        # Now: what comes behind it, and behind each answer of the handshake, waits in the pipe for its next reader.
        self._pipe.roomy()
        self.complete.set_result(data[: end + 4])
        return end + 4

    def writable(self) -> None:
        pass

    def ended(self, error: str | None) -> None:
        if not self.complete.done():
            reason = error or f"{self._pipe.peer} closed the connection during the upgrade"
            self.complete.set_exception(PipeError(reason))
