"""The site's answers. That they are nginx's is tested against nginx itself in tests/server/test_stranger.py."""

import pytest

from hushgate.edge.decoy import Answer, Decoy
from hushgate.edge.http import BadRequest, RequestReader
from tests.server.probes import request

NOW = 1_795_000_000.9
DATE = b"Date: Wed, 18 Nov 2026 11:06:40 GMT\r\n"


def answer(data: bytes, *, tls: bool = True, requests: int = 1) -> Answer:
    reader = RequestReader()
    decoy = Decoy(tls=tls)
    try:
        reader.read(data)
    except BadRequest as bad:
        return decoy.refuse(bad, reader.head, NOW)
    return decoy.answer(reader.head, NOW, requests=requests)


def test_the_root_as_nginx_says_it() -> None:
    assert answer(request(b"GET / HTTP/1.1")) == Answer(
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\n" + DATE + b"Content-Type: text/plain\r\nContent-Length: 33\r\n"
        b'Connection: keep-alive\r\nContent-Type: application/json\r\n\r\n{"status":"ok","version":"1.0.0"}',
        keep=True,
    )


def test_behind_nginx_one_content_type_and_no_hsts() -> None:
    root = answer(request(b"GET / HTTP/1.1"), tls=False).data
    assert root.count(b"Content-Type") == 1
    assert b"\r\nContent-Type: application/json\r\n" in root
    assert b"Strict-Transport-Security" not in answer(request(b"GET /x HTTP/1.1"), tls=False).data


def test_the_thousandth_request_is_the_last() -> None:
    assert answer(request(b"GET / HTTP/1.1"), requests=999).keep
    last = answer(request(b"GET / HTTP/1.1"), requests=1000)
    assert not last.keep
    assert b"\r\nConnection: close\r\n" in last.data


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"GET /x HTTP/1.1", b"TRACE / HTTP/1.1", b"\x00", b"GET /.. HTTP/1.1"]
)
@pytest.mark.parametrize("tls", [False, True])
def test_nothing_names_the_software(line: bytes, tls: bool) -> None:
    data = answer(request(line), tls=tls).data.lower()
    assert not any(word in data for word in (b"python", b"h11", b"websocket", b"hushgate", b"rathole"))


def test_an_upgrade_header_changes_nothing() -> None:
    plain = request(b"GET /health HTTP/1.1")
    assert answer(request(b"GET /health HTTP/1.1", b"Connection: upgrade", b"Upgrade: websocket")) == answer(plain)
