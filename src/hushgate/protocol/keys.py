"""From a token to the keys that prove it (docs/protocol.md §3.1).

A token never crosses the wire. It yields an Ed25519 key pair, with which its holder signs, and a `server_key`, with
which the server proves that it knows the same token. Service and role go into the derivation, so a token proves nothing
for another service, and a laptop's key nothing for home. The server keeps a *verifier*: public key and server_key.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from hushgate.protocol.limits import WEAK_TOKEN

IDENTIFIER_SIZE: Final = 16
KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

_SALT: Final = b"hushgate/1"
_WEAK_SALT: Final = b"hushgate/1 weak token"
_SCRYPT_MEMORY: Final = 64 * 1024 * 1024
"""Bytes that OpenSSL may use; it takes half of it."""
_VERIFIER: Final = "hgv1."


class Role(IntEnum):
    """Who dials: home, which offers services, or a laptop, which uses them."""

    CLIENT = 1
    ACCESS = 2


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a server keeps of one token: enough to check its holder and to prove itself, not to log in."""

    role: Role
    service: str
    identifier: bytes = field(repr=False)
    public: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the holder of the token signed `message` (RFC 8032 §5.1.7)."""
        try:
            VerifyKey(self.public).verify(message, signature)
        except (BadSignatureError, ValueError):
            return False
        return True

    def text(self) -> str:
        """The form that stands in a configuration file."""
        return _VERIFIER + base64.urlsafe_b64encode(self.public + self.server_key).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str, service: str, role: Role) -> "Verifier":
        """The opposite of `text()`; the role and service must be those it was made for. Raises ValueError."""
        try:
            raw = base64.b64decode(text.removeprefix(_VERIFIER) + "==", altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        public, server_key = raw[:KEY_SIZE], raw[KEY_SIZE:]
        if len(raw) == 2 * KEY_SIZE:
            verifier = cls(role, service, _identifier(server_key), public, server_key)
            # Also refuses what base64 decoders let pass: another alphabet, stray bits in the last character.
            if hmac.compare_digest(verifier.text().encode(), text.encode()):
                return verifier
        raise ValueError(f"not a verifier: {_VERIFIER} and 86 characters of base64url are expected")


@dataclass(frozen=True, slots=True)
class Keys:
    """What the holder of a token has."""

    role: Role
    service: str
    identifier: bytes = field(repr=False)
    public: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    _signer: SigningKey = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032 §5.1.6)."""
        return self._signer.sign(message).signature

    def verifier(self) -> Verifier:
        return Verifier(self.role, self.service, self.identifier, self.public, self.server_key)


def derive_keys(token: str, service: str, role: Role) -> Keys:
    """The keys of `token`; a weak one costs about a tenth of a second and 32 MiB for a moment, so derive at load.

    Raises ValueError when nothing but white space is left of the token, or when it is not text.
    """
    ikm, name = _material(token, service)
    scope = bytes((0, role, 0)) + name
    signer = SigningKey(_hkdf(ikm, b"signing key" + scope, KEY_SIZE))
    server_key = _hkdf(ikm, b"server key" + scope, KEY_SIZE)
    return Keys(role, service, _identifier(server_key), bytes(signer.verify_key), server_key, signer)


def derive_e2e_key(key: str, service: str) -> bytes:
    """The pre-shared key of §14, for the `e2e_key` of `service`. Cost and errors as `derive_keys`."""
    ikm, name = _material(key, service)
    return _hkdf(ikm, b"e2e key" + bytes(1) + name, KEY_SIZE)


def _material(token: str, service: str) -> tuple[bytes, bytes]:
    """What both derivations start from: the token, stretched when it is weak, and the service's name."""
    try:
        ikm = token.strip().encode()
        name = service.encode()
    except UnicodeEncodeError:
        # The original exception carries the token.
        raise ValueError("a token and a service name must be text that UTF-8 can hold") from None
    if not ikm:
        raise ValueError("the token is empty")
    if len(token.strip()) < WEAK_TOKEN:
        ikm = hashlib.scrypt(ikm, salt=_WEAK_SALT, n=2**15, r=8, p=1, maxmem=_SCRYPT_MEMORY, dklen=KEY_SIZE)
    return ikm, name


def _identifier(server_key: bytes) -> bytes:
    return _hkdf(server_key, b"identifier", IDENTIFIER_SIZE)


def _hkdf(ikm: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869) of at most 32 bytes: extract, then the only block of expand."""
    return hmac.digest(hmac.digest(_SALT, ikm, "sha256"), info + b"\x01", "sha256")[:length]
