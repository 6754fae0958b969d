"""Keys of HTTP services: who asks, told from the headers that clients already send.

What the time of a look-up by digest tells is nothing about the key. Several keys hold at a time, each under a label
that logs may show: that is how one is replaced.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator

from hushgate.config.model import HttpKey


class HttpKeys:
    """The keys of one service. It never changes; a reload builds another."""

    def __init__(self, keys: Iterable[HttpKey] = ()) -> None:
        self._keys = {key.digest: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: Iterable[bytes]) -> HttpKey | None:
        """The key that one of `presented` is."""
        found = (self._keys.get(hashlib.sha256(secret).digest()) for secret in presented)
        return next((key for key in found if key is not None), None)


def in_authorization(values: list[bytes]) -> Iterator[bytes]:
    """The key in Authorization: Bearer, or the password of Basic (RFC 6750 §2.1, RFC 7617 §2). A header that stands
    twice says nothing."""
    if len(values) == 1:
        scheme, _, rest = values[0].strip().partition(b" ")
        credentials = rest.strip()
        if scheme.lower() == b"bearer" and credentials:
            yield credentials
        elif scheme.lower() == b"basic":
            yield from _password(credentials)


def in_api_key(values: list[bytes]) -> Iterator[bytes]:
    """The key in x-api-key, which must not stand twice either."""
    if len(values) == 1 and (key := values[0].strip()):
        yield key


def _password(credentials: bytes) -> Iterator[bytes]:
    try:
        pair = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return
    password = pair.partition(b":")[2]
    if password:
        yield password
