"""Which paths are in the one form."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.edge.paths import oddity

PLAIN = [b"/", b"/api/tags", b"/v1/models/llama3.2:1b", b"/v1/models/a%3Ab", b"/a/b/", b"/mcp", b"/x/%C3%BC", b"/a%20b"]
ODD = [
    b"",
    b"api",
    b"//api/pull",
    b"/api//pull",
    b"/api/./pull",
    b"/v1/../api/pull",
    b"/api/..",
    b"/api/.",
    b"/api/%70ull",
    b"/api/%2e%2e/pull",
    b"/api%2Fpull",
    b"/api%2fpull",
    b"/api/pull;x",
    b"/api/pull%3Bx",
    b"/api\\pull",
    b"/api%5Cpull",
    b"/api/pull%00",
    b"/api/pull%0a",
    b"/api/%",
    b"/api/%7",
    b"/api/%zz",
    b"/api/%+1",
    b"/api/%2570ull",
    b"/api/pull\x00",
    b"/api/p\xfcll",
    b"/api/pull#x",
    b"/api/pull?x",
    b"http://host/api/pull",
]


@pytest.mark.parametrize("path", PLAIN)
def test_what_clients_write_is_plain(path: bytes) -> None:
    assert oddity(path) is None


@pytest.mark.parametrize("path", ODD)
def test_what_could_be_read_in_two_ways_is_odd(path: bytes) -> None:
    assert oddity(path)


@given(st.text(alphabet="/.%27ApiuLl0;\\~", max_size=16).map(lambda text: b"/" + text.encode()))
def test_no_plain_path_becomes_another_by_cleaning(path: bytes) -> None:
    """Undoing escapes, merging slashes and resolving dots changes nothing but escapes of what needs one."""
    if oddity(path):
        return
    decoded = unquote_to_bytes(path)
    assert decoded.count(b"/") == path.count(b"/")
    assert not {b".", b".."} & set(decoded.split(b"/")) and b"//" not in decoded
    assert decoded == path or any(byte not in b"/.~;\\" for byte in decoded)
