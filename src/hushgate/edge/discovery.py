"""Where clients look for an OAuth server before they ask for a key: it must not look as if there were one.

An MCP client that gets a 401 looks for metadata (RFC 9728, RFC 8414, OpenID Connect Discovery) and, for want of any,
registers itself at /register (MCP 2025-03-26). Anything but a plain 404 sends it on the wrong way, up to telling its
user to log in.
"""

from typing import Final

from hushgate.edge.heads import RequestHead

_METADATA: Final = (b"/.well-known/oauth-protected-resource", b"/.well-known/oauth-authorization-server")
_OPENID: Final = b"/.well-known/openid-configuration"


def looks_for_oauth(request: RequestHead) -> bool:
    """Whether the request asks where and how to log in."""
    path = request.path
    return path.startswith(_METADATA) or _OPENID in path or (request.method == b"POST" and path == b"/register")
