"""What is signed and MACed, formula by formula (docs/protocol.md §3.2, §5).

Every message begins with a label of its own and names the identifier, so that no proof can stand for another one.
"""

import hmac
from hashlib import sha256
from struct import pack
from typing import Final

TAG_SIZE: Final = 16
PROOF_SIZE: Final = 32
NO_PROOF: Final = bytes(PROOF_SIZE)


def digest(payload: bytes) -> bytes:
    """`H` of the specification."""
    return sha256(payload).digest()


def upgrade_message(head: bytes, identifier: bytes) -> bytes:
    """What an entry of the upgrade signs, and what its tag covers."""
    return b"hushgate/1 upgrade" + head + identifier


def upgrade_tag(server_key: bytes, message: bytes) -> bytes:
    return hmac.digest(server_key, message, "sha256")[:TAG_SIZE]


def challenge_proof(server_key: bytes, upgrade: bytes, fixed: bytes, identifier: bytes) -> bytes:
    """`upgrade` is a digest, `fixed` the CHALLENGE payload before its count."""
    return hmac.digest(server_key, b"hushgate/1 challenge" + upgrade + fixed + identifier, "sha256")


def login_message(upgrade: bytes, challenge: bytes, unsigned: bytes, identifier: bytes) -> bytes:
    """All but `identifier` are digests; `unsigned` that of the LOGIN payload before its signatures."""
    return b"hushgate/1 login" + upgrade + challenge + unsigned + identifier


def welcome_proof(
    server_key: bytes, upgrade: bytes, challenge: bytes, login: bytes, fixed: bytes, identifier: bytes
) -> bytes:
    """`upgrade`, `challenge` and `login` are digests, `fixed` that of the WELCOME payload before its count."""
    message = b"hushgate/1 welcome" + upgrade + challenge + login + fixed + identifier
    return hmac.digest(server_key, message, "sha256")


def link_binding(upgrade: bytes, challenge: bytes, login: bytes) -> bytes:
    """A name for this one handshake that nobody else can arrive at."""
    return digest(b"hushgate/1 binding" + upgrade + challenge + login)


def prove_message(binding: bytes, unsigned: bytes, identifier: bytes) -> bytes:
    """`unsigned` is the digest of the PROVE payload before its signatures."""
    return b"hushgate/1 prove" + binding + unsigned + identifier


def proved_proof(server_key: bytes, binding: bytes, serial: int, identifier: bytes) -> bytes:
    return hmac.digest(server_key, b"hushgate/1 proved" + binding + pack("!I", serial) + identifier, "sha256")


def same(one: bytes, other: bytes) -> bool:
    """Equality that takes the same time wherever the difference is."""
    return hmac.compare_digest(one, other)
