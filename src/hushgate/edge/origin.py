"""Pages that browsers show may ask only when they were named: Origin, preflights and CORS (fetch.spec.whatwg.org §3).

A service at home trusts its own loopback, so a foreign page must not speak through us. `Origin` is judged before any
key, a preflight, which carries none, is answered here, and home sees its own origin in place of the page's, because
that is the one it allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hushgate.edge.heads import Headers, RequestHead
from hushgate.edge.rewrite import Peer

_REQUEST_HEADERS: Final = (
    b"authorization, x-api-key, anthropic-version, anthropic-beta, content-type, accept, mcp-protocol-version,"
    b" mcp-session-id, mcp-method, mcp-name, last-event-id"
)
_EXPOSED: Final = b"mcp-session-id, retry-after"
_MAX_AGE: Final = b"600"
"""Seconds; browsers ask again after two hours at the latest, and a changed list should hold soon."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """`allowed` as browsers write them: `https://app.example`, or `*` for all."""

    allowed: frozenset[str] = frozenset()

    def admits(self, origin: bytes, request: RequestHead, peer: Peer) -> bool:
        """Whether a page of `origin` may ask: an allowed one, or one of the very origin that the request is for."""
        written = origin.decode("latin-1")
        if written in self.allowed or "*" in self.allowed:
            return True
        asked = _parts(written)
        return asked is not None and any(asked == _parts(public) for public in _public(request, peer))

    def preflight(self, request: RequestHead) -> Headers | None:
        """The headers of the answer (status 204) to a preflight of an admitted origin; None: it is none."""
        method = request.first(b"access-control-request-method")
        origin = request.first(b"origin")
        if request.method != b"OPTIONS" or method is None or origin is None:
            return None
        asked = request.first(b"access-control-request-headers")
        custom = [name.strip() for name in (asked or b"").lower().split(b",") if name.strip().startswith(b"mcp-param-")]
        return [
            *_allow(origin),
            (b"Access-Control-Allow-Methods", b"GET, HEAD, POST, DELETE"),
            (b"Access-Control-Allow-Headers", b", ".join([_REQUEST_HEADERS, *custom])),
            (b"Access-Control-Max-Age", _MAX_AGE),
        ]


def for_page(headers: Headers, origin: bytes) -> Headers:
    """Response headers that let the page of `origin` read the answer; what home said of its own origin goes."""
    kept = [(name, value) for name, value in headers if not name.lower().startswith(b"access-control-")]
    return [*kept, *_allow(origin), (b"Access-Control-Expose-Headers", _EXPOSED)]


def _allow(origin: bytes) -> Headers:
    return [(b"Access-Control-Allow-Origin", origin), (b"Vary", b"Origin")]


def _public(request: RequestHead, peer: Peer) -> Iterator[str]:
    """The origin that the request is for, as browsers know it; two of them when a proxy does not tell its scheme."""
    told = request.first(b"x-forwarded-host") if peer.trusted else None
    authority = (told or request.host).decode("latin-1")
    yield f"{peer.scheme(request).decode()}://{authority}"
    if peer.trusted and request.first(b"x-forwarded-proto") is None:
        yield f"https://{authority}"


def _parts(origin: str) -> tuple[str, str, int] | None:
    try:
        url = urlsplit(origin)
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    except ValueError:
        return None
    if not url.hostname or url.path or url.query or url.fragment or url.username is not None:
        return None
    return url.scheme, url.hostname, port
