"""From a token to the keys that prove it (docs/protocol.md §3.1).

A token never crosses the wire. It yields an Ed25519 key pair, with which its holder signs, and a `server_key`, with
which the server proves that it knows the same token. Service and role go into the derivation, so a token proves nothing
for another service, and a laptop's key nothing for home. The server keeps a *verifier*: public key and server_key.
"""

import base64
import hmac
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hushgate.protocol.limits import WEAK_TOKEN

IDENTIFIER_SIZE: Final = 16
KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

_SALT: Final = b"hushgate/1"
_WEAK_SALT: Final = b"hushgate/1 weak token"
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
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
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
    _signer: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032 §5.1.6)."""
        return self._signer.sign(message)

    def verifier(self) -> Verifier:
        return Verifier(self.role, self.service, self.identifier, self.public, self.server_key)


def derive_keys(token: str, service: str, role: Role) -> Keys:
    """The keys of `token`; a weak one costs about a tenth of a second and 32 MiB for a moment, so derive at load.

    Raises ValueError when nothing but white space is left of the token, or when it is not text.
    """
    try:
        ikm = token.strip().encode()
        name = service.encode()
    except UnicodeEncodeError:
        # The original exception carries the token.
        raise ValueError("a token and a service name must be text that UTF-8 can hold") from None
    if not ikm:
        raise ValueError("the token is empty")
    if len(token.strip()) < WEAK_TOKEN:
        ikm = Scrypt(salt=_WEAK_SALT, length=KEY_SIZE, n=2**15, r=8, p=1).derive(ikm)
    scope = bytes((0, role, 0)) + name
    signer = Ed25519PrivateKey.from_private_bytes(_hkdf(ikm, b"signing key" + scope, KEY_SIZE))
    server_key = _hkdf(ikm, b"server key" + scope, KEY_SIZE)
    public = signer.public_key().public_bytes_raw()
    return Keys(role, service, _identifier(server_key), public, server_key, signer)


def _identifier(server_key: bytes) -> bytes:
    return _hkdf(server_key, b"identifier", IDENTIFIER_SIZE)


def _hkdf(ikm: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=info).derive(ikm)
