"""Keys of HTTP services: who may ask, told from the headers that clients already send.

A key is 256 bits of randomness, so its SHA-256 is all that a server needs to keep, and what the time of a look-up by
digest tells is nothing about the key. Several keys hold at a time, each under a label that logs may show: that is how
one is replaced.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from hushgate.guard.quota import UNLIMITED, Quota

HASH_PREFIX: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class HttpKey:
    """`label` is no secret; `admin` keys are held to what the service's `profile` calls full."""

    label: str
    digest: bytes = field(repr=False)
    admin: bool = False
    quota: Quota = UNLIMITED


class HttpKeys:
    """The keys of one service. It never changes; a reload builds another."""

    def __init__(self, keys: Iterable[HttpKey] = ()) -> None:
        self._keys = {key.digest: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: Iterable[bytes]) -> HttpKey | None:
        """The key that one of `presented` is."""
        for secret in presented:
            digest = hashlib.sha256(secret).digest()
            key = self._keys.get(digest)
            if key is not None and hmac.compare_digest(key.digest, digest):
                return key
        return None


def digest_of(secret: str) -> bytes:
    """What is kept of a key; white space around it is not part of it."""
    return hashlib.sha256(secret.strip().encode()).digest()


def hash_text(secret: str) -> str:
    """The form in which a key may stand in a file."""
    return HASH_PREFIX + digest_of(secret).hex()


def parse_hash(text: str) -> bytes:
    """The opposite of `hash_text`. Raises ValueError."""
    digest = bytes.fromhex(text.removeprefix(HASH_PREFIX))
    if not text.startswith(HASH_PREFIX) or len(digest) != 32:
        raise ValueError("is not sha256: and 64 hexadecimal digits")
    return digest


def presented(authorization: list[bytes], api_key: list[bytes]) -> list[bytes]:
    """The keys that a request carries: the value of Authorization (Bearer, or the password of Basic; RFC 6750 §2.1,
    RFC 7617 §2) and of x-api-key. A header that stands twice says nothing."""
    found = []
    if len(authorization) == 1:
        scheme, _, rest = authorization[0].strip().partition(b" ")
        credentials = rest.strip()
        if scheme.lower() == b"bearer":
            found.append(credentials)
        elif scheme.lower() == b"basic":
            found += _password(credentials)
    if len(api_key) == 1:
        found.append(api_key[0].strip())
    return [secret for secret in found if secret]


def _password(credentials: bytes) -> list[bytes]:
    try:
        pair = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return []
    _, colon, password = pair.partition(b":")
    return [password] if colon else []
