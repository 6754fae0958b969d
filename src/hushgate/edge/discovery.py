"""Where clients look for an OAuth server before they ask for a key: it must not look as if there were one.

An MCP client that gets a 401 looks for metadata (RFC 9728, RFC 8414, OpenID Connect Discovery) and, for want of any,
registers itself at /register (MCP 2025-03-26). Anything but a plain 404 sends it on the wrong way, up to telling its
user to log in.

Of a service below a path it asks at the root of the host (RFC 9728 §3.1: `/.well-known/NAME` goes in front of the
path), where the decoy is. `root_pattern` says which of those paths are answered so: with the service's path behind
them, which only who knows the path can ask for, and bare, once there is any such service.
"""

import re
from collections.abc import Iterable
from typing import Final

from hushgate.edge.heads import RequestHead

_METADATA: Final = (b"/.well-known/oauth-protected-resource", b"/.well-known/oauth-authorization-server")
_OPENID: Final = b"/.well-known/openid-configuration"
REGISTER: Final = "/register"
"""Where a client registers itself, with POST."""
NOTHING: Final = b'{"error":"not found"}'
"""The answer at the root, which names nobody."""


def looks_for_oauth(request: RequestHead) -> bool:
    """Whether the request asks where and how to log in."""
    path = request.path
    return path.startswith(_METADATA) or _OPENID in path or (request.method == b"POST" and path == REGISTER.encode())


def root_pattern(paths: Iterable[str]) -> str:
    """A regular expression, as Python and nginx read it, for the root's paths at which clients of services at `paths`
    look for metadata."""
    names = "oauth-protected-resource|oauth-authorization-server|openid-configuration"
    return rf"^/\.well-known/({names})(({'|'.join(re.escape(path) for path in paths)})(/|$)|$)"
