"""One connection at the door, from accept until it proves a token or ends: the decoy answers it, in nginx's time.

    first byte ─▶ head ─▶ answer ─▶ keep-alive ─▶ head …
                   │         └────▶ discard the body ─▶ keep-alive, or close
                   ├─▶ bad request: its page, then linger
                   └─▶ upgrade with a proof: 101, and somebody else reads on

nginx's clocks: `silent` runs from accept, or from the first byte of a later request, to the end of the head;
`keepalive` between requests; `linger` while it discards a body (`linger_total` in all) or reads on after its last
answer. When a clock runs out the connection ends without another byte, under TLS without close_notify. A socket that
is closed over unread bytes would send a reset where nginx sends none; so those are read on.

A stranger whose proof is not accepted takes the same path as one without a proof, at the same cost but for the guard's
look.
"""

import asyncio
import base64
import binascii
import contextlib
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hushgate.config.model import Tcp
from hushgate.config.values import is_loopback
from hushgate.edge.decoy import Answer, Decoy
from hushgate.edge.forwarded import forwarded
from hushgate.edge.heads import RequestHead
from hushgate.edge.http import BadRequest, Head, RequestReader
from hushgate.edge.rewrite import Peer
from hushgate.errors import PipeError
from hushgate.guard.proofs import Admission
from hushgate.protocol.limits import DOOR_KEEPALIVE, DOOR_LINGER, DOOR_SILENT
from hushgate.protocol.websocket import accept_key
from hushgate.server.front import Front
from hushgate.transports import tcp, tls
from hushgate.transports.base import Pipe
from hushgate.transports.stream import SocketPipe
from hushgate.transports.tls import TlsServer
from hushgate.transports.ws import WebSocketPipe

_BEARER: Final = re.compile(rb"[Bb]earer +([A-Za-z0-9_-]{1,4096})")
_TLS_HANDSHAKE: Final = 0x16
_SSL2: Final = 0x80


@dataclass(frozen=True, slots=True)
class DoorTiming:
    """Seconds; nginx's defaults."""

    silent: float = DOOR_SILENT
    keepalive: float = DOOR_KEEPALIVE
    linger: float = DOOR_LINGER
    linger_total: float = 6 * DOOR_LINGER


@dataclass(frozen=True, slots=True)
class House:
    """What a stranger needs of the door."""

    decoy: Decoy
    tls: TlsServer | None
    timing: DoorTiming
    tcp: Tcp
    gate: Callable[[bytes | None], Admission | str]
    admit: Callable[[Pipe, Admission, str], None]
    refused: Callable[["Stranger", Head, str], None]
    gone: Callable[["Stranger"], None]
    front: Callable[[bytes, bytes], Front | None]
    """By Host header and target: the HTTP service that a request is for."""
    oauth: Callable[[bytes, bytes, bytes], bool]
    """By Host header, method and normalised path: whether a request for none of them looks for the OAuth of one."""
    returned: Callable[["Stranger"], bool]
    """Whether there is a place for one whose connection was a service's for a while."""


