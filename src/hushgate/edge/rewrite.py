"""Writes heads anew from what was parsed. Names, values and order stay; what changes is named here and nothing else.

Of a request: the options of Connection and what it names, Host (to what home's service expects), Origin when it was
judged, the X-Forwarded family, the framing. Of a response: the same hop-by-hop fields, the framing, `Location` when it
leads to the local origin, and `X-Accel-Buffering: no` on what streams, so that an nginx in front passes every byte on
at once (it would hold a gzipped stream back to its end).
"""

import re
from dataclasses import dataclass
from typing import Final

from hushgate.edge.heads import Headers, RequestHead, ResponseHead

_FORWARDED: Final = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))
_CLAIMS: Final = frozenset((*_FORWARDED, b"x-forwarded-port", b"x-real-ip", b"forwarded"))
"""What says who the visitor is: believed from a trusted peer, otherwise taken out."""
_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"))
_OURS: Final = frozenset((*_HOP, b"content-length", b"host", b"expect"))
_STREAMS: Final = (b"text/event-stream", b"application/x-ndjson")
_ORIGIN: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent the bytes of a connection. `trusted`: it stands in front of us (nginx on this machine), so what it says
    of the visitor holds; `tls`: the bytes came in TLS of our own; `proved`: a laptop that has proved an access key;
    `placed`: it came by the door, which has found the service by the request's name."""

    address: str
    trusted: bool = False
    tls: bool = False
    proved: bool = False
    placed: bool = False

    def visitor(self, request: RequestHead) -> str:
        """The address of whoever sent the request."""
        if self.trusted:
            told = request.first(b"x-real-ip") or (request.first(b"x-forwarded-for") or b"").rpartition(b",")[2]
            if told:
                return told.strip().decode("latin-1")
        return self.address

    def scheme(self, request: RequestHead) -> bytes:
        """`http` or `https`, as the visitor's browser has it."""
        told = request.first(b"x-forwarded-proto") if self.trusted else None
        return told if told in (b"http", b"https") else b"https" if self.tls else b"http"


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a service's names differ on both sides: `local` is the Host that its requests shall have (empty: the
    visitor's own), `prefix` the path that stands in front of everything on the public side only."""

    local: bytes = b""
    prefix: bytes = b""


def request_bytes(request: RequestHead, peer: Peer, mapping: Mapping) -> bytes:
    """The head that goes home. `request.length` says how the body will be framed."""
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
    add = lines.append
    named, framed, present = request.connection, False, set()
    for name, value in request.headers:
        key = name.lower()
        if key in _OURS:
            if key == b"host":
                add(b"%b: %b\r\n" % (name, mapping.local or value))
            elif key == b"content-length" or key == b"transfer-encoding":
                framed = framed or add(_framing(request.length, name, key)) is None
            elif key == b"expect" and request.expects:
                add(b"%b: %b\r\n" % (name, value))
        elif key in named:
            continue
        elif key == b"origin" and request.page:
            add(b"%b: http://%b\r\n" % (name, mapping.local or request.host))
        elif key in _CLAIMS:
            if peer.trusted:
                present.add(key)
                add(b"%b: %b\r\n" % (name, value))
        else:
            add(b"%b: %b\r\n" % (name, value))
    if not request.host:
        add(b"Host: %b\r\n" % (mapping.local or b"localhost"))
    if not framed and request.length != 0:
        add(_framing(request.length, b"", b""))
    for key, name, value in (
        (b"x-forwarded-for", b"X-Forwarded-For", peer.address.encode()),
        (b"x-forwarded-host", b"X-Forwarded-Host", request.host),
        (b"x-forwarded-proto", b"X-Forwarded-Proto", b"https" if peer.tls else b"http"),
    ):
        if key not in present and value:
            add(b"%b: %b\r\n" % (name, value))
    if request.upgrade:
        add(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % request.upgrade)
    add(b"\r\n")
    return b"".join(lines)


def response_bytes(
    response: ResponseHead, request: RequestHead, peer: Peer, mapping: Mapping, *, chunked: bool, keep: bool
) -> bytes:
    """The head that goes to the visitor. `chunked`: how a body without a length will be framed (otherwise it ends
    with the connection); `keep`: the connection waits for another request."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason)]
    add = lines.append
    named, streams, told = response.connection, response.length is None, False
    for name, value in response.headers:
        key = name.lower()
        if key in _HOP or key in named:
            continue
        if key == b"content-length":
            if response.status < 200 or response.status == 204:
                continue
        elif key == b"location":
            value = outer_place(value, request, peer, mapping)
        elif key == b"content-type":
            streams = streams or value.lower().startswith(_STREAMS)
        elif key == b"x-accel-buffering":
            told = True
        add(b"%b: %b\r\n" % (name, value))
    if response.status < 200:
        if response.status == 101:
            add(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % (response.first(b"upgrade") or request.upgrade))
        add(b"\r\n")
        return b"".join(lines)
    if streams and not told:
        add(b"X-Accel-Buffering: no\r\n")
    if response.length is None and chunked:
        add(b"Transfer-Encoding: chunked\r\n")
    if not keep:
        add(b"Connection: close\r\n")
    elif not request.minor:
        add(b"Connection: keep-alive\r\n")
    add(b"\r\n")
    return b"".join(lines)


def forwardable(trailers: Headers) -> Headers:
    """Those trailers that may not change how the message is read (RFC 9110 §6.5.1)."""
    return [(name, value) for name, value in trailers if name.lower() not in _OURS]


def _framing(length: int | None, name: bytes, key: bytes) -> bytes:
    """The line that frames a request's body, in the visitor's spelling when the kind is still the same."""
    if length is None:
        return b"%b: chunked\r\n" % (name if key == b"transfer-encoding" else b"Transfer-Encoding")
    return b"%b: %d\r\n" % (name if key == b"content-length" else b"Content-Length", length)


def inner_target(target: bytes, prefix: bytes) -> bytes:
    """`target` as home knows it."""
    rest = target.removeprefix(prefix)
    if not prefix or rest == target or rest[:1] not in (b"", b"/", b"?"):
        return target
    return rest if rest.startswith(b"/") else b"/" + rest


def outer_place(location: bytes, request: RequestHead, peer: Peer, mapping: Mapping) -> bytes:
    """What home calls `location`, as the visitor knows it when it is at the local origin; otherwise as it is."""
    if location.startswith(b"/") and not location.startswith(b"//"):
        return mapping.prefix + location
    match = _ORIGIN.fullmatch(location)
    local = mapping.local or request.host
    if match is None or not local or match[1].lower() != local.lower():
        return location
    if not mapping.prefix and request.host.lower() == local.lower():
        # The visitor is already where it leads: at home, behind the server's own gateway.
        return location
    path = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    public = (request.first(b"x-forwarded-host") if peer.trusted else None) or request.host
    return b"%b://%b%b%b" % (peer.scheme(request), public, mapping.prefix, path)
