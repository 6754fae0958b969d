"""The paths at which clients look for OAuth, and those that only look like them."""

import re

import pytest

from hushgate.edge.discovery import looks_for_oauth, root_pattern
from hushgate.edge.heads import RequestHead


@pytest.mark.parametrize(
    ("method", "target", "looks"),
    [
        (b"GET", b"/.well-known/oauth-protected-resource", True),
        (b"GET", b"/.well-known/oauth-protected-resource/mcp?x=1", True),
        (b"GET", b"/.well-known/oauth-authorization-server", True),
        (b"GET", b"/.well-known/oauth-authorization-server/mcp", True),
        (b"GET", b"/.well-known/openid-configuration", True),
        (b"GET", b"/mcp/.well-known/openid-configuration", True),
        (b"POST", b"/register", True),
        (b"GET", b"/register", False),
        (b"POST", b"/register/me", False),
        (b"GET", b"/.well-known/security.txt", False),
        (b"GET", b"/mcp?/.well-known/openid-configuration", False),
    ],
)
def test_paths(method: bytes, target: bytes, looks: bool) -> None:
    assert looks_for_oauth(RequestHead(method, target, [])) == looks


@pytest.mark.parametrize(
    ("path", "looks"),
    [
        ("/.well-known/oauth-protected-resource", True),
        ("/.well-known/oauth-protected-resource/a.b", True),
        ("/.well-known/oauth-authorization-server/a.b/mcp", True),
        ("/.well-known/openid-configuration/c", True),
        ("/.well-known/oauth-protected-resource/axb", False),
        ("/.well-known/oauth-protected-resource/c2", False),
        ("/.well-known/oauth-protected-resource/", False),
        ("/.well-known/oauth-protected-resources", False),
        ("/x/.well-known/oauth-protected-resource", False),
    ],
)
def test_paths_at_the_root(path: str, looks: bool) -> None:
    assert bool(re.search(root_pattern(["/a.b", "/c"]), path)) == looks