class Stranger:
    """The user of a pipe that has not proved anything. `idle` while it waits for a request that has not begun."""

    def __init__(self, house: House, sock: socket.socket, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.peer = tcp.join_address(host, port)
        self.idle = True
        self._house = house
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + house.timing.silent
        self._timer: asyncio.TimerHandle | None = None
        self._pipe: SocketPipe | None = None
        self._plain_to_tls = False
        self._reader = RequestReader()
        self._requests = 0
        self._keep = False
        self._discarding = False
        self._closing = False
        self._left = False
        self._head = bytearray()
        """The bytes of the request that is being read, for the service that it may be for."""
        self._watching = False
        """Only the first byte is waited for; afterwards the socket belongs to a transport."""

    def watch(self, ready: Callable[["Stranger"], None]) -> None:
        """Calls `ready` when the first byte is there to tell TLS from plain HTTP."""
        self._watching = True
        self._loop.add_reader(self._sock, self._peek, ready)
        self._at(self._deadline)

    async def open(self) -> None:
        """Puts a pipe over the socket and begins to read requests."""
        try:
            if self._house.tls is None or self._plain_to_tls:
                self._pipe = await tcp.accept(self._sock, self.peer)
            else:
                wait = max(self._deadline - self._loop.time(), 0.001)
                self._pipe = await tls.accept(self._sock, self._house.tls, self.peer, wait)
        except PipeError:
            self._leave()
            return
        except asyncio.CancelledError:
            self._leave()
            raise
        if self._left:
            self._pipe.abort("dropped at the door")
            return
        self._at(self._deadline)
        self._pipe.switch(self)

    def serves(self, front: Front, request: RequestHead) -> bool:
        return self._house.front(request.host, request.target) is front

    def take_back(self, head: bytes) -> None:
        pipe = self._pipe
        assert pipe is not None, "it was lent"
        if not self._house.returned(self):
            pipe.abort("no place at the door")
            return
        self._left = False
        self._next()
        self.received(memoryview(head))
        pipe.switch(self)

    def drop(self) -> None:
        """Ends the connection without another byte, as when a clock runs out."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        if self._pipe is not None:
            self._pipe.abort("dropped at the door")
        elif self._watching:
            self._loop.remove_reader(self._sock)
            self._sock.close()
        self._leave()

    def visitor(self, head: Head) -> str:
        """`address port` of who sent this request; a proxy on this machine is believed, and tells no port."""
        proxied = forwarded(head) if is_loopback(self.host) else None
        return f"{proxied} 0" if proxied else f"{self.host} {self.port}"

    def received(self, view: memoryview) -> int:
        data = bytes(view)
        at = 0
        try:
            while at < len(data) and not self._closing and not self._left:
                if self._pipe is not None and self._pipe.full:
                    return at
                at += self._discard(data[at:]) if self._discarding else self._read(data[at:])
        except BadRequest as bad:
            self._finish(self._house.decoy.refuse(bad, self._reader.head, time.time()), unread=False)
        return at if self._left else len(data)

    def writable(self) -> None:
        if self._pipe is not None:
            self._pipe.switch(self)

    def ended(self, error: str | None) -> None:
        self._leave()
        # Pipe and stranger know each other: left to the collector, a crowd that has gone would hold its buffers on.
        self._pipe = None

    def _peek(self, ready: Callable[["Stranger"], None]) -> None:
        try:
            first = self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if not first:
            self.drop()
            return
        self._loop.remove_reader(self._sock)
        self._watching = False
        self._stop_clock()
        self._plain_to_tls = first[0] != _TLS_HANDSHAKE and not first[0] & _SSL2
        self.idle = False
        ready(self)

    def _read(self, data: bytes) -> int:
        if self.idle:
            self.idle = False
            if self._requests:
                self._at(self._loop.time() + self._house.timing.silent)
        used = self._reader.read(data)
        self._head += data[:used]
        if not self._reader.head.done:
            return used
        self._requests += 1
        return used + self._respond(self._reader.head, data[used:])

    def _respond(self, head: Head, rest: bytes) -> int:
        """Answers a request whose body begins with `rest`. Returns how much of `rest` was of that body."""
        decoy, now = self._house.decoy, time.time()
        if not self._plain_to_tls:
            front = self._house.front(head.first(b"host") or b"", head.target)
            if (front is None or _blob(head)) and self._upgrade(head, now, quietly=front is not None):
                return 0
            if front is not None:
                self._hand_over(front)
                return 0
        used = self._reader.skip(rest) if head.body else 0
        if self._plain_to_tls:
            answer = decoy.plain_to_tls(head, now)
        else:
            oauth = self._house.oauth(head.first(b"host") or b"", head.method, head.path)
            answer = decoy.answer(head, now, requests=self._requests, body_ok=used is not None, oauth=oauth)
        if used is not None and not self._reader.finished:
            self._send(answer.data)
            self._keep, self._discarding = answer.keep, True
            self._deadline = self._loop.time() + self._house.timing.linger_total
            self._at(self._loop.time() + self._house.timing.linger)
        elif answer.keep:
            self._send(answer.data)
            self._next()
        else:
            read = used is not None and used == len(rest) and (self._plain_to_tls or not head.body)
            self._finish(answer, unread=not read)
        return used or 0

    def _discard(self, data: bytes) -> int:
        used = self._reader.skip(data)
        if used is None:
            self.drop()
            return len(data)
        if not self._reader.finished:
            self._at(min(self._loop.time() + self._house.timing.linger, self._deadline))
        elif self._keep:
            self._next()
        else:
            self._finish(Answer(b"", keep=False), unread=used < len(data))
        return used

    def _hand_over(self, front: Front) -> None:
        """The request, and those that follow, are a service's."""
        pipe = self._pipe
        assert pipe is not None, "who has sent a request has a pipe"
        self._leave()
        peer = Peer(self.host, is_loopback(self.host), self._house.tls is not None, placed=True)
        front.arrive(pipe, peer, self.port, bytes(self._head), self)

    def _next(self) -> None:
        self._head.clear()
        self._reader = RequestReader()
        self._discarding = False
        self.idle = True
        self._at(self._loop.time() + self._house.timing.keepalive)

    def _upgrade(self, head: Head, now: float, *, quietly: bool) -> bool:
        """Lets the peer in when it asks for a link and proves a token. `quietly`: a refusal is nothing to speak of,
        the request may be for a service."""
        protocol = (head.first(b"upgrade") or b"").lower()
        asks = any(b"upgrade" in value.lower() for value in head.headers.get(b"connection", ()))
        if protocol not in (b"websocket", b"hushgate") or not asks or self._pipe is None:
            return False
        websocket = protocol == b"websocket"
        fits = head.method == b"GET" and head.version >= 1001 and not head.body and (not websocket or _keyed(head))
        admission = self._house.gate(_blob(head)) if fits else "not a valid upgrade request"
        if isinstance(admission, str):
            if not quietly:
                self._house.refused(self, head, admission)
            return False
        accept = accept_key(head.first(b"sec-websocket-key") or b"") if websocket else b""
        pipe = self._pipe
        pipe.tune(self._house.tcp)
        self._send(self._house.decoy.switching(protocol, accept, now))
        self._leave()
        self._house.admit(WebSocketPipe(pipe, None) if websocket else pipe, admission, self.visitor(head))
        return True

    def _send(self, data: bytes) -> None:
        if data and self._pipe is not None:
            self._pipe.write([[data]])

    def _finish(self, answer: Answer, *, unread: bool) -> None:
        """The last answer, then the end: at once, or slowly when bytes are left that nobody reads."""
        pipe = self._pipe
        if pipe is None:
            return
        self._send(answer.data)
        self._closing = True
        slowly = unread or answer.linger or self._more()
        pipe.close()
        self._at(self._loop.time() + self._house.timing.linger)
        if pipe.buffered:
            return
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        if not slowly:
            pipe.abort("answered")

    def _more(self) -> bool:
        """Whether bytes have come that nobody read."""
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _at(self, when: float) -> None:
        self._stop_clock()
        if not self._left:
            self._timer = self._loop.call_at(when, self.drop)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self) -> None:
        self._stop_clock()
        if not self._left:
            self._left = True
            self._house.gone(self)


def _blob(head: Head) -> bytes | None:
    match = _BEARER.fullmatch(head.first(b"authorization") or b"")
    if match is None:
        return None
    try:
        return base64.urlsafe_b64decode(match[1] + b"=" * (-len(match[1]) % 4))
    except binascii.Error:
        return None


def _keyed(head: Head) -> bool:
    """Whether the request has a valid Sec-WebSocket-Key and version (RFC 6455 §4.2.1)."""
    try:
        size = len(base64.b64decode(head.first(b"sec-websocket-key") or b"", validate=True))
    except binascii.Error:
        return False
    return size == 16 and head.first(b"sec-websocket-version") == b"13"
