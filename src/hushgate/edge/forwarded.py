"""Who is behind the proxy in front of us, as far as that proxy says. Ask only when the peer is our own proxy."""

import ipaddress

from hushgate.edge.http import Head


def forwarded(head: Head) -> str | None:
    """The address in X-Real-IP, or the last one of X-Forwarded-For, which the proxy nearest to us wrote; None when
    there is none that is an address."""
    if real := head.headers.get(b"x-real-ip"):
        return _address(real[-1])
    if listed := head.headers.get(b"x-forwarded-for"):
        return _address(listed[-1].rpartition(b",")[2])
    return None


def _address(written: bytes) -> str | None:
    try:
        return str(ipaddress.ip_address(written.decode("latin-1").strip()))
    except ValueError:
        return None
