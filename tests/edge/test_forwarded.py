"""What a proxy on this machine says of who is behind it."""

import pytest

from hushgate.edge.forwarded import forwarded
from hushgate.edge.http import Head


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, None),
        ({b"x-real-ip": [b"192.0.2.7"]}, "192.0.2.7"),
        ({b"x-real-ip": [b"2001:DB8::7 "]}, "2001:db8::7"),
        ({b"x-real-ip": [b"192.0.2.7"], b"x-forwarded-for": [b"192.0.2.8"]}, "192.0.2.7"),
        ({b"x-forwarded-for": [b"10.0.0.1, 192.0.2.8"]}, "192.0.2.8"),
        ({b"x-forwarded-for": [b"10.0.0.1", b"192.0.2.8"]}, "192.0.2.8"),
        ({b"x-forwarded-for": [b"192.0.2.8, unknown"]}, None),
        ({b"x-real-ip": [b'192.0.2.7" x=\x1by']}, None),
        ({b"x-real-ip": [b"\xff"]}, None),
    ],
)
def test_the_nearest_proxys_word(headers: dict[bytes, list[bytes]], address: str | None) -> None:
    assert forwarded(Head(headers=headers)) == address
